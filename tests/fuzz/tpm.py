"""Virtual TPMs: messages, signatures, keys, Azure's reports, PCRs, and step 2 as a whole."""

from dataclasses import replace

from cryptography.x509.oid import ExtensionOID

from attestation import verifier
from attestation.policy import AppraisalPolicy
from attestation.tcg_log import TcgLog
from attestation.tpm.authenticate import SEV_SNP_VTPM
from attestation.tpm.collect import append
from attestation.tpm.document import TpmQuote
from attestation.tpm.endorsements import extended_usages
from attestation.tpm.evidence import Attest, bank_named
from attestation.tpm.fields import event_log_fields, hcl_fields, quote_fields
from attestation.tpm.files import FILES, azure_quote, parse_pcrs
from attestation.tpm.hardware import hardware_quote
from attestation.tpm.hcl import HclReport, Runtime
from attestation.tpm.ima import read_list
from attestation.tpm.pcrs import pcr_events, replay_pcrs
from attestation.tpm.public import accepted, read_public, read_spki, rsa_key, spki
from attestation.tpm.signature import Signature
from attestation.tpm.wire import whole
from attestation.x509 import parse_chain
from tests.attestation.tpm.test_ima import record
from tests.fakes import amd, tpm
from tests.fakes.intel import intel
from tests.fuzz.cases import case, judge
from tests.fuzz.event_logs import tcg_logs
from tests.fuzz.pieces import named, numbered, pieces
from tests.fuzz.sev_snp import vendor
from tests.fuzz.target import Bytes, each, reads_back, target, writes
from tests.fuzz.vectors import cases, published

PCRS = tpm.pcr_values()
KEYS = (tpm.rsa_ak(), tpm.ec_ak())


def snp_report(report_data: bytes) -> bytes:
    return vendor("Milan").report(vendor("Milan").vcek(), report_data=report_data)


def hcl_report() -> bytes:
    runtime = tpm.runtime_data(tpm.rsa_ak())
    return tpm.hcl_report(snp_report(tpm.runtime_report_data(runtime)), runtime)


def messages() -> Bytes:
    return [tpm.message(PCRS), tpm.message(PCRS, trailing=b"x"), *published("tpm", "quote_message")]


def signatures() -> Bytes:
    made = [key.sign(tpm.message(PCRS)) for key in KEYS]
    return [*made, bytes(256), *published("tpm", "quote_signature")]


def publics() -> Bytes:
    made = [key.spki for key in KEYS] + [tpm.rsa_ak().tpmt()]
    return [*made, tpm.sized(tpm.rsa_ak().tpmt()), *published("tpm", "ak_public")]


def hcl_reports() -> Bytes:
    return [hcl_report(), *published("tpm", "hcl_report")]


def runtimes() -> Bytes:
    return [tpm.runtime_data(tpm.rsa_ak())]


def pcr_files() -> Bytes:
    yield b'{"sha256":{"0":"%s"}}' % (b"00" * 32)
    yield from published("tpm", "pcrs")


def azure_files() -> Bytes:
    signed = tpm.message(PCRS)
    made = {"hcl_report": hcl_report(), "quote_message": signed, "pcrs": b'{"sha384":{}}'}
    files = {**made, "quote_signature": tpm.rsa_ak().sign(signed)}
    yield numbered(FILES, list(files.items()))
    for _, listed in cases("tpm"):
        yield numbered(FILES, [(name, data) for name in listed for data in listed[name]])


def documents() -> Bytes:
    quote = snp_report(tpm.ak_report_data(tpm.rsa_ak(), b"challenge"))
    yield tpm.document({"quote": quote}, tpm.rsa_ak(), PCRS)
    yield tpm.document({"hcl": hcl_report()}, tpm.rsa_ak(), PCRS)
    yield tpm.document({"quote": intel().quote()}, tpm.ec_ak(), PCRS)


def whole_cases() -> Bytes:
    line = vendor("Milan")
    for document in documents():
        yield case("fake", amd.NOW, document, line.endorsements(line.vcek()))


def usages() -> Bytes:
    chain = parse_chain(tpm.cloud().chain(tpm.rsa_ak()))
    return [chain[0].extensions[ExtensionOID.EXTENDED_KEY_USAGE]]


@target(Attest.parse, Attest.read, whole, bank_named, seeds=messages)
def tpm_message(data: bytes) -> None:
    """Any bytes give a TPM's quote message that writes the same, or MalformedEvidenceError."""
    bank_named("sha256")
    attest, length = Attest.read(data)
    quote_fields(attest, length)
    writes(attest, data[:length])
    assert Attest.parse(data[:length]) == attest


@target(Signature.parse, Signature.parse_any, seeds=signatures)
def tpm_signature(data: bytes) -> None:
    """Any bytes give a TPM's signature that reads back alike, or MalformedEvidenceError."""
    assert Signature.parse(Signature.parse_any(data).encode()) == Signature.parse_any(data)


@target(read_public, read_spki, rsa_key, accepted, seeds=publics)
def tpm_public_key(data: bytes) -> None:
    """Any bytes give a key that has one spelling, or MalformedEvidenceError."""
    each(lambda: rsa_key(data, 65537), lambda: read_public(data))
    key = read_public(data)
    assert spki(read_spki(spki(key))) == spki(key)


@target(HclReport.parse, Runtime.parse, Runtime.ak, seeds=hcl_reports)
def azure_report(data: bytes) -> None:
    """Any bytes give Azure's report that writes the same, or MalformedEvidenceError."""
    report = HclReport.parse(data)
    writes(report, data)
    hcl_fields(report)
    report.runtime.ak()


@target(Runtime.parse, Runtime.ak, seeds=runtimes)
def azure_runtime_data(data: bytes) -> None:
    """Any bytes give Azure's runtime data, or MalformedEvidenceError."""
    Runtime.parse(data).ak()


@target(parse_pcrs, seeds=pcr_files)
def tpm_pcrs(data: bytes) -> None:
    """Any bytes give PCR values, or MalformedEvidenceError."""
    parse_pcrs(data)


@target(azure_quote, seeds=azure_files, longest=2**13)
def azure_raw_files(data: bytes) -> None:
    """Any files of Azure's tools give a document, or MalformedEvidenceError."""
    files: dict[str, list[bytes]] = {}
    for name, one in named(pieces(data), FILES):
        files.setdefault(name, []).append(one)
    azure_quote(files)


@target(TpmQuote.parse, hardware_quote, seeds=documents, longest=2**13)
def tpm_document(data: bytes) -> None:
    """Any bytes give a document that reads back alike, or MalformedEvidenceError."""
    reads_back(TpmQuote, data)
    hardware_quote(TpmQuote.parse(data), "sev-snp")


@target(extended_usages, seeds=usages, longest=2**8)
def ak_certificate_usages(data: bytes) -> None:
    """Any value of the extended key usage gives its purposes, or MalformedEvidenceError."""
    leaf = parse_chain(tpm.cloud().chain(tpm.rsa_ak()))[0]
    extended_usages(replace(leaf, extensions={ExtensionOID.EXTENDED_KEY_USAGE: data}))


@target(read_list, seeds=lambda: [record(), record() + record(b"more")])
def ima_list(data: bytes) -> None:
    """Any bytes give Linux's measurements, or MalformedEvidenceError."""
    assert sum(map(len, read_list(data))) <= len(data)


@target(
    replay_pcrs,
    pcr_events,
    SEV_SNP_VTPM.replay,
    SEV_SNP_VTPM.events,
    event_log_fields,
    append,
    seeds=tcg_logs,
)
def tpm_event_log(data: bytes) -> None:
    """Any bytes give a TPM's registers and what its log shows, or MalformedEvidenceError."""
    each(
        lambda: replay_pcrs(data),
        lambda: SEV_SNP_VTPM.replay(data),
        lambda: SEV_SNP_VTPM.events(data),
        lambda: event_log_fields(TcgLog.parse(data)),
        lambda: TcgLog.parse(append(data, "one more")),
    )


@target(verifier.verify_parts, verifier.explain, seeds=whole_cases, refusals=(), longest=2**13)
def verify_vtpm(data: bytes) -> None:
    """Any document, time and endorsements give an appraisal; nothing is raised."""
    root = vendor("Milan").root_spki_sha256
    roots = {"sev-snp-vtpm": root}
    judge("sev-snp-vtpm", data, AppraisalPolicy(platforms=("sev-snp-vtpm",), roots=roots))

"""Every parser of `attestation/`, as a function that any bytes may be given to.

A target calls a parser and does something with what it gives; whatever is raised other than the
errors of that package is a finding, and so is a value that does not read back. Its first line says
what must hold. `parsers` of each target are the public functions it feeds, and a test compares them
with those that exist: a parser without a target is found by its absence.

    tests/fuzz/run.py snp_report --seconds 120        libFuzzer, through atheris
    pytest tests/fuzz                                 the same functions, fixed inputs
"""

import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from cryptography.x509 import ObjectIdentifier

from attestation import ccel, der, ear_token, parts, strict_json, tcg_log, verifier, x509
from attestation.checks import Checks
from attestation.ear import Ear
from attestation.endorsements import Crl
from attestation.errors import AppraisalError, AttestationError, MalformedEvidenceError, PolicyError
from attestation.evidence import Endorsement, EvidenceBundle, parse_endorsements
from attestation.policy import AppraisalPolicy
from attestation.result import Report as AttestationReport
from attestation.sections import (
    DeviceEvidence,
    DevicesSection,
    FreshnessSection,
    KeysSection,
    SoftwareSection,
)
from attestation.sev_snp import authenticate as sev_snp
from attestation.sev_snp import endorsements as snp_endorsements
from attestation.sev_snp.certificate_table import parse_certificate_table
from attestation.sev_snp.evidence import REPORT_SIZE
from attestation.sev_snp.evidence import Report as SnpReport
from attestation.sev_snp.fields import fields as snp_fields
from attestation.sev_snp.product import read_tcb
from attestation.simulated import authenticate as simulated
from attestation.simulated.endorsements import Rim, SignedRim, machine_identity
from attestation.simulated.eventlog import SimulatedEventLog, replay
from attestation.simulated.evidence import DeviceReport
from attestation.simulated.evidence import Quote as SimulatedQuote
from attestation.tdx import authenticate as tdx
from attestation.tdx.collateral import Collateral, Signed, read_collaterals, select
from attestation.tdx.endorsements import SGX_EXTENSION, pck_identity
from attestation.tdx.evidence import Quote as TdxQuote
from attestation.tdx.fields import fields as tdx_fields
from attestation.tdx.layout import FixedFields
from attestation.tdx.tcb_data import QeIdentity, TcbInfo
from tests.fuzz import seeds
from tests.fuzz.pieces import pieces

Bytes = Iterable[bytes]
Given = TypeVar("Given")
Value = TypeVar("Value")
Malformed = (MalformedEvidenceError,)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A function for any bytes.

    Attributes:
        parsers: what it feeds.
        seeds: makes inputs to start from; the good ones among them.
        refusals: what it may raise.
        longest: bytes of an input worth trying; a little more than good ones have.
    """

    name: str
    call: Callable[[bytes], object]
    parsers: tuple[Callable[..., Any], ...]
    seeds: Callable[[], Bytes]
    refusals: tuple[type[Exception], ...]
    longest: int

    def __call__(self, data: bytes) -> bool:
        """Say whether the bytes were accepted; anything but a value or a refusal is raised."""
        try:
            self.call(data)
        except self.refusals:
            return False
        return True


TARGETS: dict[str, Target] = {}
"""Name to target."""


def target(
    *parsers: Callable[..., Any],
    seeds: Callable[[], Bytes],
    refusals: tuple[type[Exception], ...] = Malformed,
    longest: int = 2**14,
) -> Callable[[Callable[[bytes], object]], Callable[[bytes], object]]:
    """Enter a function into the table."""

    def enter(call: Callable[[bytes], object]) -> Callable[[bytes], object]:
        name = call.__name__
        TARGETS[name] = Target(
            name=name,
            call=call,
            parsers=parsers,
            seeds=seeds,
            refusals=refusals,
            longest=longest,
        )
        return call

    return enter


# The forms everything else is written in


@target(strict_json.parse_object, seeds=seeds.documents, refusals=(strict_json.StrictJSONError,))
def json_object(data: bytes) -> None:
    """Any bytes give the members of an object, or StrictJSONError."""
    strict_json.parse_object(data, limit=2**14, name="document")


@target(strict_json.b64decode, seeds=seeds.base64_texts, refusals=(strict_json.StrictJSONError,))
def base64_text(data: bytes) -> None:
    """Any text gives bytes of which it is the one spelling, or StrictJSONError."""
    text = data.decode("utf-8", errors="surrogateescape")
    assert strict_json.b64encode(strict_json.b64decode(text)) == text


@target(der.read, der.whole, der.children, der.integer, der.oid, seeds=seeds.ders)
def der_element(data: bytes) -> None:
    """Any bytes give an element, and each element its value, or MalformedEvidenceError."""
    waiting = [der.read(data)]
    for _ in range(256):
        if waiting:
            element = waiting.pop()
            for read in (der.integer, der.oid, lambda one: der.whole(one.content, der.SEQUENCE)):
                _or_none(read, element)
            waiting += _or_none(der.children, element) or ()


# Certificates and lists


@target(x509.Certificate.parse, x509.parse_certificate, seeds=seeds.certificates, longest=2**13)
def certificate(data: bytes) -> None:
    """Any bytes give a certificate, PEM or DER, or MalformedEvidenceError."""
    assert x509.parse_certificate(data).der in (data, x509.parse_certificate(data).der)
    if not data.lstrip(b"\r\n").startswith(b"-----"):
        assert x509.Certificate.parse(data).der == data


@target(x509.parse_chain, seeds=seeds.chains)
def certificate_chain(data: bytes) -> None:
    """Any bytes give certificates that read back alike, or MalformedEvidenceError."""
    chain = x509.parse_chain(data)
    assert x509.parse_chain(b"".join(x509.armored(one.der) for one in chain)) == chain


@target(Crl.parse, seeds=seeds.crls, longest=2**13)
def crl(data: bytes) -> None:
    """Any bytes give a revocation list that can be asked, or MalformedEvidenceError."""
    Crl.parse(data).lists(1)


@target(
    snp_endorsements.leaf_product,
    snp_endorsements.leaf_tcb,
    snp_endorsements.hardware_id,
    seeds=seeds.amd_extensions,
    longest=2**10,
)
def amd_extensions(data: bytes) -> None:
    """Any values of AMD's extensions give product, TCB and id, or MalformedEvidenceError."""
    values = {ObjectIdentifier(snp_endorsements.ARC + name.decode()): value
              for name, value in _named(data, seeds.AMD_SUFFIXES)}  # fmt: skip
    leaf = replace(seeds.leaf_certificate(), der=data, extensions=values)
    _each(
        lambda: snp_endorsements.leaf_product(leaf),
        lambda: snp_endorsements.leaf_tcb(leaf),
        lambda: snp_endorsements.hardware_id(leaf),
    )


@target(pck_identity, seeds=seeds.pck_extensions, longest=2**10)
def pck_extension(data: bytes) -> None:
    """Any value of Intel's extension gives the machine's identity, or MalformedEvidenceError."""
    values = {ObjectIdentifier(SGX_EXTENSION): data}
    pck_identity(replace(seeds.leaf_certificate(), extensions=values))


@target(machine_identity, seeds=seeds.simulated_extensions, longest=2**10)
def simulated_extensions(data: bytes) -> None:
    """Any values of the simulated extensions give the identity, or MalformedEvidenceError."""
    named = dict(_named(data, seeds.SIMULATED_SUFFIXES))
    values = {ObjectIdentifier(name.decode()): value for name, value in named.items()}
    machine_identity(replace(seeds.leaf_certificate(), extensions=values))


# Evidence


@target(EvidenceBundle.parse, verifier.parse, seeds=seeds.bundles, longest=2**16)
def evidence_bundle(data: bytes) -> None:
    """Any bytes give a bundle that reads back alike, or MalformedEvidenceError."""
    assert verifier.parse(data, Checks()) == _or_none(EvidenceBundle.parse, data)
    bundle = EvidenceBundle.parse(data)
    assert EvidenceBundle.parse(bundle.encode()) == bundle


@target(parse_endorsements, seeds=seeds.endorsement_files, longest=2**16)
def endorsements(data: bytes) -> None:
    """Any bytes give endorsements, or MalformedEvidenceError."""
    parse_endorsements(data)


@target(
    KeysSection.parse,
    FreshnessSection.parse,
    DevicesSection.parse,
    SoftwareSection.parse,
    seeds=seeds.sections,
)
def sections(data: bytes) -> None:
    """Any bytes give a section that reads back alike, or MalformedEvidenceError."""
    kinds = (KeysSection, FreshnessSection, DevicesSection, SoftwareSection)
    _each(*(lambda kind=kind: _reads_back(kind, data) for kind in kinds))


@target(SnpReport.parse, seeds=seeds.snp_reports, longest=1300)
def snp_report(data: bytes) -> None:
    """Any bytes give an SNP report that writes the same bytes, or MalformedEvidenceError."""
    fitting = data[:REPORT_SIZE].ljust(REPORT_SIZE, b"\0")
    assert data == fitting or _or_none(SnpReport.parse, data) is None
    report = SnpReport.parse(fitting)
    assert report.encode() == fitting
    snp_fields(report)


@target(parse_certificate_table, seeds=seeds.certificate_tables)
def snp_certificate_table(data: bytes) -> None:
    """Any bytes give the certificates a host hands its guest, or MalformedEvidenceError."""
    assert sum(map(len, parse_certificate_table(data).values())) <= len(data)


@target(TdxQuote.parse, FixedFields.read, seeds=seeds.tdx_quotes, longest=2**13)
def tdx_quote(data: bytes) -> None:
    """Any bytes give a TDX quote with all its fields in place, or MalformedEvidenceError."""
    quote = TdxQuote.parse(data)
    assert quote.signed_length <= len(data)
    assert all(field.offset + field.size <= len(data) for field in quote.table())
    tdx_fields(quote)


@target(
    SimulatedQuote.parse, DeviceReport.parse, simulated.read_device, seeds=seeds.simulated_evidence
)
def simulated_evidence(data: bytes) -> None:
    """Any bytes give simulated evidence that writes the same, or MalformedEvidenceError."""
    _each(
        lambda: _writes(SimulatedQuote.parse(data), data),
        lambda: _writes(DeviceReport.parse(data), data),
        lambda: simulated.read_device(
            DeviceEvidence(kind="simulated-gpu", report=data, certificates=b"", mode="on")
        ),
    )


@target(parts.read_parts, parts.Kind.read, seeds=seeds.raw_parts, longest=2**15)
def raw_parts(data: bytes) -> None:
    """Any files of any names give the parts of evidence, or MalformedEvidenceError."""
    kind, *files = pieces(data)
    named = [(name.decode("latin-1"), value) for name, value in _named_pieces(files, seeds.FILES)]
    parts.read_parts(kind.decode("latin-1"), named)


# Endorsements


@target(Collateral.parse, seeds=seeds.collaterals, longest=2**16)
def tdx_collateral(data: bytes) -> None:
    """Any bytes give collateral, or MalformedEvidenceError."""
    Collateral.parse(data)


@target(TcbInfo.parse, seeds=seeds.tcb_infos)
def tdx_tcb_info(data: bytes) -> None:
    """Any bytes give TCB info, or MalformedEvidenceError."""
    TcbInfo.parse(data)


@target(QeIdentity.parse, seeds=seeds.qe_identities, longest=2**13)
def tdx_qe_identity(data: bytes) -> None:
    """Any bytes give a QE identity, or MalformedEvidenceError."""
    QeIdentity.parse(data)


@target(
    Rim.parse, SignedRim.parse, SignedRim.authenticate,
    seeds=seeds.rims, refusals=(MalformedEvidenceError, AppraisalError),
)  # fmt: skip
def simulated_rim(data: bytes) -> None:
    """Any bytes give simulated reference measurements, authentic or not, or are refused."""
    _each(lambda: Rim.parse(data), lambda: SignedRim.parse(data))
    SignedRim.parse(data).authenticate(anchors=seeds.simulated_anchors(), now=seeds.NOW)


# Event logs


@target(tcg_log.TcgLog.parse, tcg_log.replay, seeds=seeds.tcg_logs)
def tcg_event_log(data: bytes) -> None:
    """Any bytes give a TCG log, and any log its registers, or MalformedEvidenceError."""
    log = tcg_log.TcgLog.parse(data)
    _each(*(lambda bank=bank: tcg_log.replay(log, bank) for bank in tcg_log.Bank))


@target(
    ccel.read_ccel, ccel.replay_ccel, ccel.ccel_events, ccel.append, tdx.replay,
    seeds=seeds.ccel_logs,
)  # fmt: skip
def ccel_event_log(data: bytes) -> None:
    """Any bytes give a TDX guest's registers, which one more event changes, or are refused."""
    registers = tdx.replay(data)
    if data:
        assert registers == ccel.replay_ccel(data)
        assert all(0 <= event.register < ccel.RTMRS for event in ccel.ccel_events(data))
        longer = ccel.replay_ccel(ccel.append(data, 3, "one more"))
        assert [one for one in longer if longer[one] != registers[one]] == [3]


@target(
    SimulatedEventLog.parse, SimulatedEventLog.replay, replay, simulated.replay, sev_snp.replay,
    seeds=seeds.simulated_logs,
)  # fmt: skip
def simulated_event_log(data: bytes) -> None:
    """Any bytes give a simulated log that reads back alike, or MalformedEvidenceError."""
    _each(lambda: sev_snp.replay(data), lambda: simulated.replay(data))
    _reads_back(SimulatedEventLog, data)


# Our own documents


@target(AppraisalPolicy.parse, seeds=seeds.policies, refusals=(PolicyError,), longest=2**12)
def policy_table(data: bytes) -> None:
    """Any TOML gives an appraisal policy, or PolicyError."""
    try:
        table = tomllib.loads(data.decode())
    except (ValueError, RecursionError):  # no TOML: for whoever opens the file to refuse
        return
    AppraisalPolicy.parse(table)


@target(AttestationReport.parse, seeds=seeds.reports)
def attestation_report(data: bytes) -> None:
    """Any bytes give an attestation report that reads back alike, or MalformedEvidenceError."""
    report = AttestationReport.parse(data)
    assert AttestationReport.parse(strict_json.dumps(report.to_json())) == report


@target(Ear.parse, seeds=seeds.ears)
def ear(data: bytes) -> None:
    """Any bytes give an attestation result that reads back alike, or MalformedEvidenceError."""
    _reads_back(Ear, data)


@target(ear_token.verify, seeds=seeds.ear_tokens, refusals=(MalformedEvidenceError, AppraisalError))
def signed_ear(data: bytes) -> None:
    """Any text gives a result that the key signed, or is refused."""
    text = data.decode("utf-8", errors="surrogateescape")
    key = seeds.ear_key().public_key()
    ear_token.verify(text, key, audience=seeds.AUDIENCE, now=seeds.NOW)


# The verifier as a whole


@target(
    verifier.verify_parts, verifier.explain, snp_endorsements.read_chain, read_tcb,
    seeds=seeds.snp_cases, refusals=(), longest=2**14,
)  # fmt: skip
def verify_sev_snp(data: bytes) -> None:
    """Any report, time and endorsements give an appraisal; nothing is raised."""
    _verify("sev-snp", data)


@target(
    verifier.verify_parts, verifier.explain, read_collaterals, select, Signed.authenticate,
    seeds=seeds.tdx_cases, refusals=(), longest=2**16,
)  # fmt: skip
def verify_tdx(data: bytes) -> None:
    """Any quote, time and endorsements give an appraisal; nothing is raised."""
    _verify("tdx", data)


def _verify(platform: str, data: bytes) -> None:
    head, quote, *stapled = [*pieces(data), b"", b""]
    found = tuple(
        Endorsement(type=kind.decode("latin-1"), data=value)
        for kind, value in _named_pieces(stapled, seeds.ENDORSEMENTS)
    )
    policy = seeds.vendor_policy(platform) if head[:1] == b"v" else seeds.fake_policy(platform)
    now = int.from_bytes(head[1:5], "big")
    verifier.verify_parts(platform, quote, found, now=now, policy=policy)
    verifier.explain(platform, quote, found, policy)


# What several targets do


def _each(*readings: Callable[[], object]) -> None:
    """Try all; refused if all refuse, in the words of the last."""
    refused: list[AttestationError] = []
    for read in readings:
        try:
            read()
        except MalformedEvidenceError as error:
            refused.append(error)
    if len(refused) == len(readings):
        raise refused[-1]


def _or_none(read: Callable[[Given], Value], given: Given) -> Value | None:
    try:
        return read(given)
    except MalformedEvidenceError:
        return None


def _reads_back(kind: Any, data: bytes) -> None:
    value = kind.parse(data)
    assert kind.parse(value.encode()) == value


def _writes(value: Any, data: bytes) -> None:
    assert value.encode() == data


def _named(data: bytes, names: tuple[bytes, ...]) -> Iterator[tuple[bytes, bytes]]:
    return _named_pieces(pieces(data), names)


def _named_pieces(
    found: Iterable[bytes], names: tuple[bytes, ...]
) -> Iterator[tuple[bytes, bytes]]:
    """Read pieces as a number of a name and what stands under it; no such number, no such piece."""
    for piece in found:
        if piece and piece[0] < len(names):
            yield names[piece[0]], piece[1:]

"""Our own documents: bundle, sections, endorsements, policy, report, attestation result; and the
files of raw evidence."""

import json
import tomllib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from attestation import ear_token, parts, raw_files, verifier
from attestation.checks import Checks
from attestation.ear import Ear
from attestation.errors import AppraisalError, MalformedEvidenceError, PolicyError
from attestation.evidence import EvidenceBundle, endorsement_json, parse_endorsements
from attestation.nvidia.files import read_device_files
from attestation.policy import AppraisalPolicy
from attestation.result import Report
from attestation.sections import DevicesSection, FreshnessSection, KeysSection, SoftwareSection
from attestation.strict_json import dumps
from attestation.tpm.alone import TpmFiles
from tests.fakes import kept, simulated
from tests.fakes.intel import intel
from tests.fuzz.pieces import joined, named, numbered, pieces
from tests.fuzz.sev_snp import vendor
from tests.fuzz.target import Bytes, each, or_none, reads_back, target
from tests.fuzz.vectors import cases, standards

AUDIENCE = "https://client.example"
NAMES = {name for kind in parts.KINDS.values() for name in kind.names}
FILES = (*sorted(NAMES), "other")
POLICY = f"""\
platforms = ["sev-snp"]
maximum_epoch = 3600
machines = ["{"01" * 64}"]
models = ["{"02" * 32}"]
tcb_statuses = ["UpToDate", "SWHardeningNeeded"]
[roots]
sev-snp = "{"03" * 32}"
[ages]
crl = 86400
[minimum_tcb.sev-snp]
snp = 24
[checks]
optional = ["2.recency"]
"""
EAR = {
    "eat_profile": "tag:ietf.org,2026:rats/ear#03",
    "iat": simulated.NOW,
    "exp": simulated.NOW + 60,
    "aud": AUDIENCE,
    "ear_verifier_id": {"developer": "https://example.org", "build": "v1"},
    "submods": {
        "node": {
            "ear_status": "affirming",
            "ear_trustworthiness_vector": {"instance-identity": 2},
            "ear_appraisal_policy_ids": ["policy"],
            "eat_nonce": "AAECAwQFBgcICQoL",
        }
    },
}


def bundles() -> Bytes:
    return [simulated.scene(device_count=count).bundle().encode() for count in (0, 1)]


def endorsement_files() -> Bytes:
    stapled = [endorsement_json(one) for one in simulated.machine().endorsements()]
    return [dumps({"endorsements": stapled})]


def all_sections() -> Bytes:
    bundle = simulated.scene().bundle()
    return [bundle.keys, bundle.freshness, bundle.devices or b"", bundle.software]


def files_of_any_kind() -> Bytes:
    leaf = vendor("Milan").vcek()
    chain = list(zip(("leaf", "intermediates", "root"), leaf.chain, strict=True))
    snp = [("report", vendor("Milan").report(leaf)), *chain, ("crl", vendor("Milan").crl())]
    yield joined([b"sev-snp", numbered(FILES, snp)])
    tdx = [("quote", intel().quote()), ("collateral", intel().collateral())]
    yield joined([b"tdx", numbered(FILES, tdx)])
    for raw in (kept.gpu(), kept.rim(), kept.tpm_alone(), kept.azure()):
        lists = [(name, data) for name, some in raw.lists.items() for data in some]
        yield joined([raw.kind.encode(), numbered(FILES, [*raw.files.items(), *lists])])
    for kind in parts.KINDS:
        for _, files in cases(kind):
            found = [(name, data) for name, some in files.items() for data in some]
            yield joined([kind.encode(), numbered(FILES, found)])


def policies() -> Bytes:
    return [b'platforms = ["sev-snp", "tdx"]\n', POLICY.encode()]


def reports() -> Bytes:
    appraisal = simulated.scene().appraise()
    report = Report(
        platform="simulated",
        at=simulated.NOW,
        checks=appraisal.checks,
        machine=appraisal.machine,
        expires=appraisal.expires,
    )
    return [dumps(report.to_json())]


def ears() -> Bytes:
    for data in standards("rats/ea?.json"):
        yield from (row["text"].encode() for row in json.loads(data))
    yield dumps(EAR)


def ear_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(32))


def ear_tokens() -> Bytes:
    return [ear_token.sign(Ear.parse(dumps(EAR)), ear_key()).encode()]


@target(EvidenceBundle.parse, verifier.parse, seeds=bundles)
def evidence_bundle(data: bytes) -> None:
    """Any bytes give a bundle that reads back alike, or MalformedEvidenceError."""
    assert verifier.parse(data, Checks()) == or_none(EvidenceBundle.parse, data)
    reads_back(EvidenceBundle, data)


@target(parse_endorsements, seeds=endorsement_files)
def endorsements(data: bytes) -> None:
    """Any bytes give endorsements, or MalformedEvidenceError."""
    parse_endorsements(data)


@target(
    KeysSection.parse, FreshnessSection.parse, DevicesSection.parse, SoftwareSection.parse,
    seeds=all_sections,
)  # fmt: skip
def sections(data: bytes) -> None:
    """Any bytes give a section that reads back alike, or MalformedEvidenceError."""
    kinds = (KeysSection, FreshnessSection, DevicesSection, SoftwareSection)
    each(*(lambda kind=kind: reads_back(kind, data) for kind in kinds))


@target(
    parts.read_parts, parts.Kind.read, raw_files.certificates, raw_files.chain,
    raw_files.revocation_list, read_device_files, TpmFiles.read, seeds=files_of_any_kind,
)  # fmt: skip
def raw_parts(data: bytes) -> None:
    """Any files of any names give the parts of evidence, or MalformedEvidenceError."""
    name, *found = pieces(data)
    files, kind = list(named(found, FILES)), name.decode("latin-1")
    if kind in ("nvidia", "tpm"):
        parts.KINDS[kind].read(files)
    else:
        parts.read_parts(kind, files)


@target(AppraisalPolicy.parse, seeds=policies, refusals=(PolicyError,))
def policy_table(data: bytes) -> None:
    """Any TOML gives an appraisal policy, or PolicyError."""
    try:
        table = tomllib.loads(data.decode())
    except (ValueError, RecursionError):  # no TOML: for whoever opens the file to refuse
        return
    AppraisalPolicy.parse(table)


@target(Report.parse, seeds=reports)
def attestation_report(data: bytes) -> None:
    """Any bytes give an attestation report that reads back alike, or MalformedEvidenceError."""
    report = Report.parse(data)
    assert Report.parse(dumps(report.to_json())) == report


@target(Ear.parse, seeds=ears)
def ear(data: bytes) -> None:
    """Any bytes give an attestation result that reads back alike, or MalformedEvidenceError."""
    reads_back(Ear, data)


@target(ear_token.verify, seeds=ear_tokens, refusals=(MalformedEvidenceError, AppraisalError))
def signed_ear(data: bytes) -> None:
    """Any text gives a result that the key signed, or is refused."""
    text = data.decode("utf-8", errors="surrogateescape")
    ear_token.verify(text, ear_key().public_key(), audience=AUDIENCE, now=simulated.NOW)

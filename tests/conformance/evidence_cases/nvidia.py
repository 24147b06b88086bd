"""Evidence of kind `nvidia`: device reports with chain and RIMs, and single RIMs. Page, 2.6.

Whether a report is authentic is asked of `devices.appraise_one`, as by `openpcc verify evidence
--kind nvidia`, without a single OCSP answer: these belong to no case. So 6.authentic must get as
far as asking for one, and no further.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from attestation.anchors import VENDOR_ROOTS, anchors_of
from attestation.certificates import (
    Certificate,
    check_issued,
    check_path,
    parse_certificate,
    parse_chain,
)
from attestation.checks import Checks, Outcome
from attestation.claims import Context
from attestation.devices import appraise_one
from attestation.errors import AppraisalError, MalformedEvidenceError, UnjudgedError
from attestation.nvidia.authenticate import DEVICE_ROOT, RIM_ROOT
from attestation.nvidia.endorsements import check_fwid
from attestation.nvidia.evidence import Opaque, Report
from attestation.nvidia.fields import fields, rim_fields
from attestation.nvidia.rim import Rim, SignedRim, mismatches, overlap
from attestation.nvidia.signatures import check_signature
from attestation.nvidia.xml_signature import Signed, check_digest, check_signed_info
from attestation.parts import KINDS, DeviceParts
from attestation.policy import AppraisalPolicy, Floors, NewestAccepted
from tests.conformance.evidence_cases.contract import INVALID, UNKNOWN, VALID, Found, Material
from tests.conformance.evidence_cases.quotes import (
    NOBODY,
    ContradictionError,
    anchor,
    check_pinned,
)

CHECKER = "nvidia"

EVIDENCE = frozenset({"report", "rim"})

FILES: Mapping[str, bool] = {
    "report": False,
    "chain": False,
    "root": False,
    "rims": True,
    "rim": False,
}

CHECKS: Mapping[str, str] = {
    "report_signature": "6.authentic",
    "chain": "6.authentic",
    "root_matches": "6.authentic",
    "openssl_chain": "6.authentic",
    "fwid_matches_leaf": "6.authentic",
    "rim_measurements_match": "6.measurements",
    "rim_signature": "6.measurements",
    "rim_digest": "6.measurements",
}

OF_A_REPORT = frozenset({"report", "chain"})
"""The files by which it is authentic; the root is pinned."""

REFUSED = (AppraisalError, MalformedEvidenceError)


def examine(material: Material) -> Found:
    """Judge the files of one case."""
    try:
        if "rim" in material.names:
            return _examine_rim(material)
        return _examine_report(material)
    except _UnreadableError as error:
        return Found(verdict=INVALID, malformed=str(error))


class _UnreadableError(Exception):
    """The evidence itself does not parse."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A report that parses, what follows it, and the other files, read where a rule asks."""

    report: Report
    rest: bytes
    material: Material

    @property
    def chain(self) -> tuple[Certificate, ...]:
        return parse_chain(self.material.one("chain"))

    @property
    def root(self) -> Certificate:
        return parse_certificate(self.material.one("root"))

    @property
    def rims(self) -> tuple[Rim, ...]:
        return tuple(SignedRim.parse(data).rim for data in self.material.each("rims"))


def _examine_report(material: Material) -> Found:
    try:
        report, rest = Report.split(material.one("report"))
    except MalformedEvidenceError as error:
        raise _UnreadableError(str(error)) from error
    subject = Subject(report=report, rest=rest, material=material)
    held = {name: _holds(rule, subject) for name, rule in _report_rules(subject).items()}
    return Found(
        verdict=_report_verdict(subject, held),
        fields=fields(report, rest),
        checks=held,
        results=_comparison(subject),
    )


def _report_rules(subject: Subject) -> dict[str, Callable[[Subject], None] | None]:
    """Give name to rule; None where the evidence lacks the input."""
    names = subject.material.names
    rules: dict[str, tuple[frozenset[str], Callable[[Subject], None]]] = {
        "report_signature": (CHAIN, _check_report_signature),
        "chain": (CHAIN, lambda one: _check_links(one.chain)),
        "root_matches": (CHAIN | ROOT, lambda one: check_pinned(one.chain[-1], one.root)),
        "openssl_chain": (CHAIN | ROOT, _check_report_path),
        "fwid_matches_leaf": (CHAIN, _check_report_fwid),
        "rim_measurements_match": (frozenset({"rims"}), _check_measurements),
    }
    return {name: rule if needs <= names else None for name, (needs, rule) in rules.items()}


CHAIN, ROOT = frozenset({"chain"}), frozenset({"root"})


def _check_report_signature(subject: Subject) -> None:
    leaf = subject.chain[0]
    check_signature(subject.report, leaf.public_key, signer=leaf.name)


def _check_links(chain: tuple[Certificate, ...]) -> None:
    for certificate, issuer in pairwise(chain):
        check_issued(certificate, issuer)


def _check_report_path(subject: Subject) -> None:
    pinned = anchor(DEVICE_ROOT, subject.root)
    check_path(subject.chain, anchors=(pinned,), now=subject.material.at)


def _check_report_fwid(subject: Subject) -> None:
    if Opaque.FWID not in subject.report.opaque:
        raise UnjudgedError("the report has no FWID")
    check_fwid(subject.report, subject.chain[0])


def _check_measurements(subject: Subject) -> None:
    if any(_comparison(subject).values()):
        raise AppraisalError("measurements", expected="values of the RIMs", actual="others")


def _comparison(subject: Subject) -> dict[str, object]:
    """Compare with every RIM as it is: the format page excepts no index."""
    if "rims" not in subject.material.names:
        return {}
    return {
        "rim_mismatches": mismatches(subject.report.measurements, subject.rims),
        "rim_active_overlap": overlap(subject.rims),
    }


def _holds(rule: Callable[[Subject], None] | None, subject: Subject) -> bool | None:
    if rule is None:
        return None
    try:
        rule(subject)
    except UnjudgedError:
        return None
    except REFUSED:
        return False
    return True


def _report_verdict(subject: Subject, held: Mapping[str, bool | None]) -> str:
    """Give the verdict; a report is valid only if clients call it authentic."""
    if False in held.values():
        return INVALID
    if not subject.material.names >= CHAIN:
        return UNKNOWN
    return VALID if _is_authentic(subject) else INVALID


def _is_authentic(subject: Subject) -> bool:
    """Say whether 6.authentic lacks nothing but OCSP answers."""
    files = [one for one in subject.material.files if one[0] in OF_A_REPORT]
    parts = KINDS[CHECKER].read(files)
    assert isinstance(parts, DeviceParts)
    root = subject.root if "root" in subject.material.names else subject.chain[-1]
    checks = Checks()
    context = _context(subject.material, DEVICE_ROOT, root)
    appraise_one(parts.device, context=context, checks=checks)
    outcome = next(one.outcome for one in checks.done() if one.id == "6.authentic")
    if outcome is Outcome.PASS:
        raise ContradictionError("authentic without a word about revocation")
    return outcome is Outcome.SKIP


def _context(material: Material, name: str, root: Certificate) -> Context:
    return Context(
        now=material.at,
        endorsements=(),
        policy=_policy(material, name, root),
        floors=Floors(),
        newest=NewestAccepted(),
    )


def _policy(material: Material, name: str, root: Certificate) -> AppraisalPolicy:
    """Pin the case's root, if the index lists it; the vendor's own needs no pin."""
    if any(one.platform == name and one.is_certificate(root) for one in VENDOR_ROOTS):
        return AppraisalPolicy(platforms=("sev-snp",))
    pinned = root.spki_sha256 if root.sha256 in material.roots else NOBODY
    return AppraisalPolicy(platforms=("sev-snp",), roots={"sev-snp": NOBODY, name: pinned})


def _examine_rim(material: Material) -> Found:
    try:
        stapled = SignedRim.parse(material.one("rim"))
    except MalformedEvidenceError as error:
        raise _UnreadableError(str(error)) from error
    leaf = stapled.signed.certificates[0]
    rules: dict[str, Callable[[], None]] = {
        "rim_signature": lambda: check_signed_info(stapled.signed, leaf),
        "rim_digest": lambda: check_digest(stapled.signed),
    }
    if "root" in material.names:
        rules |= {
            "chain": lambda: _check_links(_to_root(stapled, material)),
            "openssl_chain": lambda: _check_rim_path(stapled, material),
        }
    held = {name: _passes(rule) for name, rule in rules.items()}
    return Found(
        verdict=_rim_verdict(stapled, material, held),
        fields=rim_fields(stapled),
        checks={"chain": None, "openssl_chain": None, **held},
    )


def _to_root(stapled: SignedRim, material: Material) -> tuple[Certificate, ...]:
    """Give the chain of the file; the root is appended if it is not there."""
    root, chain = parse_certificate(material.one("root")), stapled.signed.certificates
    return chain if root in chain else (*chain, root)


def _check_rim_path(stapled: SignedRim, material: Material) -> None:
    pinned = anchor(RIM_ROOT, parse_certificate(material.one("root")))
    check_path(_to_root(stapled, material), anchors=(pinned,), now=material.at)


def _passes(rule: Callable[[], None]) -> bool:
    try:
        rule()
    except REFUSED:
        return False
    return True


def _rim_verdict(stapled: SignedRim, material: Material, held: Mapping[str, bool]) -> str:
    if False in held.values():
        return INVALID
    if "root" not in material.names:
        return UNKNOWN
    context = _context(material, RIM_ROOT, parse_certificate(material.one("root")))
    whole = replace(stapled.signed, certificates=_to_root(stapled, material))
    return VALID if _passes(lambda: _authenticate(stapled, whole, context)) else INVALID


def _authenticate(stapled: SignedRim, whole: Signed, context: Context) -> None:
    anchors = anchors_of(RIM_ROOT, context.policy)
    replace(stapled, signed=whole).authenticate(anchors=anchors, now=context.now)

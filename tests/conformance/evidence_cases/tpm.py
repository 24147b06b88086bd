"""Evidence of kind `tpm`: quotes of (virtual) TPMs, what vouches for their AK, and logs. Page, 2.7.

A case has some of these parts, and often no hardware at all, so no platform of ours judges it as a
whole. Each rule is the one that `attestation.tpm.authenticate` is made of; where the files are
those of an Azure guest on AMD, the verdict is also `verify_parts`', as for the other kinds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from attestation.anchors import VENDOR_ROOTS
from attestation.certificates import (
    Certificate,
    check_issued,
    check_path,
    parse_certificate,
)
from attestation.checks import Check, Outcome, refusing
from attestation.errors import AppraisalError, MalformedEvidenceError, UnjudgedError
from attestation.parts import read_parts
from attestation.policy import AppraisalPolicy
from attestation.raw_files import certificates
from attestation.sev_snp import fields as snp
from attestation.sev_snp.endorsements import check_chip_id, hardware_id, leaf_product
from attestation.sev_snp.evidence import Report
from attestation.sev_snp.evidence import check_signature as check_snp_signature
from attestation.tdx import fields as tdx
from attestation.tdx.evidence import Quote
from attestation.tdx.signatures import check_quote_signature
from attestation.tpm.alone import TpmFiles, check_values
from attestation.tpm.document import pcrs_json
from attestation.tpm.endorsements import ANCHORS
from attestation.tpm.fields import compare_pcrs, event_log_fields, hcl_fields, quote_fields
from attestation.tpm.hcl import HardwareType, HclReport, check_binds_runtime
from attestation.tpm.public import AkKey
from attestation.tpm.signature import check_signature
from attestation.verifier import Appraisal, verify_parts
from tests.conformance.evidence_cases.contract import INVALID, UNKNOWN, VALID, Found, Material
from tests.conformance.evidence_cases.quotes import NOBODY, ContradictionError, anchor

CHECKER = "tpm"

EVIDENCE = frozenset(
    {"hcl_report", "td_quote", "quote_message", "event_log", "ak_cert", "ak_public"}
)

FILES: Mapping[str, bool] = {
    "hcl_report": False,
    "td_quote": False,
    "leaf": False,
    "intermediates": True,
    "root": False,
    "ak_public": False,
    "ak_cert": False,
    "quote_message": False,
    "quote_signature": False,
    "pcrs": False,
    "event_log": False,
}

SNP = "sev-snp"
VTPM = "sev-snp-vtpm"

WHOLE = frozenset({"hcl_report", "quote_message", "quote_signature", "pcrs", "leaf", "root"})
"""The files of an Azure guest on AMD that a platform of ours judges as a whole."""

OF_THE_TPM = frozenset(
    {"ak_public", "ak_cert", "quote_message", "quote_signature", "pcrs", "event_log"}
)
"""What a TPM itself and its cloud give."""

RTMRS = tuple(f"rt_mr{index}" for index in range(4))


@dataclass(frozen=True)
class Subject:
    """The files of a case, each read where it is asked for; None if it is not there."""

    material: Material

    def __post_init__(self) -> None:
        """Read all there is, so that what does not parse is found at once."""
        _ = (self.files, self.hcl, self.report, self.td_quote, self.ak, self.log)

    @cached_property
    def files(self) -> TpmFiles:
        """The TPM's own files; a chain is read where a rule asks for it."""
        own = {name: [data] for name, data in self.material.files if name in OF_THE_TPM}
        return TpmFiles.read(own)

    def read(self, name: str) -> bytes | None:
        return self.material.one(name) if name in self.material.names else None

    @cached_property
    def hcl(self) -> HclReport | None:
        data = self.read("hcl_report")
        return None if data is None else HclReport.parse(data)

    @cached_property
    def report(self) -> Report | None:
        if self.hcl is None or self.hcl.report_type is not HardwareType.SNP:
            return None
        return Report.parse(self.hcl.hardware)

    @cached_property
    def td_quote(self) -> Quote | None:
        data = self.read("td_quote")
        return None if data is None else Quote.parse(data)

    @cached_property
    def ak(self) -> AkKey | None:
        if self.hcl is not None and "ak_public" not in self.material.names:
            return self.hcl.runtime.ak()
        return self.files.ak

    @cached_property
    def log(self) -> Mapping[str, object] | None:
        log = self.files.event_log
        return None if log is None else event_log_fields(log)

    @property
    def chain(self) -> tuple[Certificate, ...]:
        """Give the chain of the files: of the SNP report, or without one of the AK."""
        first = "ak_cert" if self.hcl is None else "leaf"
        return certificates(self.material.each(first, "intermediates", "root"))

    @property
    def leaf(self) -> Certificate:
        return parse_certificate(self.material.one("leaf"))


def examine(material: Material) -> Found:
    """Judge the files of one case."""
    refused_by = _refused_by_default(material)
    try:
        subject = Subject(material)
    except MalformedEvidenceError as error:
        return Found(verdict=INVALID, malformed=str(error), refused_by=refused_by)
    fields = _fields(subject)
    held = {name: _holds(rule, subject) for name, rule in RULES.items()}
    return Found(
        verdict=_verdict(subject, fields, held), fields=fields, checks=held, refused_by=refused_by
    )


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule; `needs` gives what it judges, and lacks nothing of it where the rule applies."""

    check: str
    judge: Callable[[Subject], None]
    needs: Callable[[Subject], bool]


def _check_report_data(subject: Subject) -> None:
    assert subject.hcl is not None
    check_binds_runtime(subject.hcl, subject.hcl.report_data)


def _check_snp_signature(subject: Subject) -> None:
    assert subject.report is not None
    leaf = subject.leaf
    check_snp_signature(subject.report, leaf.public_key, signer=leaf.name)


def _check_chain(subject: Subject) -> None:
    for certificate, issuer in pairwise(subject.chain):
        check_issued(certificate, issuer)


def _check_path(subject: Subject) -> None:
    chain = subject.chain
    check_path(chain, anchors=(anchor("", chain[-1]),), now=subject.material.at)


def _check_chip_id(subject: Subject) -> None:
    assert subject.report is not None
    if hardware_id(subject.leaf) is None:
        raise UnjudgedError("the leaf has no hardware id")
    check_chip_id(subject.report, subject.leaf)


def _check_td_quote(subject: Subject) -> None:
    assert subject.hcl is not None
    assert subject.td_quote is not None
    check_binds_runtime(subject.hcl, subject.td_quote.body.report_data)


def _check_td_signature(subject: Subject) -> None:
    assert subject.td_quote is not None
    check_quote_signature(subject.td_quote)


def _check_quote_signature(subject: Subject) -> None:
    files = subject.files
    assert files.message is not None
    assert files.signature is not None
    assert subject.ak is not None
    check_signature(files.message, files.signature, subject.ak)


def _has(*names: str) -> Callable[[Subject], bool]:
    return lambda subject: subject.material.names.issuperset(names)


def _has_snp(*names: str) -> Callable[[Subject], bool]:
    return lambda subject: subject.report is not None and _has(*names)(subject)


RULES: Mapping[str, Rule] = {
    "report_data_binds_runtime": Rule(
        check="2.identity", judge=_check_report_data, needs=_has("hcl_report")
    ),
    "snp_signature": Rule(check="2.signature", judge=_check_snp_signature, needs=_has_snp("leaf")),
    "snp_chain": Rule(check="2.chain", judge=_check_chain, needs=_has_snp("leaf", "root")),
    "openssl_chain": Rule(
        check="2.chain",
        judge=_check_path,
        needs=lambda one: _has_snp("leaf", "root")(one) or _is_certified(one),
    ),
    "chip_id_matches_leaf": Rule(check="2.identity", judge=_check_chip_id, needs=_has_snp("leaf")),
    "td_quote_binds_runtime": Rule(
        check="2.identity", judge=_check_td_quote, needs=_has("hcl_report", "td_quote")
    ),
    "td_quote_signature": Rule(
        check="2.signature", judge=_check_td_signature, needs=_has("td_quote")
    ),
    "ak_chain": Rule(check="2.chain", judge=_check_chain, needs=lambda one: _is_certified(one)),
    "quote_signature": Rule(
        check="2.signature",
        judge=_check_quote_signature,
        needs=lambda one: _has("quote_message", "quote_signature")(one) and one.ak is not None,
    ),
    "pcr_digest": Rule(
        check="2.signature",
        judge=lambda one: check_values(one.files),
        needs=_has("quote_message", "pcrs"),
    ),
}

CHECKS: Mapping[str, str] = {name: rule.check for name, rule in RULES.items()}


def _is_certified(subject: Subject) -> bool:
    return subject.hcl is None and _has("ak_cert", "root")(subject)


def _holds(rule: Rule, subject: Subject) -> bool | None:
    if not rule.needs(subject):
        return None
    try:
        rule.judge(subject)
    except UnjudgedError:
        return None
    except (AppraisalError, MalformedEvidenceError):
        return False
    return True


def _verdict(
    subject: Subject, fields: Mapping[str, object], held: Mapping[str, bool | None]
) -> str:
    """Give the verdict: nothing may be broken, and something must tie the evidence to a key."""
    outcomes = _appraised(subject)
    for name, rule in RULES.items():
        if held[name] is False and outcomes.get(rule.check) is Outcome.PASS:
            raise ContradictionError(f"{name} does not hold; yet {rule.check} passed")
    names = subject.material.names
    if False in held.values() or not _root_counts(subject):
        return INVALID
    if {"quote_message", "pcrs", "event_log"} <= names and fields["event_log_mismatches"]:
        return INVALID
    if any(outcome is not Outcome.PASS for outcome in outcomes.values()):
        return INVALID
    tied = held["quote_signature"] or held["ak_chain"] or held["snp_chain"]
    return VALID if tied else UNKNOWN


def _root_counts(subject: Subject) -> bool:
    """Say whether the case's root, if it has one, is published or listed by the index."""
    data = subject.read("root")
    if data is None:
        return True
    root = parse_certificate(data)
    name = ANCHORS if subject.hcl is None else SNP
    published = any(one.platform == name and one.is_certificate(root) for one in VENDOR_ROOTS)
    return published or root.sha256 in subject.material.roots


def _appraised(subject: Subject) -> Mapping[str, Outcome]:
    """Give what clients find of an Azure guest on AMD; nothing of other cases."""
    if subject.report is None or not _has(*WHOLE)(subject):
        return {}
    root = parse_certificate(subject.material.one("root"))
    published = any(one.platform == SNP and one.is_certificate(root) for one in VENDOR_ROOTS)
    pinned = root.spki_sha256 if root.sha256 in subject.material.roots else NOBODY
    policy = AppraisalPolicy(
        platforms=(VTPM,),
        roots={} if published else {VTPM: pinned},
        optional=frozenset({"2.recency"}),
    )
    done = _verify(subject.material, policy).checks
    judged = ("2.signature", "2.chain", "2.identity")
    return {one.id: one.outcome for one in done if one.id in judged}


def _verify(material: Material, policy: AppraisalPolicy) -> Appraisal:
    known = WHOLE | {"intermediates"}
    parts = read_parts(VTPM, [(name, data) for name, data in material.files if name in known])
    return verify_parts(
        parts.platform, parts.quote, parts.endorsements, now=material.at, policy=policy
    )


def _refused_by_default(material: Material) -> tuple[Check, ...]:
    """Give the checks by which the default policy refuses, under the vendors' own roots."""
    try:
        appraisal = _verify(material, AppraisalPolicy(platforms=(VTPM,)))
    except MalformedEvidenceError as error:
        return (Check(id="1.parse", outcome=Outcome.FAIL, actual=str(error)),)
    return refusing(appraisal.checks, appraisal.judged)


def _fields(subject: Subject) -> Mapping[str, object]:
    found: dict[str, object] = {}
    if subject.hcl is not None:
        found |= hcl_fields(subject.hcl)
    if subject.report is not None:
        found["snp"] = snp.fields(subject.report, _product(subject))
    if subject.td_quote is not None:
        found["tdx"] = tdx.fields(subject.td_quote)
    files = subject.files
    if files.ak_chain is not None:
        found["ak_cert_subject"] = files.ak_chain[0].subject.rfc4514_string()
    if files.attest is not None and files.message is not None:
        found["quote"] = quote_fields(files.attest, len(files.message))
    return found | _log_fields(subject)


def _product(subject: Subject) -> str | None:
    try:
        return leaf_product(subject.leaf)
    except (MalformedEvidenceError, ValueError):  # no leaf, or one that names no product
        return subject.material.product


def _log_fields(subject: Subject) -> dict[str, object]:
    if subject.log is None:
        return {}
    found: dict[str, object] = {"event_log": subject.log}
    banks = subject.log["banks"]
    assert isinstance(banks, dict)
    if subject.files.pcrs is not None:
        matches, mismatches = compare_pcrs(banks, pcrs_json(subject.files.pcrs))
        found |= {"event_log_matches": matches, "event_log_mismatches": mismatches}
    if subject.td_quote is not None:
        registers = zip(RTMRS, subject.td_quote.registers, strict=False)
        log = banks.get("sha384", {})
        found["rtmr_matches"] = [
            name
            for index, (name, value) in enumerate(registers)
            if log.get(str(index + 1)) == value.hex()
        ]
    return found

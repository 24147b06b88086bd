"""Evidence of kind `sev-snp`: a report with its certificates and the root's list. Format page, 2.4.

Every certificate is read where a rule asks for it, so one that does not parse fails the rules that
need it, and no other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from attestation.certificates import (
    Certificate,
    check_issued,
    check_path,
    parse_certificate,
)
from attestation.endorsements import Crl
from attestation.errors import AppraisalError, AttestationError, UnjudgedError
from attestation.raw_files import certificates, revocation_list
from attestation.sev_snp.endorsements import (
    check_chip_id,
    check_leaf_kind,
    check_tcb,
    hardware_id,
    leaf_product,
)
from attestation.sev_snp.evidence import Report, check_signature
from attestation.sev_snp.fields import fields
from tests.conformance.evidence_cases.contract import Found, Material
from tests.conformance.evidence_cases.quotes import QuoteKind, Rule, anchor
from tests.conformance.evidence_cases.quotes import examine as examine_quote

CHECKER = "sev-snp"
PLATFORM = "sev-snp"

EVIDENCE = frozenset({"report"})

FILES: Mapping[str, bool] = {
    "report": False,
    "leaf": False,
    "intermediates": True,
    "root": False,
    "crl": False,
}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A report that parses, and the other files."""

    report: Report
    material: Material

    @property
    def leaf(self) -> Certificate:
        return parse_certificate(self.material.one("leaf"))

    @property
    def root(self) -> Certificate:
        return parse_certificate(self.material.one("root"))

    @property
    def intermediates(self) -> tuple[Certificate, ...]:
        """Give them in order; a file may hold several."""
        return certificates(self.material.each("intermediates"))

    @property
    def chain(self) -> tuple[Certificate, ...]:
        return (self.leaf, *self.intermediates, self.root)

    @property
    def crl(self) -> Crl:
        return Crl.parse(revocation_list(self.material.one("crl")))


def examine(material: Material) -> Found:
    """Judge the files of one case."""
    return examine_quote(KIND, material)


def _parse(material: Material) -> Subject:
    return Subject(report=Report.parse(material.one("report")), material=material)


def _fields(subject: Subject) -> Mapping[str, object]:
    try:
        product: str | None = leaf_product(subject.leaf)
    except (AttestationError, ValueError):  # no leaf, or one that names no product
        product = subject.material.product
    return fields(subject.report, product)


def _check_report_signature(subject: Subject) -> None:
    leaf = subject.leaf
    check_signature(subject.report, leaf.public_key, signer=leaf.name)


def _check_chain(subject: Subject) -> None:
    for certificate, issuer in pairwise(subject.chain):
        check_issued(certificate, issuer)


def _check_path(subject: Subject) -> None:
    root = subject.root
    check_path(subject.chain, anchors=(anchor(PLATFORM, root),), now=subject.material.at)


def _check_chip_id(subject: Subject) -> None:
    if hardware_id(subject.leaf) is None:
        raise UnjudgedError("the leaf has no hardware id")
    check_chip_id(subject.report, subject.leaf)


def _check_crl_signature(subject: Subject) -> None:
    if not subject.crl.is_signed_by(subject.root):
        raise AppraisalError("CRL", expected=f"signed by {subject.root.name}", actual="it is not")


def _check_not_revoked(subject: Subject) -> None:
    for one in subject.intermediates:
        if subject.crl.lists(one.serial):
            raise AppraisalError("revocation", expected=f"{one.name} not listed", actual="listed")


LEAF = frozenset({"leaf"})
CHAIN = frozenset({"leaf", "root"})
LIST = frozenset({"crl", "root"})

RULES: Mapping[str, Rule[Subject]] = {
    "report_signature": Rule(check="2.signature", judge=_check_report_signature, needs=LEAF),
    "chain": Rule(check="2.chain", judge=_check_chain, needs=CHAIN),
    "openssl_chain": Rule(check="2.chain", judge=_check_path, needs=CHAIN),
    "tcb_matches_leaf": Rule(
        check="2.identity", judge=lambda one: check_tcb(one.report, one.leaf), needs=LEAF
    ),
    "leaf_kind_matches": Rule(
        check="2.identity", judge=lambda one: check_leaf_kind(one.report, one.leaf), needs=LEAF
    ),
    "chip_id_matches_leaf": Rule(check="2.identity", judge=_check_chip_id, needs=LEAF),
    "crl_signature": Rule(check="2.revocation", judge=_check_crl_signature, needs=LIST),
    "not_revoked": Rule(
        check="2.revocation", judge=_check_not_revoked, needs=frozenset({"crl", "intermediates"})
    ),
    "not_debug": Rule(check="8.debug", judge=None),
}

CHECKS: Mapping[str, str] = {name: rule.check for name, rule in RULES.items()}

KIND = QuoteKind(
    platform=PLATFORM,
    parse=_parse,
    inputs=lambda _subject, material: material.names,
    authenticity={
        "2.signature": LEAF,
        "2.chain": CHAIN,
        "2.identity": CHAIN,
        "2.revocation": CHAIN | LIST,
    },
    rules=RULES,
    fields=_fields,
    results=lambda _subject: {},
)

"""Evidence of kind `tdx`: a quote of TDX or SGX, its chain inside, and collateral. Page, 2.5."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from attestation.certificates import (
    Certificate,
    check_issued,
    check_path,
    parse_certificate,
    parse_chain,
)
from attestation.tdx.collateral import Collateral, select
from attestation.tdx.endorsements import pck_identity
from attestation.tdx.evidence import Quote
from attestation.tdx.fields import fields
from attestation.tdx.signatures import (
    check_qe_binds_key,
    check_qe_report_signature,
    check_quote_signature,
)
from attestation.tdx.tcb import tcb_status
from tests.conformance.evidence_cases.contract import Found, Material
from tests.conformance.evidence_cases.quotes import QuoteKind, Rule, anchor, check_pinned
from tests.conformance.evidence_cases.quotes import examine as examine_quote

CHECKER = "quote"
PLATFORM = "tdx"

EVIDENCE = frozenset({"quote"})

FILES: Mapping[str, bool] = {"quote": False, "root": False, "collateral": False}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A quote that parses, and the other files."""

    quote: Quote
    material: Material

    @property
    def chain(self) -> tuple[Certificate, ...]:
        return parse_chain(self.quote.certificates)

    @property
    def root(self) -> Certificate:
        return parse_certificate(self.material.one("root"))


def examine(material: Material) -> Found:
    """Judge the files of one case."""
    return examine_quote(KIND, material)


def _parse(material: Material) -> Subject:
    return Subject(quote=Quote.parse(material.one("quote")), material=material)


def _inputs(subject: Subject, material: Material) -> frozenset[str]:
    """Give the files that are there, and `chain` if the quote holds one."""
    return material.names | ({"chain"} if subject.quote.certificates else frozenset())


def _check_chain(subject: Subject) -> None:
    for certificate, issuer in pairwise(subject.chain):
        check_issued(certificate, issuer)


def _check_path(subject: Subject) -> None:
    check_path(subject.chain, anchors=(anchor(PLATFORM, subject.root),), now=subject.material.at)


def _results(subject: Subject) -> Mapping[str, object]:
    """Give the TCB status, where there is collateral; of a valid case, so it fits and is signed."""
    if "collateral" not in subject.material.names:
        return {}
    quote, leaf = subject.quote, subject.chain[0]
    data = select(
        (Collateral.parse(subject.material.one("collateral")),),
        tdx=quote.td is not None,
        pck=pck_identity(leaf),
        anchors=(anchor(PLATFORM, subject.chain[-1]),),
        now=subject.material.at,
    )
    status = tcb_status(
        data.tcb_info, data.qe_identity, pck_identity(leaf), quote.body, quote.qe_report
    )
    return {"tcb": status.report()}


CHAIN = frozenset({"chain"})
ROOT = frozenset({"chain", "root"})
COLLATERAL = frozenset({"chain", "collateral"})

RULES: Mapping[str, Rule[Subject]] = {
    "chain": Rule(check="2.chain", judge=_check_chain, needs=CHAIN),
    "root_is_intel": Rule(
        check="2.chain", judge=lambda one: check_pinned(one.chain[-1], one.root), needs=ROOT
    ),
    "openssl_chain": Rule(check="2.chain", judge=_check_path, needs=ROOT),
    "qe_report_signature": Rule(
        check="2.signature",
        judge=lambda one: check_qe_report_signature(one.quote, one.chain[0]),
        needs=CHAIN,
    ),
    "quote_signature": Rule(
        check="2.signature", judge=lambda one: check_quote_signature(one.quote)
    ),
    "qe_binds_key": Rule(check="2.signature", judge=lambda one: check_qe_binds_key(one.quote)),
    "not_debug": Rule(check="8.debug", judge=None),
}

CHECKS: Mapping[str, str] = {name: rule.check for name, rule in RULES.items()}

KIND = QuoteKind(
    platform=PLATFORM,
    parse=_parse,
    inputs=_inputs,
    authenticity={
        "2.signature": CHAIN,
        "2.chain": CHAIN,
        "2.identity": COLLATERAL,
        "2.revocation": COLLATERAL,
        "2.collateral": COLLATERAL,
    },
    rules=RULES,
    fields=lambda subject: fields(subject.quote),
    results=_results,
)

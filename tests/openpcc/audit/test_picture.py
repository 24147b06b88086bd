"""The chain of trust: each link as its findings have it, told in words too."""

import re

import pytest

from openpcc.audit.picture import State, draw, states
from openpcc.audit.report import AuditKind, AuditReport, Finding, Outcome
from tests.openpcc.audit.audits import audit, finding


def told(report: AuditReport) -> dict[str, State]:
    return {link.name: one for link, one in states(report)}


def words(svg: str) -> dict[str, str]:
    told = re.search('aria-label="([^"]*)"', svg)
    assert told is not None
    return dict(one.split(": ") for one in told[1].split("; "))


@pytest.mark.parametrize(
    ("id_", "name"),
    [
        ("2.revocation", "Certificates"),
        ("2.signature", "Quote"),
        ("8.debug", "Quote"),
        ("8.measurement", "Measurement"),
        ("6.nonce", "Measurement"),
        ("7.signers", "Release"),
        ("7.inclusion", "Log"),
        ("log.chain", "Log"),
        ("log.release-revoked", "Release"),
        ("log.quorum", "Witnesses"),
        ("7.witnesses", "Witnesses"),
    ],
)
def test_a_failure_breaks_the_link_it_is_about_and_no_other(id_: str, name: str):
    found = words(draw(audit(finding(id_, Outcome.FAIL))))
    assert {link for link, word in found.items() if word == "broken"} == {name}


def test_a_broken_chain_of_certificates_leads_to_no_root():
    found = words(draw(audit(finding("2.chain", Outcome.FAIL))))
    assert found["Vendor root"] == found["Certificates"] == "broken"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (finding("7.signers", Outcome.PASS), State.HOLDS),
        (finding("7.signers", Outcome.SKIP), State.OPEN),
        (finding("7.signers", Outcome.SKIP, required=False), State.OUTSIDE),
        (finding("7.signers", Outcome.INFO), State.OUTSIDE),
    ],
)
def test_a_link_stands_as_its_findings(found: Finding, expected: State):
    assert told(audit(found))["Release"] is expected


def test_one_failure_outweighs_what_passed():
    report = audit(finding("7.signers", Outcome.PASS), finding("7.expiry", Outcome.FAIL))
    assert told(report)["Release"] is State.BROKEN


def test_of_a_service_the_directory_is_a_link_and_names_its_own():
    found = (finding(id_, Outcome.FAIL) for id_ in ("gateway.keys", "log.service-lapsed"))
    for one in found:
        broken = [name for name, state in told(audit(one, kind=AuditKind.ALL)).items()
                  if state is State.BROKEN]  # fmt: skip
        assert broken == ["Directory"]


def test_no_vendor_vouches_for_what_is_simulated():
    report = audit(finding("2.chain", Outcome.PASS), simulated=True)
    assert words(draw(report))["Vendor root"] == "SIMULATED"


def test_what_is_not_about_the_chain_has_no_picture():
    found = finding("attack.key-swap", Outcome.PASS)
    assert draw(audit(found, kind=AuditKind.ATTACK, simulated=True)) == ""


def test_only_a_receipt_has_the_link_of_one():
    names = {kind: words(draw(audit(finding("7.signers", Outcome.PASS), kind=kind)))
             for kind in AuditKind}  # fmt: skip
    assert {kind for kind, found in names.items() if "Receipt" in found} == {AuditKind.RECEIPT}


def test_it_is_drawn_for_wide_and_for_narrow_windows():
    svg = draw(audit(finding("log.chain", Outcome.PASS)))
    assert re.findall('<svg class="([a-z]+)"', svg) == ["wide", "narrow"]
    assert svg.count("✓") == 2

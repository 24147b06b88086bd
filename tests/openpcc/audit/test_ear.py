"""An audit as an attestation result: it never says more than its findings, and affirms nothing."""

import pytest
from hypothesis import given

from attestation.ear import Ear, Tier
from attestation.strict_json import parse_object
from openpcc.audit import document
from openpcc.audit.ear import OTHERS, from_audit
from openpcc.audit.report import AuditReport, Outcome, Section
from tests.openpcc.audit.audits import audit, finding, hostile
from tests.openpcc.audit.test_document import reports
from tests.test_formats import EXAMPLES


def result(report: AuditReport) -> Ear:
    return from_audit(
        report,
        developer="https://openpcc.org",
        build="openpcc 0.1.0",
        nonce=None,
        issued=1800000100,
        audience="https://relying.example",
        lifetime=300,
    )


def test_the_example_of_the_page_is_that_of_the_report():
    report = document.parse(EXAMPLES["audit-report"].encode())
    example = EXAMPLES["audit-ear"].encode()
    assert result(report) == Ear.parse(example)
    members = parse_object(example, limit=10**4, name="example").names()
    assert members == parse_object(result(report).encode(), limit=10**4, name="ours").names()


@pytest.mark.parametrize(
    ("report", "tier"),
    [
        (audit(finding("log.chain", Outcome.PASS)), Tier.NONE),
        (audit(finding("log.chain", Outcome.INFO)), Tier.NONE),
        (audit(finding("log.chain", Outcome.SKIP, required=False)), Tier.NONE),
        (audit(finding("log.chain", Outcome.SKIP)), Tier.WARNING),
        (audit(finding("log.chain", Outcome.PASS), simulated=True), Tier.WARNING),
        (audit(finding("log.chain", Outcome.FAIL)), Tier.CONTRAINDICATED),
        (audit(), Tier.WARNING),
        (audit(sections=()), Tier.WARNING),
    ],
)
def test_the_status_is_that_of_the_worst(report: AuditReport, tier: Tier):
    assert result(report).status is tier


@given(reports)
def test_nothing_is_affirmed_and_what_is_written_is_read_back(report: AuditReport):
    found = result(report)
    assert Tier.AFFIRMING not in {found.status, *(one.status for one in found.submods.values())}
    assert Ear.parse(found.encode()) == found


def test_a_failure_among_very_many_sections_is_still_there():
    good, bad = (finding("log.chain", one) for one in (Outcome.PASS, Outcome.FAIL))
    sections = [Section(name=f"n{i}", title="", findings=(good,)) for i in range(200)]
    sections[150] = Section(name="n150", title="", findings=(good, bad))
    found = result(audit(sections=tuple(sections)))
    assert len(found.submods) == 64
    assert found.submods[OTHERS].checks == {"log.chain": "FAIL"}
    assert found.status is Tier.CONTRAINDICATED


def test_a_failure_among_very_many_ids_is_named():
    many = [finding(f"log.n{i}", Outcome.PASS) for i in range(100)]
    found = result(audit(*many, finding("log.zz", Outcome.FAIL)))
    assert found.submods["only"].checks["log.zz"] == "FAIL"


def test_hostile_names_make_a_result_that_can_be_read():
    found = result(hostile())
    assert Ear.parse(found.encode()) == found

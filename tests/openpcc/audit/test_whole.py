"""The audits of one service as one report: nothing is lost, nothing is softened."""

from openpcc.audit.report import AuditKind, AuditReport, Finding, Outcome, Section, Verdict
from openpcc.audit.whole import whole


def part(outcome: Outcome, *, simulated: bool = False) -> AuditReport:
    finding = Finding(id="log.chain", outcome=outcome, text="a claim")
    section = Section(name="entries", title="Entries", findings=(finding,), facts={"size": 3})
    return AuditReport(
        kind=AuditKind.LOG, subject="log", at=7, sections=(section,), simulated=simulated
    )


def test_every_section_keeps_its_name_and_findings():
    parts = {"log": part(Outcome.PASS), "gateway": part(Outcome.INFO)}
    report = whole("demo.example", parts, {}, at=9)
    assert [one.name for one in report.sections] == ["log: entries", "gateway: entries"]
    assert report.findings == (*parts["log"].findings, *parts["gateway"].findings)
    assert report.sections[0].facts == {"size": 3}
    assert (report.kind, report.subject, report.at) == (AuditKind.ALL, "demo.example", 9)


def test_one_failure_fails_the_whole():
    parts = {"log": part(Outcome.PASS), "gateway": part(Outcome.FAIL)}
    assert whole("demo.example", parts, {}, at=9).verdict is Verdict.FAIL
    parts["gateway"] = part(Outcome.SKIP)
    assert whole("demo.example", parts, {}, at=9).verdict is Verdict.INCOMPLETE


def test_one_simulated_part_marks_the_whole():
    parts = {"log": part(Outcome.PASS), "nodes": part(Outcome.PASS, simulated=True)}
    assert whole("demo.example", parts, {}, at=9).simulated


def test_a_part_that_nobody_answered_fails_by_name():
    report = whole("demo.example", {"log": part(Outcome.PASS)}, {"nodes": "refused"}, at=9)
    assert [(one.id, one.actual) for one in report.failed] == [("nodes.answer", "refused")]

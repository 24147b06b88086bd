"""The audits of one service as one report. Pure."""

from collections.abc import Mapping

from openpcc.audit.report import AuditKind, AuditReport, Finding, Outcome, Section

UNANSWERED = "the part of the audit was done: somebody answered"


def whole(
    subject: str, parts: Mapping[str, AuditReport], unanswered: Mapping[str, str], *, at: int
) -> AuditReport:
    """Join reports; a section keeps its name behind that of its part.

    Args:
        subject: the service.
        parts: reports by the name of their part.
        unanswered: why a part has no report: nobody answered.
        at: when the audit began, Unix seconds.
    """
    sections = [
        Section(
            name=f"{name}: {one.name}",
            title=f"{name.capitalize()}: {one.title}",
            findings=one.findings,
            facts=one.facts,
        )
        for name, report in parts.items()
        for one in report.sections
    ]
    return AuditReport(
        kind=AuditKind.ALL,
        subject=subject,
        at=at,
        sections=(*sections, *(_unanswered(name, why) for name, why in unanswered.items())),
        simulated=any(report.simulated for report in parts.values()),
    )


def _unanswered(name: str, why: str) -> Section:
    finding = Finding(
        id=f"{name}.answer",
        outcome=Outcome.FAIL,
        text=UNANSWERED,
        actual=why,
        remedy="see whether its address is right; then ask its operator",
    )
    return Section(name=f"{name}: ways", title=f"{name.capitalize()}: ways", findings=(finding,))

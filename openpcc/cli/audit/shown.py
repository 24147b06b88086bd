"""An audit's report for a terminal: the verdict in words, then what was found.

Pure but for printing; everything from outside is cleaned by `output`.
"""

from openpcc.audit.facts import rows
from openpcc.audit.report import AuditReport, Finding, Outcome, Section
from openpcc.audit.words import SCOPES, lead, tally, verdict
from openpcc.cli import output
from openpcc.decision import plural

MOST_SECTIONS = 12
"""Sections that are shown in full; of more, only what did not pass. JSON and page have them all."""


def show(report: AuditReport) -> None:
    """Print everything for people."""
    output.line(f"{verdict(report)}: {lead(report)}")
    output.line(one_line(f"  audited  {report.kind} of {report.subject}"))
    output.line(f"  found    {tally(report.findings) or 'nothing'}")
    short = len(report.sections) > MOST_SECTIONS
    for section in report.sections:
        _section(section, short=short)
    for one in report.failed or report.unjudged:
        output.line(one_line(f"{one.id}: {one.remedy}" if one.remedy else one.id))
    output.line()
    output.line(f"What a pass shows: {SCOPES[report.kind].shows}")
    output.line(f"What it leaves open: {SCOPES[report.kind].leaves}")


def one_line(text: str) -> str:
    """Keep a text from outside from beginning a line of its own, such as another verdict."""
    return text.replace("\n", " ")


def _section(section: Section, *, short: bool) -> None:
    table = [_row(one) for one in section.findings if not short or one.outcome is not Outcome.PASS]
    if short and not table:
        return
    output.line()
    output.line(one_line(section.title))
    for name, lines in rows(section):
        output.line(one_line(f"  {name}: {'; '.join(lines)}"))
    if table:
        output.table(("CHECK", "RESULT", "WHAT WAS TESTED", "EXPECTED", "FOUND"), table)
    if left := len(section.findings) - len(table):
        output.line(f"{plural(left, 'check')} that passed left out; --json lists them")


def _row(one: Finding) -> tuple[str, ...]:
    return (one.id, str(one.outcome), one.text, one.expected or "", one.actual or "")

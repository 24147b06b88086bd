"""A report as a table, the same wherever a command shows one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from openpcc.cli import output
from openpcc.decision import SIMULATED, STEPS

if TYPE_CHECKING:
    from attestation.result import Check, Report


def show_report(report: "Report", *, title: str, checks: "Sequence[Check] | None" = None) -> None:
    """Print the checks of a report, under the step they belong to; `checks` are those to show."""
    output.line()
    output.line(title + (f", {SIMULATED}" if report.simulated else ""))
    rows = [
        (check.id, str(check.outcome), check.text, check.expected or "", check.actual or "")
        for check in (report.checks if checks is None else checks)
    ]
    output.table(("CHECK", "RESULT", "WHAT WAS TESTED", "EXPECTED", "FOUND"), rows)
    for step in sorted({check.step for check in report.failed}):
        output.line(f"Not shown (step {step}): {STEPS[step].lower()}.")

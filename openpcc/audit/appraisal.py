"""Reports of the trust decision as part of an audit: a check becomes a finding. Pure.

What refuses there refuses here. A check that the report lacks, or that was told where it had to be
judged, stands as one that could not be judged; a failure that the policy tolerates is reported.
"""

from collections.abc import Iterator, Mapping, Sequence

from attestation.checks import Check
from attestation.claims import Ground
from attestation.result import OUTSIDE, Report, Scope
from openpcc.audit.report import (
    MAX_EXTRACTS,
    MAX_VALUE,
    AuditKind,
    AuditReport,
    Extract,
    Finding,
    Outcome,
    Section,
)
from openpcc.decision import STEPS

TOLERATED = "failed, and the policy does not insist on it"

REMEDIES: Mapping[int, str] = {
    1: "Ask whoever gave you the evidence for the whole file; send nothing to this node.",
    2: "Send nothing to this machine. If root and endorsements are right and recent, its maker "
    "does not vouch for it.",
    3: "Send nothing: these keys are not those of the machine that was quoted.",
    4: "Judge newer evidence, or check this machine's clock.",
    5: "Check this machine's clock, then ask the operator for newer evidence.",
    6: "Send nothing to this machine before its operator has explained its accelerators.",
    7: "Rely on no machine that runs this release.",
    8: "Send nothing: it does not run what was released.",
    9: "Choose another node, or change the policy if it asks for the wrong thing.",
}
"""Step of the trust decision to what a failure of it asks for."""


def audit_of(
    report: Report,
    *,
    kind: AuditKind,
    subject: str,
    grounds: Sequence[Ground] = (),
    facts: Mapping[str, object] | None = None,
) -> AuditReport:
    """Give the audit that consists of one report.

    Args:
        report: of the trust decision, on whatever scope.
        kind: EVIDENCE or RELEASE.
        subject: what was judged, as the user named it.
        grounds: the bytes behind its checks.
        facts: what is to stand beside those of the report.
    """
    return AuditReport(
        kind=kind,
        subject=subject,
        at=report.at,
        sections=tuple(by_step(report, grounds=grounds, facts=facts or {})),
        simulated=report.simulated,
    )


def section(report: Report, *, name: str, title: str, grounds: Sequence[Ground] = ()) -> Section:
    """Give all of a report as one section, as of a node among many."""
    return Section(
        name=name, title=title, findings=tuple(_findings(report, grounds)), facts=about(report)
    )


def by_step(
    report: Report, *, grounds: Sequence[Ground] = (), facts: Mapping[str, object]
) -> Iterator[Section]:
    """Give a report as a section of facts, and one for each step that has anything to say."""
    yield Section(name="about", title="What was judged", facts={**facts, **about(report)})
    found = list(_findings(report, grounds))
    for step, words in STEPS.items():
        own = tuple(one for one in found if one.id.startswith(f"{step}."))
        if any(one.required or one.outcome is not Outcome.SKIP for one in own):
            yield Section(name=f"step-{step}", title=f"{step}. {words}", findings=own)


def about(report: Report) -> dict[str, object]:
    """Say what a report is about."""
    return {
        "platform": report.platform,
        "scope": report.scope.value,
        "machine": None if report.machine is None else report.machine.hex(),
        "release": None if report.release is None else report.release.hex(),
        "expires": report.expires,
    }


def _findings(report: Report, grounds: Sequence[Ground]) -> Iterator[Finding]:
    refusing = {check.id: check for check in report.failed}
    recorded = {check.id for check in report.checks}
    missing = (check for name, check in refusing.items() if name not in recorded)
    extracts: dict[str, list[Extract]] = {}
    for ground in grounds:
        extracts.setdefault(ground.check, []).append(_extract(ground))
    for check in (*report.checks, *missing):
        bytes_behind = tuple(extracts.get(check.id, ())[:MAX_EXTRACTS])
        yield _finding(check, report.scope, refuses=check.id in refusing, extracts=bytes_behind)


def _finding(
    check: Check, scope: Scope, *, refuses: bool, extracts: tuple[Extract, ...]
) -> Finding:
    outcome, actual = check.outcome, check.actual
    if outcome is Outcome.FAIL and not refuses:
        outcome, actual = Outcome.INFO, f"{actual or 'nothing'}: {TOLERATED}"
    if outcome is Outcome.INFO and refuses:
        outcome = Outcome.SKIP
    return Finding(
        id=check.id,
        outcome=outcome,
        text=check.text,
        required=refuses or (check.required and check.id not in OUTSIDE[scope]),
        expected=check.expected,
        actual=actual,
        remedy=REMEDIES[check.step] if refuses else "",
        extracts=extracts,
    )


def _extract(ground: Ground) -> Extract:
    return Extract(
        part=ground.part,
        offset=ground.offset,
        field=ground.field,
        value=ground.value[:MAX_VALUE],
        size=max(ground.size, len(ground.value)),
    )

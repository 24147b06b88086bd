"""An audit's report as an EAR, for programs that read attestation results. docs/formats.md, 10.1.

One submodule a section. The rules, beside those of `attestation.ear`:

1. A finding that failed makes its section contraindicated; one that had to be judged and was not,
   or anything simulated, a warning.
2. Nothing is ever affirmed. That a log or a gateway kept its promises says nothing of the machine
   that a relying party talks to, and of a node `attestation.ear_report` says it in full. A section
   without fault has the status `none`, and the verdict stands in our own claim.
"""

from collections.abc import Iterable, Mapping

from attestation.ear import MAX_SUBMODS, Appraisal, Ear, Tier
from attestation.ear_appraisal import MAX_CHECKS
from attestation.ear_report import nonce_text
from openpcc.audit.report import AuditReport, Finding, Outcome, Section

OTHERS = "others"
"""Label of the sections that are too many for a submodule each."""

MAX_LABEL = 200
"""Characters of a label or of the subject."""

WORST_FIRST = (Outcome.FAIL, Outcome.SKIP, Outcome.INFO, Outcome.PASS)
"""Which outcome stands for an id that a section has more than once."""


def from_audit(
    report: AuditReport,
    *,
    developer: str,
    build: str,
    nonce: bytes | None,
    issued: int,
    audience: str,
    lifetime: int,
) -> Ear:
    """Give the attestation result of an audit; the arguments are those of `ear_report.from_report`.

    Raises:
        ValueError: a nonce of fewer than 8 or more than 64 bytes.
    """
    submods = _submods(report)
    return Ear(
        developer=developer,
        build=build,
        issued=issued,
        expires=issued + lifetime,
        audience=(audience,),
        nonces=() if nonce is None else (nonce_text(nonce),),
        status=max(one.status for one in submods.values()),
        submods=submods,
        about=_about(report),
    )


def _submods(report: AuditReport) -> dict[str, Appraisal]:
    """Give an appraisal for each section; those beyond the limit share one."""
    groups: dict[str, list[Finding]] = {}
    for section in report.sections:
        label = _label(section, taken=groups)
        groups.setdefault(label, []).extend(section.findings)
    if not groups:
        groups[OTHERS] = []
    return {name: _appraisal(found, report) for name, found in groups.items()}


def _label(section: Section, *, taken: Mapping[str, object]) -> str:
    label = _printable(section.name) or OTHERS
    return label if label in taken or len(taken) < MAX_SUBMODS - 1 else OTHERS


def _appraisal(findings: Iterable[Finding], report: AuditReport) -> Appraisal:
    found = list(findings)
    checks: dict[str, str] = {}
    for outcome in WORST_FIRST:
        for one in found:
            if one.outcome is outcome and len(checks) < MAX_CHECKS:
                checks.setdefault(one.id, outcome.value)
    return Appraisal(status=_tier(found, report), checks=checks)


def _tier(findings: Iterable[Finding], report: AuditReport) -> Tier:
    outcomes = {(one.outcome, one.required) for one in findings}
    if Outcome.FAIL in {outcome for outcome, _ in outcomes}:
        return Tier.CONTRAINDICATED
    unjudged = not outcomes or (Outcome.SKIP, True) in outcomes
    return Tier.WARNING if unjudged or report.simulated else Tier.NONE


def _about(report: AuditReport) -> dict[str, str]:
    return {
        "audit": report.kind.value,
        "verdict": report.verdict.value,
        "subject": _printable(report.subject),
        "at": str(report.at),
        "simulated": "yes" if report.simulated else "no",
    }


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:MAX_LABEL])

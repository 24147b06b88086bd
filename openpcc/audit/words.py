"""An audit in plain words: the verdict as a sentence, the counts, and what such an audit can show.

The same words wherever a report is shown. Pure.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from openpcc.audit.report import AuditKind, AuditReport, Finding, Outcome, Verdict
from openpcc.decision import SIMULATED, plural

COUNTED = {
    Outcome.PASS: "passed",
    Outcome.FAIL: "failed",
    Outcome.SKIP: "not judged",
    Outcome.INFO: "reported",
}
"""Outcome to what is said of how many; what did not have to be judged was not asked."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Words about a kind of audit.

    Attributes:
        title: what was done.
        shows: what a PASS shows.
        leaves: what it leaves open.
    """

    title: str
    shows: str
    leaves: str


SCOPES: Mapping[AuditKind, Scope] = {
    AuditKind.ALL: Scope(
        title="Audit of a service",
        shows="The log, the gateway and the nodes that it listed kept their promises when they "
        "were asked.",
        leaves="What they do at other times, what they never showed, and physical attacks on the "
        "hardware.",
    ),
    AuditKind.LOG: Scope(
        title="Audit of a log",
        shows="Every entry that was read is in the log, signed by whom the policy names, and the "
        "chains of entries have no gap and no fork, under checkpoints that witnesses signed.",
        leaves="Whether what a signed release does is good: that is for whoever reads its source.",
    ),
    AuditKind.GATEWAY: Scope(
        title="Audit of a gateway",
        shows="Keys and directory were the same on every path that was tried, the log names them, "
        "and every node listed was appraised.",
        leaves="What the gateway shows to others, at other times, on paths that were not tried.",
    ),
    AuditKind.NODE: Scope(
        title="Audit of a node",
        shows="A machine answered this very challenge with evidence that passed every check.",
        leaves="Machines that were not asked, and physical attacks on this one.",
    ),
    AuditKind.ATTACK: Scope(
        title="Attacks on a service",
        shows="Each attack that was tried was refused, by the check that is named beside it.",
        leaves="Attacks that were not tried. That these were refused says nothing of them.",
    ),
    AuditKind.RECEIPT: Scope(
        title="Receipt of a reply",
        shows="The machine whose evidence stands beside it signed that it served one request with "
        "this model and release, at this time, with these counts of tokens.",
        leaves="What was asked and answered (the digests are salted, and nobody without the salt "
        "can test a guess), who asked, whether the reply was right, and whether the release is "
        "still accepted today. The time is the machine's own word within its key epoch.",
    ),
    AuditKind.EVIDENCE: Scope(
        title="Evidence of a machine",
        shows="The evidence is authentic and as the policy asks, as far as these files carry it.",
        leaves="What is marked as not audited, and anything about the machine at other times.",
    ),
    AuditKind.RELEASE: Scope(
        title="Release of the software",
        shows="Its signers signed the release and the log holds it, under a witnessed checkpoint.",
        leaves="Which machines run it: for that there is evidence. Whether what it does is good.",
    ),
    AuditKind.IMAGE: Scope(
        title="Image of a release",
        shows="The release is signed and logged, and its reference values are what these very "
        "files come to.",
        leaves="Whether the files do what their source says: build them again and compare. What "
        "firmware and host of a machine add by themselves, as far as the release leaves it open.",
    ),
}
"""Every kind has its words."""


def verdict(report: AuditReport) -> str:
    """Write the verdict, marked where it protects nothing: `PASS, SIMULATED`."""
    return f"{report.verdict}, {SIMULATED}" if report.simulated else str(report.verdict)


def lead(report: AuditReport) -> str:
    """Say the verdict in a sentence or two."""
    attack = report.kind is AuditKind.ATTACK
    match report.verdict:
        case Verdict.PASS:
            return "Every attack was refused." if attack else "Every required check passed."
        case Verdict.FAIL if attack:
            return f"{_counted(len(report.failed), 'attack')} succeeded."
        case Verdict.FAIL:
            return f"{_counted(len(report.failed), 'check')} failed. Rely on nothing tested there."
        case Verdict.INCOMPLETE:
            left = len(report.unjudged)
            named = _counted(left, "required check") if left else "the whole"
            return f"Nothing failed, but {named} could not be judged. This is not a pass."


def tally(findings: Iterable[Finding]) -> str:
    """Count the outcomes: `41 passed, 1 failed, 2 not judged, 7 not asked, 3 reported`."""
    counts = Counter(_counted_as(one) for one in findings)
    words = (*COUNTED.values(), "not asked")
    return ", ".join(f"{counts[word]} {word}" for word in words if counts[word])


def _counted_as(finding: Finding) -> str:
    unasked = finding.outcome is Outcome.SKIP and not finding.required
    return "not asked" if unasked else COUNTED[finding.outcome]


def _counted(count: int, noun: str) -> str:
    return f"One {noun}" if count == 1 else plural(count, noun)

"""What an audit found, as data. docs/formats.md, 10.

A report is a verdict, sections of findings, and facts. The verdict is not stored: it follows from
the findings. Every text may come from whoever is audited; whoever shows it escapes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from attestation.checks import Outcome

__all__ = ["AuditKind", "AuditReport", "Extract", "Finding", "Outcome", "Section", "Verdict"]

MAX_TEXT = 2000
"""Characters of a text; longer ones are cut, and say so."""


class AuditKind(StrEnum):
    """What was audited."""

    ALL = "all"
    LOG = "log"
    GATEWAY = "gateway"
    NODE = "node"
    ATTACK = "attack"
    RECEIPT = "receipt"
    EVIDENCE = "evidence"
    RELEASE = "release"


class Verdict(StrEnum):
    """What the findings come to."""

    PASS = "PASS"  # noqa: S105 - a verdict
    FAIL = "FAIL"
    INCOMPLETE = "INCOMPLETE"
    """Nothing failed, but something that had to be judged could not be."""


@dataclass(frozen=True, kw_only=True)
class Extract:
    """The very bytes behind a finding.

    Attributes:
        part: where they stand ("checkpoint", "quote", "entry 17").
        offset: of the first byte, in that part.
        field: its name in the standard; empty if it has none.
        value: the bytes.
    """

    part: str
    offset: int
    field: str = ""
    value: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was tested.

    Attributes:
        id: `<subject>.<noun>` ("log.chain", "gateway.split", "attack.replay-node"), or the id of
            the check of the trust decision it repeats ("8.debug").
        outcome: PASS, FAIL, SKIP (could not be judged), INFO (reported, judged by nobody).
        text: one plain sentence: what was tested.
        required: whether a SKIP leaves the audit incomplete.
        expected: what it should be; None where the text says it.
        actual: what was found; None where the text says it.
        remedy: what to do about a failure; empty where nothing failed.
        extracts: the bytes it rests on.
    """

    id: str
    outcome: Outcome
    text: str
    required: bool = True
    expected: str | None = None
    actual: str | None = None
    remedy: str = ""
    extracts: tuple[Extract, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Section:
    """Findings that belong together, such as those about one node.

    Attributes:
        name: short and stable, for programs ("checkpoint", "entries", "node 8f31…").
        title: for people.
        findings: in the order they were tested.
        facts: what was counted or read, judged by nobody: JSON values.
    """

    name: str
    title: str
    findings: tuple[Finding, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """What one run found.

    Attributes:
        kind: see `AuditKind`.
        subject: whom it is about: a log's origin, a gateway's address as it was given.
        at: when it was judged, Unix seconds.
        sections: in the order they were tested.
        simulated: whether what was judged protects nothing, because no vendor vouches for it.
    """

    kind: AuditKind
    subject: str
    at: int
    sections: tuple[Section, ...]
    simulated: bool = False

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Give the findings of all sections."""
        return tuple(one for section in self.sections for one in section.findings)

    @property
    def failed(self) -> tuple[Finding, ...]:
        """Give the findings that failed."""
        return tuple(one for one in self.findings if one.outcome is Outcome.FAIL)

    @property
    def verdict(self) -> Verdict:
        """Say what the findings come to; a report without any is incomplete."""
        if self.failed:
            return Verdict.FAIL
        missing = any(one.required and one.outcome is Outcome.SKIP for one in self.findings)
        return Verdict.INCOMPLETE if missing or not self.findings else Verdict.PASS

"""What an audit found, as data. docs/formats.md, 10.

A report is a verdict, sections of findings, and facts. The verdict is not stored: it follows from
the findings. Every text may come from whoever is audited; whoever shows it escapes it. Texts and
bytes that are too long are cut where they are made, so that everybody downstream is bounded; what
is too many is a mistake of the audit, which bounds what it reads.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from attestation.checks import Outcome
from attestation.strict_json import MAX_INTEGER

__all__ = ["AuditKind", "AuditReport", "Extract", "Finding", "Outcome", "Section", "Verdict"]

MAX_TEXT = 2000
"""Characters of a text; longer ones are cut, and say so."""

MAX_VALUE = 4096
"""Bytes of an extract; of longer ones the beginning is kept."""

MAX_EXTRACTS = 64
"""Extracts of a finding."""

MAX_FINDINGS = 2**16
"""Findings of a report: 1,000 nodes with every check of the trust decision are 43,000."""

MAX_SECTIONS = 4096
"""Sections of a report."""

MAX_FACTS = 256
"""Facts of a section, and items or members of a fact."""

MAX_DEPTH = 6
"""Nesting of a fact."""

ID = re.compile(r"(?=.{3,64}$)[a-z0-9]+(?:[.-][a-z0-9]+)+")
"""How an id is spelled."""

_SURROGATE = re.compile("[\ud800-\udfff]")


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
    IMAGE = "image"


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
        value: the bytes, the first `MAX_VALUE` of them.
        size: how many there are; left out: as many as were given.
    """

    part: str
    offset: int
    field: str = ""
    value: bytes = b""
    size: int = -1

    def __post_init__(self) -> None:
        if self.size < len(self.value):
            object.__setattr__(self, "size", len(self.value))
        object.__setattr__(self, "value", self.value[:MAX_VALUE])
        _bound(self, "part", "field")


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

    def __post_init__(self) -> None:
        if not ID.fullmatch(self.id):
            raise ValueError(f"{self.id[:80]!r}: not an id of a finding")
        if len(self.extracts) > MAX_EXTRACTS:
            raise ValueError(f"{self.id}: more than {MAX_EXTRACTS} extracts")
        _bound(self, "text", "expected", "actual", "remedy")


@dataclass(frozen=True, kw_only=True)
class Section:
    """Findings that belong together, such as those about one node.

    Attributes:
        name: short and stable, for programs ("checkpoint", "entries", "node 8f31…").
        title: for people.
        findings: in the order they were tested.
        facts: what was counted or read, judged by nobody: JSON values without fractions.
    """

    name: str
    title: str
    findings: tuple[Finding, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _bound(self, "name", "title")
        object.__setattr__(self, "facts", _fact(dict(self.facts), MAX_DEPTH))


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

    def __post_init__(self) -> None:
        _bound(self, "subject")
        if len(self.sections) > MAX_SECTIONS or len(self.findings) > MAX_FINDINGS:
            raise ValueError(f"more than {MAX_SECTIONS} sections or {MAX_FINDINGS} findings")

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Give the findings of all sections."""
        return tuple(one for section in self.sections for one in section.findings)

    @property
    def failed(self) -> tuple[Finding, ...]:
        """Give the findings that failed."""
        return tuple(one for one in self.findings if one.outcome is Outcome.FAIL)

    @property
    def unjudged(self) -> tuple[Finding, ...]:
        """Give the findings that had to be judged and could not be."""
        return tuple(one for one in self.findings if one.required and one.outcome is Outcome.SKIP)

    @property
    def verdict(self) -> Verdict:
        """Say what the findings come to; a report without any is incomplete."""
        if self.failed:
            return Verdict.FAIL
        return Verdict.INCOMPLETE if self.unjudged or not self.findings else Verdict.PASS


def cut(text: str) -> str:
    """Bound a text, and take out what no UTF-8 can spell."""
    if len(text) > MAX_TEXT:
        more = f"… ({len(text)} characters in all)"
        text = text[: MAX_TEXT - len(more)] + more
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def _bound(one: object, *names: str) -> None:
    for name in names:
        text = getattr(one, name)
        if text is not None:
            object.__setattr__(one, name, cut(text))


def _fact(value: object, depth: int) -> object:
    """Give a fact that JSON can hold and everybody can show."""
    match value:
        case None | bool():
            return value
        case int() if -MAX_INTEGER <= value <= MAX_INTEGER:
            return value
        case str():
            return cut(value)
        case list() | tuple() if depth and len(value) <= MAX_FACTS:
            return [_fact(one, depth - 1) for one in value]
        case Mapping() if depth and len(value) <= MAX_FACTS:
            return {cut(str(name)): _fact(one, depth - 1) for name, one in value.items()}
    raise ValueError(f"a fact of type {type(value).__name__} is none, or too large")

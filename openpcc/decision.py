"""The trust decision in one line, the same in the terminal, in the proxy's answers and on its page.

Pure: from what `NodeBook.view()` knows, and `now`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openpcc.errors import DirectoryError

if TYPE_CHECKING:
    from attestation.result import Check, Report
    from openpcc.nodes import BookView, NodeView

SIMULATED = "SIMULATED"
"""How every surface names evidence that no hardware made."""

EVIDENCE = "evidence"
ENTRY = "service entry"

STEPS = {
    1: "The evidence can be read",
    2: "The hardware maker vouches for it",
    3: "It covers the keys that requests are sealed to",
    4: "The keys are current",
    5: "It is recent",
    6: "The accelerators are genuine",
    7: "The software release is public and still accepted",
    8: "That release, and nothing else, is running",
    9: "Your policy accepts it",
}
"""The steps of the trust decision (DESIGN section 5) in plain words."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Who may be sent to at a moment, and on what it rests."""

    trusted: int
    """Nodes that passed every required check and have not expired."""
    known: int
    simulated: bool
    platforms: tuple[str, ...]
    releases: tuple[str, ...]
    """Leaf hashes of the trusted nodes' releases, hex."""
    expires: int | None
    """When the first thing it rests on ends; None if no node is trusted."""
    first: str
    """What ends then: a node's evidence, or the service entry that lists the nodes."""
    at: int

    @classmethod
    def of(cls, view: "BookView", *, now: int) -> "Decision":
        """Read the decision off a view."""
        current = view.valid_until is not None and now < view.valid_until
        nodes = [node for node in view.nodes if current and usable(node, now=now)]
        reports = [node.report for node in nodes if node.report is not None]
        ends = [(node.expires, EVIDENCE) for node in nodes if node.expires is not None]
        if nodes and view.valid_until is not None:
            ends.append((view.valid_until, ENTRY))
        expires, first = min(ends, default=(None, EVIDENCE))
        return cls(
            trusted=len(nodes),
            known=len(view.nodes),
            simulated=view.simulated,
            platforms=tuple(sorted({node.platform for node in nodes})),
            releases=tuple(sorted({report.release.hex() for report in reports if report.release})),
            expires=expires,
            first=first,
            at=now,
        )

    @property
    def platform(self) -> str:
        """Name the platforms; SIMULATED where no hardware vouches for anything."""
        return SIMULATED if self.simulated else " and ".join(self.platforms)

    def sentence(self) -> str:
        """Write the decision as one line."""
        if self.trusted == 0:
            return f"no node verified, {self.known} known" + (
                f", {SIMULATED} platform" if self.simulated else ""
            )
        parts = [f"{plural(self.trusted, 'node')} verified", f"{self.platform} platform"]
        if self.releases:
            parts.append("release " + " and ".join(short(name) for name in self.releases))
        if self.expires is not None:
            parts.append(f"{self.first} expires in {duration(self.expires - self.at)}")
        return ", ".join(parts)


def usable(node: "NodeView", *, now: int) -> bool:
    """Say whether a node may be sent to at `now`."""
    return node.accepted and (node.expires is None or node.expires > now)


def require_trusted(view: "BookView", *, now: int) -> Decision:
    """Give the decision, insisting on at least one node.

    Raises:
        DirectoryError: not one node may be sent to.
    """
    decision = Decision.of(view, now=now)
    if decision.trusted == 0:
        reports = tuple(node.report for node in view.nodes if node.report is not None)
        raise DirectoryError("unavailable", decision.sentence(), reports=reports)
    return decision


def first_failed(reports: "Sequence[Report]") -> "Check | None":
    """Give the first check that refused a node; None if no report tells of one."""
    for report in reports:
        if report.failed:
            return report.failed[0]
    return None


def short(digest: str) -> str:
    """Write the start of a hex digest, marked as a start."""
    return f"{digest[:12]}…"


def short_end(digest: str) -> str:
    """Write the end of a hex id, marked as an end: ids of one maker may begin alike."""
    return f"…{digest[-12:]}"


def plural(count: int, noun: str) -> str:
    """Write a count with its noun."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def duration(seconds: int) -> str:
    """Write seconds in the one unit that says enough: `45 s`, `12 min`, `3 h`, `6 d`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{max(seconds, 0)} s"

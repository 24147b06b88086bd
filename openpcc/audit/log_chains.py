"""What a monitor found in the chains of a log, in this run and those before it. Pure."""

from collections.abc import Sequence

from openpcc.audit.log_tests import failed, passed, skipped
from openpcc.audit.report import Extract, Finding, Section
from transparency_log.monitor.book import Book
from transparency_log.monitor.chain import Fault, FaultKind

FAULTS = {
    FaultKind.EQUIVOCATION: "log.equivocation",
    FaultKind.GAP: "log.chain-gap",
    FaultKind.LINK: "log.chain-link",
    FaultKind.LATE: "log.chain-late",
}

SHOWN = 128
"""Chains in a report."""

MOST_FAULTS = 16
"""Faults in a finding; the words of five."""


def chains_section(book: Book, *, whole: bool, since: int) -> Section:
    """Judge the faults of chains.

    Args:
        book: what is remembered.
        whole: whether the log was read to its end; what was not read may have faults.
        since: faults of entries before this index are not held against the log.
    """
    findings = []
    for kind, name in FAULTS.items():
        kept = book.kept_faults(kind)
        held = [one for one in kept if one.index >= since]
        # Of faults that were only counted, nobody knows where they were.
        unknown = book.faults[kind.value] - len(kept)
        findings.append(_finding(name, held, len(kept) - len(held), unknown, whole=whole))
    facts = {
        "chains": [
            {
                "chain": f"{one.kind.name.lower()} of {one.name}",
                "entries": one.length,
                "first": one.first(),
                "newest": None if one.head is None else one.head.sequence,
                "index": one.index,
            }
            for one in book.chains[:SHOWN]
        ]
    }
    title = "Chains of statuses and service entries"
    return Section(name="chains", title=title, findings=tuple(findings), facts=facts)


def _finding(
    name: str, held: Sequence[Fault], earlier: int, unknown: int, *, whole: bool
) -> Finding:
    if held or unknown:
        return failed(name, _words(held, len(held) + unknown), extracts=_digests(held))
    if not whole:
        return skipped(name, "the log was not read to its end")
    return passed(name, f"{earlier} before --since" if earlier else None)


def _words(held: Sequence[Fault], count: int) -> str:
    shown = "; ".join(f"{one.chain}: {one.text} (entry {one.index})" for one in held[:5])
    return shown if count <= 5 else f"{count} in all: {shown}"


def _digests(held: Sequence[Fault]) -> tuple[Extract, ...]:
    return tuple(
        Extract(part=f"entry {one.index}", offset=0, field="payload SHA-256", value=one.digest)
        for one in held[:MOST_FAULTS]
    )

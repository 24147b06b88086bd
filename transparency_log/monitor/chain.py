"""Step 5: an entry of a chain against what came before it. Pure; `Numbers` is what is remembered.

- A repeated payload says nothing new, whatever envelope it comes in: whoever may submit could have
  wrapped it. It is counted.
- `previous` names an envelope. Any one of the payload before it will do: else a repeated payload,
  in another envelope, could make an honest chain look broken.
- Two payloads of one number are equivocation, whatever stood between them.
- A number that is left out is a gap: something was signed and is shown to some, or lost.
- A number that comes after a higher one is late: it was held back.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from transparency_log.monitor.judge import Link


class FaultKind(StrEnum):
    """What is wrong with a chain."""

    EQUIVOCATION = "equivocation"
    GAP = "gap"
    LINK = "link"
    LATE = "late"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing wrong with a chain.

    Attributes:
        kind: see above.
        chain: kind and name of the chain, for people.
        sequence: number of the entry that shows it.
        index: where that entry stands in the log.
        text: what was found.
        other: of equivocation, where the first entry of that number stands.
        digest: of the payload; with the chain and number it tells a fault from a repeated one.
    """

    kind: FaultKind
    chain: str
    sequence: int
    index: int
    text: str
    digest: bytes
    other: int | None = None


@dataclass(frozen=True, kw_only=True)
class Placed:
    """The first entry of a number."""

    index: int
    leaf: bytes
    digest: bytes


@dataclass(frozen=True, kw_only=True)
class Head:
    """The entry of a chain with the highest number."""

    sequence: int
    leaf: bytes


class Numbers(Protocol):
    """What is remembered of one chain."""

    def placed(self, sequence: int) -> Placed | None:
        """Give the first entry of a number."""
        ...

    def place(self, sequence: int, placed: Placed) -> None:
        """Remember the first entry of a number."""
        ...

    def wraps(self, sequence: int, leaf: bytes) -> bool:
        """Say whether an envelope of this number's payload had this leaf hash."""
        ...

    def wrap(self, sequence: int, leaf: bytes) -> None:
        """Remember another envelope of this number's payload."""
        ...


@dataclass(frozen=True, kw_only=True)
class Step:
    """What an entry did to its chain; `new`: it is the head now."""

    fault: Fault | None = None
    repeated: bool = False
    new: bool = False


def step(head: Head | None, link: Link, numbers: Numbers, *, handed: bool) -> Step:
    """Take the next verified entry of a chain.

    Args:
        head: of the chain so far.
        link: the entry.
        numbers: what is remembered; it is added to.
        handed: whether an announcement gave the chain to these signers: what came before was
            signed by others, so it may begin with any number.
    """
    ahead = head is None or link.sequence > head.sequence
    known = None if ahead else numbers.placed(link.sequence)
    if known is not None:
        return _known(link, known, numbers)
    here = Placed(index=link.index, leaf=link.leaf, digest=link.digest)
    numbers.place(link.sequence, here)
    if head is None:
        fault = None if handed or link.sequence == 0 else _gap(link, 0)
    elif not ahead:
        text = f"number {link.sequence} came after number {head.sequence}"
        fault = _fault(FaultKind.LATE, link, text)
    elif link.sequence > head.sequence + 1:
        fault = _gap(link, head.sequence + 1)
    else:
        fault = _unlinked(head, link, numbers)
    return Step(fault=fault, new=ahead)


def chain_name(link: Link) -> str:
    """Name a chain for people: `status of log.example/1`."""
    return f"{link.kind.name.lower()} of {link.name}"


def _known(link: Link, known: Placed, numbers: Numbers) -> Step:
    if known.digest == link.digest:
        if known.leaf != link.leaf:
            numbers.wrap(link.sequence, link.leaf)
        return Step(repeated=True)
    text = (
        f"two entries have number {link.sequence}, at index {known.index} and at index {link.index}"
    )
    return Step(fault=_fault(FaultKind.EQUIVOCATION, link, text, other=known.index))


def _unlinked(head: Head, link: Link, numbers: Numbers) -> Fault | None:
    named = link.previous or b""
    if named == head.leaf or numbers.wraps(head.sequence, named):
        return None
    text = f"number {link.sequence} names {named.hex()}, which is not in the log as the one before"
    return _fault(FaultKind.LINK, link, text)


def _gap(link: Link, first: int) -> Fault:
    last = link.sequence - 1
    missing = f"number {first}" if first == last else f"numbers {first} to {last}"
    return _fault(FaultKind.GAP, link, f"{missing} missing before number {link.sequence}")


def _fault(kind: FaultKind, link: Link, text: str, *, other: int | None = None) -> Fault:
    return Fault(
        kind=kind,
        chain=chain_name(link),
        sequence=link.sequence,
        index=link.index,
        text=text,
        digest=link.digest,
        other=other,
    )

"""Reading a stretch of the log: which entry is the newest of its chain (DESIGN 4.3).

Input is a `LogRange`: every entry from a start to the end of a witnessed checkpoint, proved to be
exactly those. So what is not found here is not in the log.

- Entries that do not parse, or lack the signatures, are passed over: anybody may submit.
- A repeated payload is passed over: whoever may submit could repeat an old entry, or wrap a signed
  payload into another envelope; neither says anything new.
- Two payloads signed for one sequence number are equivocation, whatever else they say.
- Of the rest, the newest is the one with the highest number. An entry must have a higher number
  than all of its chain before it; one that comes late is passed over like a repeated one.

`previous` is not judged here. It names an envelope, and whoever repeats a payload in another one
could make an honest chain look broken; it serves monitors, who read the log from its beginning.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from transparency_log.entry import EntrySigners, Service, Status, verify_service, verify_status
from transparency_log.errors import (
    EquivocationError,
    LogError,
    MalformedError,
    SupersededError,
    UntrustedError,
)
from transparency_log.log_range import LogRange

Chained = TypeVar("Chained", Status, Service)


@dataclass(frozen=True, kw_only=True)
class Found(Generic[Chained]):
    """An entry of a chain and where it stands in the log."""

    index: int
    entry: Chained


def newest_status(entries: LogRange, signers: EntrySigners) -> Found[Status] | None:
    """Find the newest status about this log; None if the range has none.

    Raises:
        EquivocationError: see the module text.
    """
    origin = entries.witnessed.checkpoint.origin
    found = _chain(entries, lambda data: verify_status(data, signers), lambda s: s.log == origin)
    return found[-1] if found else None


def newest_service(entries: LogRange, service: str, signers: EntrySigners) -> Found[Service] | None:
    """Find the newest entry of a service; None if the range has none.

    Raises:
        EquivocationError: see the module text.
    """
    found = services(entries, service, signers)
    return found[-1] if found else None


def require_newest_service(
    entry: Service, data: bytes, entries: LogRange, signers: EntrySigners
) -> None:
    """Check that no entry of this service with the same or a higher number is in the range.

    Args:
        entry: the entry in hand, verified from `data`.
        data: its bytes, kept as one half of a proof of equivocation.
        entries: the log from just after the entry (or from before it) to a recent checkpoint.
        signers: the service's signers.

    Raises:
        EquivocationError: another entry has the same number, or see the module text.
        SupersededError: a later entry follows.
    """
    for found in services(entries, entry.service, signers):
        other = found.entry
        if other.sequence == entry.sequence and other.payload_digest != entry.payload_digest:
            raise EquivocationError(
                f"service {entry.service}: two entries have sequence {entry.sequence}",
                first=data,
                second=entries.entry(found.index),
            )
        if other.sequence > entry.sequence:
            raise SupersededError(
                f"service {entry.service}: sequence {other.sequence} follows {entry.sequence}",
                index=found.index,
            )


def services(entries: LogRange, service: str, signers: EntrySigners) -> list[Found[Service]]:
    """Give every entry of a service in the order of their numbers, the newest last.

    Raises:
        EquivocationError: see the module text.
    """
    return _chain(
        entries, lambda data: verify_service(data, signers), lambda one: one.service == service
    )


def _chain(
    entries: LogRange, verify: Callable[[bytes], Chained], belongs: Callable[[Chained], bool]
) -> list[Found[Chained]]:
    """Give the entries of one chain in the order of their numbers, which is that of the log."""
    chain: list[Found[Chained]] = []
    by_sequence: dict[int, Found[Chained]] = {}
    for found in _signed(entries, verify):
        if not belongs(found.entry):
            continue
        first = by_sequence.setdefault(found.entry.sequence, found)
        if first.entry.payload_digest != found.entry.payload_digest:
            raise _equivocation(entries, first, found)
        if not chain or found.entry.sequence > chain[-1].entry.sequence:
            chain.append(found)
    return chain


def _signed(entries: LogRange, verify: Callable[[bytes], Chained]) -> Iterator[Found[Chained]]:
    for index, data in entries:
        try:
            yield Found(index=index, entry=verify(data))
        except (MalformedError, UntrustedError):
            continue  # anybody may submit; it is nobody's word


def _equivocation(entries: LogRange, first: Found[Chained], second: Found[Chained]) -> LogError:
    number = second.entry.sequence
    return EquivocationError(
        f"two entries have sequence {number}: at index {first.index} and {second.index}",
        first=entries.entry(first.index),
        second=entries.entry(second.index),
    )

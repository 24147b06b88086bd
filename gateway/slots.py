"""Who stands where in a directory (docs/decisions/0018). Pure.

A client keeps its shard for a day, so a machine keeps its position from window to window while it
is listed. Positions belong to machines, not to addresses:

1. stay       a node at the place where it was, on the machine that it was on
2. machine    a node elsewhere takes a position of its machine that step 1 left free: the nodes of
              one machine are alike to clients, who draw at most one of them
3. new        the others take free positions in order, then the end

Where the platform names no machine, a node is known by its place alone. A position that became free
stays, as an empty leaf, until another node takes it; free ones at the end are dropped.
"""

from collections.abc import Iterable
from dataclasses import dataclass

UNNAMED = bytes(32)
"""Machine id digest where the platform names no machine."""


@dataclass(frozen=True, kw_only=True, order=True)
class Tenant:
    """A node as positions know it: its machine id digest, and the name of its place."""

    machine: bytes
    place: str


Slots = tuple[Tenant | None, ...]


def assign(slots: Slots, listed: Iterable[Tenant]) -> Slots:
    """Place the listed nodes, each once."""
    wanting = dict.fromkeys(sorted(listed))
    placed: list[Tenant | None] = [one if one in wanting else None for one in slots]  # 1
    for one in placed:
        if one is not None:
            wanting.pop(one, None)
    elsewhere: dict[bytes, list[Tenant]] = {UNNAMED: []}
    for one in reversed(wanting):
        if one.machine != UNNAMED:
            elsewhere.setdefault(one.machine, []).append(one)
    for position, former in enumerate(slots):  # 2
        if placed[position] is None and former is not None and elsewhere.get(former.machine):
            placed[position] = found = elsewhere[former.machine].pop()
            del wanting[found]
    free = [position for position, one in enumerate(placed) if one is None]
    for position, one in zip(free, wanting, strict=False):  # 3
        placed[position] = one
    placed += list(wanting)[len(free) :]
    while placed and placed[-1] is None:
        placed.pop()
    return tuple(placed)


def moved(slots: Slots, places: dict[str, str]) -> Slots:
    """Let positions follow nodes that are known to have moved from one place to another."""
    return tuple(
        one
        if one is None or one.place not in places
        else Tenant(machine=one.machine, place=places[one.place])
        for one in slots
    )

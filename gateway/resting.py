"""Which nodes rest for a window, so that free places are filled (docs/decisions/0019). Pure.

Clients refuse a shard of which more than a quarter is empty. Where many machines leave at once, or
a service grows smaller, the places they leave would stay empty: nobody moves while listed. So nodes
from the end of the directory are left out of it for one window. In the next one they are new, and
new nodes take the free places first. They go on serving meanwhile: whoever drew them may still use
them, for as long as the window before is valid. At most half of the nodes rest at one time: a
service that loses its first half would have nobody left to list.
"""

from collections.abc import Sequence
from typing import TypeVar

from openpcc.protocol.messages import SHARD

Occupant = TypeVar("Occupant")

QUARTER = 4
"""A shard of which more than one place in this many is empty is refused by clients."""


def without_resting(slots: Sequence[Occupant | None]) -> tuple[Occupant | None, ...]:
    """Leave out as many nodes at the end as there are free places before them, at most half.

    Only where a shard would be refused: a directory that is one shard has none that could be.
    """
    if not _refused(slots):
        return tuple(slots)
    listed, free, resting = list(slots), sum(one is None for one in slots), 0
    half = (len(slots) - free + 1) // 2
    while resting < min(free, half):
        if listed.pop() is None:
            free -= 1
        else:
            resting += 1
    while listed and listed[-1] is None:
        listed.pop()
    return tuple(listed)


def _refused(slots: Sequence[object]) -> bool:
    """Say whether a shard has too many free places."""
    if len(slots) <= SHARD:
        return False
    shards = (slots[start : start + SHARD] for start in range(0, len(slots), SHARD))
    return any(sum(one is None for one in shard) * QUARTER > len(shard) for shard in shards)

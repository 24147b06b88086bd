"""Which shards of a directory this client looks at (DESIGN 4.3, decision 0024). Draws, no more.

A client draws once a day: a seed, from which an endless row of *points* follows, each uniform. For
a directory of n leaves a point is a leaf, `point * n`, each leaf alike. The shard of the first one
is this client's for the day. The next shard in the row is its *spare*, for looks in which the first
cannot be used, and for the same day: were it drawn again in each window, a gateway that refuses all
shards but one would have gathered every second client on that one within two hours. There is no
third shard.

The size that counts is the one at which a model was first seen that day. Where its directory has
become smaller, points beyond its end are passed over; when it grows again they count again. So a
directory that shrinks for a moment moves nobody. In a directory of one shard nothing is chosen, and
nothing is kept: when it grows, its clients draw from all of it.

All models share the row. Drawn for each model apart, the shards that a look asks for, taken
together, would be a name; so directories of one size give one shard in all of them.

Why a leaf and not the number of a shard: the last shard of a directory may have one node only.
Drawn like the others it would collect as many clients as a whole one, all of them on that node. A
publisher that shrinks its directory into the middle of a shard gains nothing either: of those who
keep the shard, the ones whose leaf is gone leave it.
"""

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace

from openpcc.directory import KEEP_SHARD
from openpcc.errors import DirectoryError
from openpcc.protocol.messages import SHARD, DirectoryLeaf
from openpcc.state import SEED_SIZE, Draw

LABEL = b"openpcc shard v1\x00"
POINT_BITS = 64

MAX_SHARDS = 2
"""Shards that a client looks at in a day, of a directory that has not become smaller."""

MAX_POINTS = 1024
"""Points of the row that are tried; a directory that has become a thousandth takes the next ones as
points of its own size."""

MAX_KEPT = 256
"""Models whose sizes are remembered. A service lists at most 64; an operator that renames its
models every window must neither fill the disk nor push a kept one out."""

MISSING_QUARTER = 4
"""A shard of which more than one place in this many is missing or failing is refused whole."""


def current(draw: Draw | None, *, now: int) -> Draw:
    """Give the draw of this day, or a new one."""
    if draw is not None and 0 <= now - draw.drawn < KEEP_SHARD:
        return draw
    return Draw(seed=secrets.token_bytes(SEED_SIZE), drawn=now)


def with_model(draw: Draw, model: str, *, size: int) -> Draw:
    """Give the draw with the size of a model's directory, unless it was seen before that day.

    Args:
        draw: of this day.
        model: the model's id.
        size: leaves of its directory.

    Raises:
        DirectoryError: the service has named too many models within a day.
    """
    if model in draw.sizes or size <= SHARD:
        return draw
    if len(draw.sizes) >= MAX_KEPT:
        raise DirectoryError("unavailable", f"more than {MAX_KEPT} models were named within a day")
    return replace(draw, sizes={**draw.sizes, model: size})


def numbers(draw: Draw, model: str, *, size: int) -> tuple[int, ...]:
    """Name the shards that may be looked at, the kept one first, then the spare.

    Args:
        draw: of this day, as `with_model` gave it.
        model: the model's id.
        size: leaves of its directory now, at least 1.
    """
    if size <= SHARD:
        return (0,)
    found: list[int] = []
    for leaf in _leaves(draw.seed, draw.sizes[model], size):
        number = leaf // SHARD
        if number not in found:
            found.append(number)
        if len(found) == MAX_SHARDS:
            break
    return tuple(found)


def _leaves(seed: bytes, known: int, size: int) -> Iterator[int]:
    """Give the leaves of the row that a directory of `size` leaves has."""
    for index in range(MAX_POINTS):
        leaf = _scaled(seed, index, known)
        if leaf < size:
            yield leaf
    for index in range(MAX_POINTS, 2 * MAX_POINTS):
        yield _scaled(seed, index, min(known, size))


def _scaled(seed: bytes, index: int, size: int) -> int:
    """Give a point of the row as a leaf of so many."""
    digest = hashlib.sha256(LABEL + seed + index.to_bytes(8, "big")).digest()
    return int.from_bytes(digest[: POINT_BITS // 8], "big") * size >> POINT_BITS


def places(leaves: Sequence[DirectoryLeaf | None], *, size: int) -> int:
    """Count the places of a shard of which no more than a quarter may be missing (decision 0019).

    Args:
        leaves: the shard's; None is an empty slot.
        size: leaves of the directory.

    Returns:
        All places, empty ones too; of a directory that is one shard, the listed ones alone.
    """
    return len(leaves) if size > SHARD else sum(leaf is not None for leaf in leaves)


def too_few(good: int, counted: int) -> bool:
    """Say whether more than a quarter of so many places is missing."""
    return (counted - good) * MISSING_QUARTER > counted

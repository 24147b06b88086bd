"""Which shard of a directory this client looks at (DESIGN 4.3). Pure but for the draw itself.

A leaf is drawn, each alike, and its shard is kept for a day, so that nobody gains by making the
client draw again. Where the kept shard cannot be used, because too many of its nodes fail or
because the directory has become too small for the leaf, one *spare* is drawn for that window and
remembered: at most two shards a window, and the next window begins with the kept one again. So a
directory that shrinks for a moment and grows again does not collect everybody in its first shard.

Why a leaf and not the number of a shard: the last shard of a directory may have one node only.
Drawn like the others it would collect as many clients as a whole one, all of them on that node. A
publisher that shrinks its directory into the middle of a shard gains nothing either: of those who
keep the shard, the ones whose leaf is gone leave it.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace

from openpcc.directory import KEEP_SHARD
from openpcc.errors import DirectoryError
from openpcc.protocol.messages import SHARD, WINDOW, DirectoryLeaf
from openpcc.state import Shard

MAX_KEPT = 256
"""Models whose shards are remembered. A service lists at most 64; an operator that renames its
models every window must neither fill the disk nor push a kept number out."""

MISSING_QUARTER = 4
"""A shard of which more than one place in this many is missing or failing is refused whole."""


def number_of(leaf: int) -> int:
    """Name the shard that a leaf is in."""
    return leaf // SHARD


def with_kept(shards: Mapping[str, Shard], model: str, *, size: int, now: int) -> dict[str, Shard]:
    """Give the shards without outdated ones, and with one for this model.

    Args:
        shards: what is remembered, by model id.
        model: the model's id.
        size: leaves of its directory, at least 1.
        now: Unix seconds.

    Raises:
        DirectoryError: the service has named too many models within a day.
    """
    kept = {name: one for name, one in shards.items() if 0 <= now - one.drawn < KEEP_SHARD}
    if model in kept:
        return kept
    if len(kept) >= MAX_KEPT:
        raise DirectoryError("unavailable", f"more than {MAX_KEPT} models were named within a day")
    return kept | {model: Shard(leaf=secrets.randbelow(size), drawn=now)}


def with_spare(shards: Mapping[str, Shard], model: str, *, size: int, now: int) -> dict[str, Shard]:
    """Give the shards with a spare of this window for a model whose kept shard cannot be used.

    Arguments as `with_kept`; the model's kept shard is among `shards`.

    Raises:
        DirectoryError: there is no other shard, or this window's spare is gone too.
    """
    kept = shards[model]
    if kept.spare is not None and kept.spare_drawn // WINDOW == now // WINDOW:
        if kept.spare >= size:
            raise DirectoryError("unavailable", "two shards were of no use in one window")
        return dict(shards)
    first = SHARD * number_of(kept.leaf)
    refused = min(SHARD, size - first) if kept.leaf < size else 0
    if size == refused:
        raise DirectoryError("unavailable", "the directory has no other shard")
    leaf = secrets.randbelow(size - refused)
    spare = leaf if leaf < first else leaf + refused
    return {**shards, model: replace(kept, spare=spare, spare_drawn=now)}


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

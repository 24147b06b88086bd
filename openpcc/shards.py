"""Which shard of a directory this client looks at (DESIGN 4.3). Pure but for the draw itself.

The number is drawn once and kept for a day, so that nobody gains by making the client draw again.
Where the kept shard cannot be used, because too many of its nodes fail or because the directory
has become too small for it, one *spare* is drawn for that window and remembered: at most two shards
a window, and the next window begins with the kept one again. So a directory that shrinks for a
moment and grows again does not collect everybody in its first shard.
"""

import secrets
from collections.abc import Mapping
from dataclasses import replace

from openpcc.directory import KEEP_SHARD, shard_count
from openpcc.errors import DirectoryError
from openpcc.protocol.messages import WINDOW
from openpcc.state import Shard

MAX_KEPT = 256
"""Models whose shards are remembered. A service lists at most 64; an operator that renames its
models every window must neither fill the disk nor push a kept number out."""


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
    return kept | {model: Shard(shard=secrets.randbelow(shard_count(size)), drawn=now)}


def with_spare(shards: Mapping[str, Shard], model: str, *, size: int, now: int) -> dict[str, Shard]:
    """Give the shards with a spare of this window for a model whose kept shard cannot be used.

    Arguments as `with_kept`; the model's kept shard is among `shards`.

    Raises:
        DirectoryError: there is no other shard, or this window's spare is gone too.
    """
    kept, count = shards[model], shard_count(size)
    if kept.spare is not None and kept.spare_drawn // WINDOW == now // WINDOW:
        if kept.spare >= count:
            raise DirectoryError("unavailable", "two shards were of no use in one window")
        return dict(shards)
    others = count - 1 if kept.shard < count else count
    if others == 0:
        raise DirectoryError("unavailable", "the directory has no other shard")
    number = secrets.randbelow(others)
    spare = number + 1 if number >= kept.shard else number
    return {**shards, model: replace(kept, spare=spare, spare_drawn=now)}

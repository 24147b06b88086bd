"""Reading a log over its public files; whoever serves them is not trusted.

A thin shell: it knows paths and limits, fetches, and hands everything to the files that check. The
`fetch` it is given takes a path below the log's prefix and returns the whole body, or raises
`FetchError` (`NotFoundError` for 404); it must stop reading at the limit it is told.
"""

from collections.abc import Callable

from transparency_log.checkpoint import Checkpoint
from transparency_log.errors import (
    EquivocationError,
    FetchError,
    InconsistentError,
    MalformedTileError,
    NotFoundError,
    OneHistoryError,
)
from transparency_log.log_range import LogRange, verify_range
from transparency_log.merkle import HASH_SIZE, leaf_hash, verify_consistency, verify_inclusion
from transparency_log.note import MAX_NOTE
from transparency_log.proof import format_proof
from transparency_log.prover import HashReader, consistency_proof, inclusion_proof
from transparency_log.tile import (
    MAX_BUNDLE,
    TILE_WIDTH,
    TilePath,
    bundle_path,
    parse_bundle,
    tile_reader,
)
from transparency_log.witness_policy import LogPolicy, WitnessedCheckpoint, verify_checkpoint

Fetch = Callable[[str, int], bytes]
"""Called with a path and the largest body accepted, gives the body."""


MAX_RANGE = 128 * 2**20
"""Bytes of the entries that are read at once; ours have some kilobytes each, anybody's up to 64."""


class LogClient:
    """Reads one log under one policy. Keeps nothing between calls: callers keep checkpoints."""

    def __init__(self, policy: LogPolicy, fetch: Fetch) -> None:
        self._policy = policy
        self._fetch = fetch

    def checkpoint(self) -> WitnessedCheckpoint:
        """Fetch the newest checkpoint and check it against the policy.

        Raises:
            LogError: see `witness_policy.verify_checkpoint`; `FetchError` if it is not to be had.
        """
        return verify_checkpoint(self._fetch("checkpoint", MAX_NOTE), self._policy)

    def entries(self, witnessed: WitnessedCheckpoint, start: int) -> LogRange:
        """Fetch all entries from `start` to the end of the checkpoint's tree.

        Raises:
            NotIncludedError: what the log served is not what the checkpoint commits to.
            MalformedTileError: it is not even a bundle or tile.
            FetchError: it is not to be had, or would fill the memory; `follow` reads any length.
        """
        size = witnessed.checkpoint.size
        found: list[bytes] = []
        held = 0
        for index in range(start // TILE_WIDTH, -(-size // TILE_WIDTH)):
            bundle = self.bundle(index, size)
            held += sum(map(len, bundle))
            if held > MAX_RANGE:
                raise FetchError(f"the entries from {start} on have more than {MAX_RANGE} bytes")
            found.extend(bundle)
        entries = found[start % TILE_WIDTH :] if start < size else []
        return verify_range(witnessed, start, entries, self.reader(size))

    def proof(self, witnessed: WitnessedCheckpoint, index: int, entry: bytes) -> bytes:
        """Make the proof file of an entry, with the entry in its extra line, and check it.

        Raises:
            NotIncludedError: the log's tiles do not prove it.
        """
        checkpoint = witnessed.checkpoint
        hashes = inclusion_proof(index, checkpoint.size, self.reader(checkpoint.size))
        verify_inclusion(
            index=index,
            size=checkpoint.size,
            leaf=leaf_hash(entry),
            proof=hashes,
            root=checkpoint.root,
        )
        return format_proof(index=index, hashes=hashes, checkpoint=witnessed.note, extra=entry)

    def consistency(self, old: WitnessedCheckpoint, new: WitnessedCheckpoint) -> tuple[bytes, ...]:
        """Make the proof that the newer checkpoint extends the older one, and check it.

        Raises:
            EquivocationError: they are two trees of one size, which proves that the log forks.
            OneHistoryError: the newer one is smaller, or the proof does not hold.
            LogError: the log's tiles are not to be had, or are none.
        """
        before, after = old.checkpoint, new.checkpoint
        if before.size == after.size and before.root != after.root:
            text = f"the log has two trees of size {after.size}"
            raise EquivocationError(text, first=old.note, second=new.note)
        if before.size > after.size:
            text = f"the log shrank from {before.size} to {after.size}"
            raise OneHistoryError(text, first=old.note, second=new.note)
        try:
            return self._consistency(before, after)
        except (InconsistentError, MalformedTileError) as error:
            text = f"the log's tiles do not prove that {after.size} extends {before.size}: {error}"
            raise OneHistoryError(text, first=old.note, second=new.note) from error

    def _consistency(self, before: Checkpoint, after: Checkpoint) -> tuple[bytes, ...]:
        if before.size == 0:
            return ()
        proof = consistency_proof(before.size, after.size, self.reader(after.size))
        verify_consistency(
            old_size=before.size,
            old_root=before.root,
            size=after.size,
            root=after.root,
            proof=proof,
        )
        return tuple(proof)

    def reader(self, size: int) -> HashReader:
        """Read hashes of the tree of `size` from the log's tiles; each is the log's word."""
        return tile_reader(size, self._tile)

    def _tile(self, path: TilePath) -> bytes:
        return self._partial_or_full(path, TILE_WIDTH * HASH_SIZE)[: path.width * HASH_SIZE]

    def bundle(self, index: int, size: int) -> list[bytes]:
        """Fetch an entry bundle of the tree of `size`: the log's word until a root proves it.

        Raises:
            MalformedTileError: not a bundle of as many entries as it must have.
        """
        path = bundle_path(index, size)
        try:
            return parse_bundle(self._fetch(str(path), MAX_BUNDLE), path.width)
        except NotFoundError:
            if path.width == TILE_WIDTH:
                raise
        full = self._fetch(str(path.full()), MAX_BUNDLE)
        return parse_bundle(full, TILE_WIDTH)[: path.width]

    def _partial_or_full(self, path: TilePath, limit: int) -> bytes:
        """Fetch a tile; a partial one may be gone once it is full (tlog-tiles, "Partial Tiles")."""
        try:
            return self._fetch(str(path), limit)
        except NotFoundError:
            if path.width == TILE_WIDTH:
                raise
        full = self._fetch(str(path.full()), limit)
        if len(full) != limit:
            raise MalformedTileError("the full tile that stands in for a partial one is not full")
        return full

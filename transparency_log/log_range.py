"""A stretch of entries, proved to be what a witnessed checkpoint commits to.

Theory of operation. The root of the checkpoint is computed anew, with the hashes of the entries in
hand inside the range and with the log's word for all hashes outside it. If that gives the root of
the checkpoint, the entries are those of the log: other entries would need a collision of SHA-256.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from transparency_log.errors import NotIncludedError
from transparency_log.merkle import EMPTY_ROOT, leaf_hash, node_hash, tree_root
from transparency_log.prover import HashReader, range_root, split_point
from transparency_log.witness_policy import WitnessedCheckpoint


@dataclass(frozen=True, kw_only=True)
class LogRange:
    """All entries of the log from `start` on; made by `verify_range` alone.

    It ends where the checkpoint ends: a range that ended earlier could hide the newest entries.
    """

    witnessed: WitnessedCheckpoint
    start: int
    entries: tuple[bytes, ...]

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Give index and bytes of each entry."""
        return enumerate(self.entries, start=self.start)

    def entry(self, index: int) -> bytes:
        """Give the entry at an index of the log."""
        return self.entries[index - self.start]


def verify_range(
    witnessed: WitnessedCheckpoint, start: int, entries: Sequence[bytes], read: HashReader
) -> LogRange:
    """Check that `entries` are all entries from `start` to the end of the checkpoint's tree.

    Args:
        witnessed: the checkpoint that vouches for them.
        start: index of the first one.
        entries: their bytes.
        read: the log's word for hashes of full subtrees outside the range.

    Raises:
        NotIncludedError: a different number of entries, or they are not those of the log.
    """
    checkpoint = witnessed.checkpoint
    if start < 0 or start + len(entries) != checkpoint.size:
        raise NotIncludedError(f"expected the entries from {start} to {checkpoint.size}")
    leaves = [leaf_hash(entry) for entry in entries]
    if _root(0, checkpoint.size, start, leaves, read) != checkpoint.root:
        raise NotIncludedError(f"the entries from {start} on are not those of the checkpoint")
    return LogRange(witnessed=witnessed, start=start, entries=tuple(entries))


def _root(low: int, high: int, start: int, leaves: Sequence[bytes], read: HashReader) -> bytes:
    """Hash [low, high): from the log before `start`, from the leaves in hand after it."""
    if low == high:
        return EMPTY_ROOT
    if high <= start:
        return range_root(low, high, read)
    if low >= start:
        return tree_root(leaves[low - start : high - start])
    middle = low + split_point(high - low)
    return node_hash(
        _root(low, middle, start, leaves, read), _root(middle, high, start, leaves, read)
    )

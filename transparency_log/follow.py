"""Reading a whole log, however long, in memory that does not grow with it.

Theory of operation. A reader keeps a `Frontier`: how many entries it has verified, and the hashes
of the full subtrees they make. It reads on from there in stretches of a bounded size. Before a
stretch is given to the caller, the root of everything read so far is computed from the frontier,
and the log's tiles have to prove that the checkpoint's tree extends that tree (RFC 9162, section
2.1.4): other entries, or entries in another order, would need a collision of SHA-256. So whatever
the caller was given is proved, and may be stopped at and taken up again later, under a newer
checkpoint, without reading anything twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from transparency_log.client import LogClient
from transparency_log.errors import InconsistentError
from transparency_log.merkle import EMPTY_ROOT, leaf_hash, node_hash, verify_consistency
from transparency_log.prover import consistency_proof
from transparency_log.tile import TILE_WIDTH
from transparency_log.witness_policy import WitnessedCheckpoint

STRETCH = 16
"""Bundles read at a time: 4096 entries, some megabytes of ours."""

MAX_STRETCH = 32 * 2**20
"""Bytes after which a stretch ends early, at a whole bundle: entries may have 64 KB each."""


@dataclass(frozen=True, kw_only=True)
class Frontier:
    """The beginning of a log, by its hashes.

    Attributes:
        size: entries.
        peaks: hashes of the full subtrees they make, from the left, one for each bit of `size`.

    Raises:
        InconsistentError: another number of peaks than that.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if len(self.peaks) != self.size.bit_count():
            raise InconsistentError(
                f"frontier: {self.size} entries have {self.size.bit_count()} full subtrees, "
                f"found {len(self.peaks)}; begin at the start of the log"
            )

    @cached_property
    def root(self) -> bytes:
        """Root of the tree of these entries (RFC 6962, section 2.1)."""
        if not self.peaks:
            return EMPTY_ROOT
        *left, root = self.peaks
        for peak in reversed(left):
            root = node_hash(peak, root)
        return root

    def extended(self, leaves: Sequence[bytes]) -> "Frontier":
        """Add leaf hashes; each full subtree is joined with the one on its left of its size."""
        peaks = list(self.peaks)
        for size, leaf in enumerate(leaves, start=self.size + 1):
            peaks.append(leaf)
            for _ in range((size & -size).bit_length() - 1):
                right = peaks.pop()
                peaks.append(node_hash(peaks.pop(), right))
        return Frontier(size=self.size + len(leaves), peaks=tuple(peaks))


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Consecutive entries of a log, proved; made by `follow` alone.

    Attributes:
        start: index of the first one.
        entries: their bytes.
        leaves: their leaf hashes.
        frontier: the log up to their end, to go on from.
    """

    start: int
    entries: tuple[bytes, ...]
    leaves: tuple[bytes, ...]
    frontier: Frontier


def follow(log: LogClient, witnessed: WitnessedCheckpoint, frontier: Frontier) -> Iterator[Stretch]:
    """Give all entries from the frontier to the end of a checkpoint's tree, stretch by stretch.

    Args:
        log: whoever serves the log's files; not trusted.
        witnessed: the checkpoint that vouches for them.
        frontier: what was read before; `Frontier()` for everything.

    Raises:
        InconsistentError: the checkpoint's tree does not extend the frontier, or what the log
            served is not what the checkpoint commits to.
        MalformedTileError: it served no bundle or tile at all.
    """
    size = witnessed.checkpoint.size
    if frontier.size >= size:
        _prove(log, witnessed, frontier)
    while frontier.size < size:
        start, entries = frontier.size, _read(log, frontier.size, size)
        leaves = tuple(leaf_hash(entry) for entry in entries)
        frontier = frontier.extended(leaves)
        _prove(log, witnessed, frontier)
        yield Stretch(start=start, entries=entries, leaves=leaves, frontier=frontier)


def _read(log: LogClient, start: int, size: int) -> tuple[bytes, ...]:
    """Fetch the bundles of the next stretch; of the first, what lies behind `start`."""
    found: list[bytes] = []
    length = 0
    first = start // TILE_WIDTH
    for index in range(first, min(first + STRETCH, -(-size // TILE_WIDTH))):
        bundle = log.bundle(index, size)
        found.extend(bundle)
        length += sum(map(len, bundle))
        if length > MAX_STRETCH:
            break
    return tuple(found[start % TILE_WIDTH :])


def _prove(log: LogClient, witnessed: WitnessedCheckpoint, frontier: Frontier) -> None:
    """Check that the checkpoint's tree begins with the frontier's."""
    checkpoint = witnessed.checkpoint
    if frontier.size > checkpoint.size:
        raise InconsistentError(
            f"the log shrank: {frontier.size} entries were read, now it has {checkpoint.size}"
        )
    if frontier.size == 0:
        return
    verify_consistency(
        old_size=frontier.size,
        old_root=frontier.root,
        size=checkpoint.size,
        root=checkpoint.root,
        proof=consistency_proof(frontier.size, checkpoint.size, log.reader(checkpoint.size)),
    )

"""What a log keeps: public files in a store, beside a table that gives entries their place.

Theory of operation. Whatever was signed must be found again after any crash, and nothing else may
ever be signed in its place. So every step is durable before the next one begins:

1. `append`       entries get their indexes, and their bytes are kept, in one transaction
2. `write_tiles`  tiles and bundles are written; then the table forgets the entries' bytes
3. `record_head`  size and root that are about to be signed
4. `publish`      the cosigned checkpoint replaces the one before

A crash between two steps leaves work that the next start does again with the same result: tiles are
a function of the sequenced entries. A file that exists with other bytes is an error, not repaired.
Steps 3 and 4 of one tree may come while 1 and 2 of the next are done: the tree only grows.

After an error in a step what is in memory may be ahead of what is durable. The process ends, and
the next one starts from what is durable.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Self

from transparency_log.checkpoint import Checkpoint, parse_checkpoint
from transparency_log.errors import (
    ConfigurationError,
    InconsistentError,
    MalformedError,
    StorageError,
)
from transparency_log.merkle import EMPTY_ROOT, HASH_SIZE, leaf_hash, verify_consistency
from transparency_log.note import split_note
from transparency_log.prover import consistency_proof, range_root
from transparency_log.server.edge import RightEdge
from transparency_log.server.sequence import Head, SequenceTable, State, Submission
from transparency_log.server.store import ObjectStore
from transparency_log.tile import (
    TILE_HEIGHT,
    TILE_WIDTH,
    TilePath,
    bundle_path,
    encode_bundle,
    parse_bundle,
    tile_reader,
)

CHECKPOINT = "checkpoint"
"""Name of the public checkpoint in the store."""

CACHED_TILES = 256
"""Tiles kept for proofs, 8 KiB each: those near the right edge are asked for again and again."""


class LogStorage:
    """One log's files and table. Not thread-safe but for `read`, `checkpoint` and `consistency`."""

    def __init__(self, store: ObjectStore, sequence: SequenceTable) -> None:
        self._store = store
        self._sequence = sequence
        self._edge = RightEdge(0, [])
        self._tail: list[bytes] = []  # entries of the bundle that is not full yet
        self._unwritten: list[bytes] = []  # sequenced, not tiled
        self._partials: dict[TilePath, set[int]] = {}  # full tile to widths that came before it
        self._note: bytes | None = None
        self._cached_tile = lru_cache(CACHED_TILES)(self._hash_tile)

    @classmethod
    def create(cls, store: ObjectStore) -> None:
        """Check that a store is empty, before a log is made in it.

        Raises:
            ConfigurationError: it holds a checkpoint.
        """
        if _read_or_none(store, CHECKPOINT) is not None:
            raise ConfigurationError("the store holds a log already; name an empty one")

    @classmethod
    def open(cls, store: ObjectStore, sequence: SequenceTable) -> Self:
        """Finish what a crash interrupted, and check the files against what was signed last.

        The caller closes store and table, whatever comes of it.

        Raises:
            StorageError: the files are not those of the tree that was signed.
        """
        storage = cls(store, sequence)
        state = sequence.state()
        try:
            storage._load(state)
            storage.write_tiles()
            storage._check(state.head)
        except (FileNotFoundError, MalformedError) as error:
            raise StorageError(f"{error}; restore the log's files from their backup") from error
        return storage

    @property
    def size(self) -> int:
        """Count the entries that stand in tiles."""
        return self._edge.size

    @property
    def checkpoint(self) -> bytes | None:
        """Give the public checkpoint; None before the first one."""
        return self._note

    def head(self) -> Head:
        """Give the tree that all tiled entries make."""
        return Head(size=self._edge.size, root=self._edge.root())

    def append(self, submissions: Sequence[Submission], *, day: int) -> list[int | None]:
        """Give each entry its index, durably; see `SequenceTable.append`."""
        following = self._edge.size + len(self._unwritten)
        indexes = self._sequence.append(submissions, size=following, day=day)
        for index, one in zip(indexes, submissions, strict=True):
            if index == following:
                self._unwritten.append(one.entry)
                following += 1
        return indexes

    def write_tiles(self) -> None:
        """Write the tiles and bundles of all sequenced entries that have none yet."""
        entries, self._unwritten = self._unwritten, []
        if not entries:
            return
        files = self._bundles(entries)
        files += self._edge.append([leaf_hash(entry) for entry in entries])
        self._store.write_once([(str(path), data) for path, data in files])
        self._sequence.mark_tiled(self._edge.size)
        self._note_partials(path for path, _ in files)

    def root(self, size: int) -> bytes:
        """Compute the root of the tree of `size` from its tiles."""
        if size == self._edge.size:
            return self._edge.root()
        return range_root(0, size, tile_reader(size, self._cached_tile))

    def consistency(self, old_size: int, size: int) -> list[bytes]:
        """Prove that the tree of `size` extends that of `old_size`."""
        return consistency_proof(old_size, size, tile_reader(size, self._cached_tile))

    def record_head(self, head: Head) -> None:
        """Record what is about to be signed; see `SequenceTable.record_head`."""
        self._sequence.record_head(head)

    def publish(self, note: bytes, *, size: int) -> None:
        """Replace the public checkpoint, then drop partial tiles that are full in this tree."""
        self._store.replace(CHECKPOINT, note, old=self._note)
        self._note = note
        full = [path for path in self._partials if _is_full(path, size)]
        names = [
            str(TilePath(level=path.level, index=path.index, width=width))
            for path in full
            for width in self._partials.pop(path)
        ]
        if names:
            self._store.delete(names)

    def read(self, path: TilePath) -> bytes:
        """Read a tile.

        Raises:
            FileNotFoundError: there is no such tile, or it is full now.
            StorageError: the store does not answer.
        """
        return self._store.read(str(path))

    def _load(self, state: State) -> None:
        """Take up what the table and the store hold."""
        self._edge = RightEdge.read(state.tiled, self._hash_tile)
        last = bundle_path(state.tiled // TILE_WIDTH, state.tiled)
        self._tail = parse_bundle(self.read(last), last.width) if last.width else []
        if [leaf_hash(entry) for entry in self._tail] != self._edge.tail():
            raise StorageError(f"{last}: not the entries of the tree; restore it from its backup")
        self._unwritten = self._sequence.pending()
        if state.tiled + len(self._unwritten) != state.sequenced:
            raise StorageError("the sequencing table lost entries; restore its newest copy")
        self._note = _read_or_none(self._store, CHECKPOINT)
        for path in _edge_paths(state.tiled):
            self._partials[path.full()] = set(range(1, path.width + 1))

    def _check(self, signed: Head) -> None:
        """Check that the tree grew out of the one signed last, and that nothing newer is out."""
        if not self._extends(signed):
            raise StorageError("the tiles are not those of the tree this log signed last")
        if self._note is not None:
            published = _unverified_checkpoint(self._note)
            if published.size > signed.size or self.root(published.size) != published.root:
                raise StorageError("the store's checkpoint is not of a tree this table has signed")

    def _extends(self, head: Head) -> bool:
        """Prove, out of the tiles that the next tree is made of, that it begins with this one.

        After a crash these tiles may be of a larger tree than the one that was signed, and so other
        files than those in which the signed one stands.
        """
        if head.size == 0 or head.size > self.size:
            return head == Head(size=0, root=EMPTY_ROOT)
        try:
            verify_consistency(
                old_size=head.size,
                old_root=head.root,
                size=self.size,
                root=self._edge.root(),
                proof=self.consistency(head.size, self.size),
            )
        except InconsistentError:
            return False
        return True

    def _bundles(self, entries: list[bytes]) -> list[tuple[TilePath, bytes]]:
        """Write the bundles that new entries fill or begin; keeps those of the last one."""
        index = self._edge.size // TILE_WIDTH
        rest, files = self._tail + entries, []
        while rest:
            part, rest = rest[:TILE_WIDTH], rest[TILE_WIDTH:]
            path = TilePath(level=None, index=index, width=len(part))
            files.append((path, encode_bundle(part)))
            self._tail = part if len(part) < TILE_WIDTH else []
            index += 1
        return files

    def _note_partials(self, paths: Iterable[TilePath]) -> None:
        for path in paths:
            if path.width < TILE_WIDTH:
                self._partials.setdefault(path.full(), set()).add(path.width)

    def _hash_tile(self, path: TilePath) -> bytes:
        """Read a tile, a partial one from the full one where it is gone."""
        try:
            return self.read(path)
        except FileNotFoundError:
            return self.read(path.full())[: path.width * HASH_SIZE]


def _is_full(path: TilePath, size: int) -> bool:
    return (path.index + 1) * TILE_WIDTH <= size >> (TILE_HEIGHT * (path.level or 0))


def _edge_paths(size: int) -> Iterable[TilePath]:
    """List the partial tiles of a tree."""
    level = 0
    while hashes := size >> (TILE_HEIGHT * level):
        if width := hashes % TILE_WIDTH:
            yield TilePath(level=level, index=hashes // TILE_WIDTH, width=width)
            if level == 0:
                yield TilePath(level=None, index=hashes // TILE_WIDTH, width=width)
        level += 1


def _read_or_none(store: ObjectStore, name: str) -> bytes | None:
    try:
        return store.read(name)
    except FileNotFoundError:
        return None


def _unverified_checkpoint(note: bytes) -> Checkpoint:
    text, _ = split_note(note)
    return parse_checkpoint(text)

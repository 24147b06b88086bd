"""What a log keeps: immutable tile files beside a SQLite table that gives entries their place.

Theory of operation. Whatever was signed must be found again after any crash, and nothing else may
ever be signed in its place. So every step is durable before the next one begins:

1. `append`       entries get their indexes in one SQLite transaction (synchronous = FULL)
2. `write_tiles`  tiles and bundles: temporary file, fsync, rename, fsync of the folder
3. `record_head`  size and root that are about to be signed
4. `publish`      the cosigned checkpoint replaces the old one, the same way as a tile

A crash between two steps leaves work that the next start does again with the same result: tiles are
a function of the sequenced entries. A file that exists with other bytes is an error, not repaired.
"""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from transparency_log.errors import ConfigurationError, StorageError
from transparency_log.merkle import EMPTY_ROOT, leaf_hash, tree_root
from transparency_log.prover import consistency_proof, range_root
from transparency_log.server.durable import sync_folder, write_file
from transparency_log.tile import (
    TILE_WIDTH,
    TilePath,
    bundle_path,
    encode_bundle,
    new_tiles,
    parse_bundle,
    parse_hash_tile,
    tile_reader,
)

SCHEMA = """
CREATE TABLE entry (position INTEGER PRIMARY KEY, leaf_hash BLOB NOT NULL UNIQUE, data BLOB);
CREATE TABLE head (only INTEGER PRIMARY KEY CHECK (only = 0), tiled INTEGER NOT NULL,
                   size INTEGER NOT NULL, root BLOB NOT NULL);
"""
"""`entry.data` is emptied once the entry stands in a durable bundle."""

DATABASE = "sequence.db"
"""Name of the database in the log's folder."""

LOCK = "lock"
"""Name of the file whose lock a running log holds. Not the database: SQLite locks that itself."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """The newest tree that this log has signed or was about to sign."""

    size: int
    root: bytes


class LogStorage:
    """The files of one log. Not thread-safe: one thread at a time."""

    def __init__(self, directory: Path, database: sqlite3.Connection, lock: int) -> None:
        self._directory = directory
        self._database = database
        self._lock = lock

    @classmethod
    def create(cls, directory: Path) -> None:
        """Make an empty log.

        Raises:
            ConfigurationError: the folder exists and is not empty.
        """
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise ConfigurationError(f"{directory}: not empty; a log is made in an empty folder")
        with closing(sqlite3.connect(directory / DATABASE)) as database:
            database.executescript(SCHEMA)
            database.execute("INSERT INTO head VALUES (0, 0, 0, ?)", (EMPTY_ROOT,))
            database.commit()
        (directory / LOCK).touch()
        sync_folder(directory)

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open a log, finish what a crash interrupted, and check the files against the last head.

        Raises:
            ConfigurationError: there is no log, or another process has it open.
            StorageError: the files are not those of the tree that was signed.
        """
        if not (directory / DATABASE).is_file():
            raise ConfigurationError(f"{directory}: no log here; make one with `openpcc-log init`")
        with ExitStack() as on_failure:
            lock = _lock(directory)
            on_failure.callback(os.close, lock)
            database = sqlite3.connect(
                directory / DATABASE, isolation_level=None, check_same_thread=False
            )
            on_failure.callback(database.close)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            storage = cls(directory, database, lock)
            storage._resume()
            on_failure.pop_all()
        return storage

    def _resume(self) -> None:
        """Finish what a crash interrupted, and check the files against the last head."""
        self.write_tiles()
        head = self.head()
        if head.size > self.size() or self.root(head.size) != head.root:
            raise StorageError("the tiles are not those of the tree this log signed last")

    def close(self) -> None:
        """Close the database and let another process open the log."""
        self._database.close()
        os.close(self._lock)

    def size(self) -> int:
        """Count the sequenced entries."""
        return self._one("SELECT coalesce(max(position) + 1, 0) FROM entry")

    def head(self) -> Head:
        """Give the newest recorded head."""
        size, root = self._database.execute("SELECT size, root FROM head").fetchone()
        return Head(size=size, root=root)

    def append(self, entries: Sequence[bytes]) -> list[int]:
        """Give each entry its index, durably; an entry that has one keeps it."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            indexes = [self._append(entry) for entry in entries]
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")
        return indexes

    def _append(self, entry: bytes) -> int:
        leaf = leaf_hash(entry)
        found = self._database.execute(
            "SELECT position FROM entry WHERE leaf_hash = ?", (leaf,)
        ).fetchone()
        if found:
            return int(found[0])
        index = self.size()
        self._database.execute("INSERT INTO entry VALUES (?, ?, ?)", (index, leaf, entry))
        return index

    def write_tiles(self) -> None:
        """Write the tiles and bundles of all sequenced entries that have none yet."""
        size, tiled = self.size(), self._one("SELECT tiled FROM head")
        for path in new_tiles(tiled, size):
            self._write_once(path, self._tile(path, tiled))
        self._database.execute("BEGIN IMMEDIATE")
        self._database.execute("UPDATE head SET tiled = ?", (size,))
        self._database.execute(
            "UPDATE entry SET data = NULL WHERE position >= ? AND position < ?", (tiled, size)
        )
        self._database.execute("COMMIT")

    def _tile(self, path: TilePath, tiled: int) -> bytes:
        start = path.index * TILE_WIDTH
        if path.level is None:
            return encode_bundle(self._entries(path.index, start + path.width, tiled))
        if path.level == 0:
            rows = self._database.execute(
                "SELECT leaf_hash FROM entry WHERE position >= ? AND position < ? "
                "ORDER BY position",
                (start, start + path.width),
            )
            return b"".join(leaf for (leaf,) in rows)
        below = (
            TilePath(level=path.level - 1, index=start + offset) for offset in range(path.width)
        )
        return b"".join(tree_root(parse_hash_tile(self.read(tile), TILE_WIDTH)) for tile in below)

    def _entries(self, bundle: int, end: int, tiled: int) -> list[bytes]:
        """Give a bundle's entries: the older ones from its file, the rest from the database."""
        start = bundle * TILE_WIDTH
        old: list[bytes] = []
        if tiled > start:
            path = bundle_path(bundle, tiled)
            old = parse_bundle(self.read(path), path.width)
        rows = self._database.execute(
            "SELECT data FROM entry WHERE position >= ? AND position < ? ORDER BY position",
            (start + len(old), end),
        )
        return old + [data for (data,) in rows]

    def root(self, size: int) -> bytes:
        """Compute the root of the tree of `size` from its tiles."""
        return range_root(0, size, tile_reader(size, self._hash_tile))

    def consistency(self, old_size: int, size: int) -> list[bytes]:
        """Prove that the tree of `size` extends that of `old_size`."""
        return consistency_proof(old_size, size, tile_reader(size, self._hash_tile))

    def record_head(self, head: Head) -> None:
        """Record what is about to be signed.

        Raises:
            StorageError: smaller than what was signed, or of that size with another root.
        """
        last = self.head()
        if head.size < last.size or (head.size == last.size and head.root != last.root):
            raise StorageError("this log already signed a larger or different tree")
        self._database.execute("UPDATE head SET size = ?, root = ?", (head.size, head.root))

    def publish(self, note: bytes, *, old_size: int, size: int) -> None:
        """Replace the public checkpoint, then drop partial tiles that are full in this tree."""
        write_file(self._directory / "checkpoint", note)
        for path in new_tiles(old_size, size):
            if path.width == TILE_WIDTH:
                shutil.rmtree(self._directory / f"{path}.p", ignore_errors=True)

    def checkpoint(self) -> bytes | None:
        """Give the public checkpoint; None before the first one."""
        try:
            return (self._directory / "checkpoint").read_bytes()
        except FileNotFoundError:
            return None

    def read(self, path: TilePath) -> bytes:
        """Read a tile.

        Raises:
            FileNotFoundError: there is no such tile, or it is full now.
        """
        return (self._directory / str(path)).read_bytes()

    def _hash_tile(self, path: TilePath) -> bytes:
        """Read a tile, a partial one from the full one where it is gone."""
        try:
            return self.read(path)
        except FileNotFoundError:
            return self.read(path.full())[: path.width * len(EMPTY_ROOT)]

    def _write_once(self, path: TilePath, data: bytes) -> None:
        target = self._directory / str(path)
        if target.exists():
            if target.read_bytes() != data:
                raise StorageError("a tile exists with other bytes")
            return
        write_file(target, data)

    def _one(self, query: str) -> int:
        value: int = self._database.execute(query).fetchone()[0]
        return value


def _lock(directory: Path) -> int:
    """Take the folder for this process: two sequencers would sign two histories."""
    lock = os.open(directory / LOCK, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise ConfigurationError(f"{directory}: in use; stop the other openpcc-log") from error
    return lock

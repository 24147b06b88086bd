"""The sequencing table in SQLite: for a log that runs on one machine.

One process by a lock beside the file; durable by synchronous = FULL. The file that is there when
the log starts must be the newest one: an older copy would give indexes twice.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Self

from transparency_log.errors import ConfigurationError, StorageError
from transparency_log.merkle import EMPTY_ROOT
from transparency_log.server.durable import lock_file, make_folder, sync_folder
from transparency_log.server.sequence import (
    Head,
    Placement,
    Spent,
    State,
    Submission,
    check_size,
    check_successor,
    place,
)

SCHEMA = """
CREATE TABLE place (leaf_hash BLOB PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE pending (position INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE quota (day INTEGER, publisher TEXT, entries INTEGER NOT NULL, bytes INTEGER NOT NULL,
                    PRIMARY KEY (day, publisher)) WITHOUT ROWID;
CREATE TABLE head (only INTEGER PRIMARY KEY CHECK (only = 0), sequenced INTEGER NOT NULL,
                   tiled INTEGER NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL);
"""
"""`pending` holds the entries that do not stand in a durable bundle yet."""

SETTINGS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA cache_size = -65536",  # KiB: leaf hashes are random keys, and touch pages all over
    "PRAGMA wal_autocheckpoint = 4096",  # pages: several batches share the writing of a page
    "PRAGMA journal_size_limit = 67108864",  # bytes: what one large batch needed is given back
)


class SqliteSequence:
    """A `SequenceTable` in a SQLite file."""

    def __init__(self, database: sqlite3.Connection, lock: int) -> None:
        self._database = database
        self._lock = lock

    @classmethod
    def create(cls, path: Path) -> None:
        """Make the table of an empty log.

        Raises:
            ConfigurationError: there is a file already.
            StorageError: it cannot be written.
        """
        if path.exists():
            raise ConfigurationError(f"{path}: exists; a log must not forget what it signed")
        make_folder(path.parent)
        with _explained(), closing(sqlite3.connect(path)) as database:
            database.executescript(SCHEMA)
            database.execute("INSERT INTO head VALUES (0, 0, 0, 0, ?)", (EMPTY_ROOT,))
            database.commit()
        sync_folder(path.parent)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Take the table for this process.

        Raises:
            ConfigurationError: there is none, or another process has it open.
            StorageError: it cannot be read.
        """
        if not path.is_file():
            raise ConfigurationError(f"{path}: no log here; make one with `openpcc-log init`")
        with ExitStack() as on_failure:
            lock = lock_file(path.with_name(f"{path.name}.lock"), what=str(path))
            on_failure.callback(os.close, lock)
            database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            on_failure.callback(database.close)
            with _explained():
                for setting in SETTINGS:
                    database.execute(setting)
            on_failure.pop_all()
        return cls(database, lock)

    def close(self) -> None:
        """See `SequenceTable`."""
        self._database.close()
        os.close(self._lock)

    def state(self) -> State:
        """See `SequenceTable`."""
        with _explained():
            return self._state()

    def append(self, submissions: Sequence[Submission], *, size: int, day: int) -> list[int | None]:
        """See `SequenceTable`."""
        with self._transaction() as database:
            check_size(self._state(), size)
            found = place(
                submissions,
                size=size,
                known=self._known(one.leaf_hash for one in submissions),
                spent=self._spent(day),
            )
            self._insert(found, size)
            database.execute("DELETE FROM quota WHERE day < ?", (day,))
            database.executemany(
                "INSERT OR REPLACE INTO quota VALUES (?, ?, ?, ?)",
                [(day, name, one.entries, one.size) for name, one in found.spent.items()],
            )
        return found.indexes

    def pending(self) -> list[bytes]:
        """See `SequenceTable`."""
        query = (
            "SELECT data FROM pending WHERE position >= (SELECT tiled FROM head) ORDER BY position"
        )
        with _explained():
            return [data for (data,) in self._database.execute(query)]

    def mark_tiled(self, size: int) -> None:
        """See `SequenceTable`."""
        with self._transaction() as database:
            database.execute("UPDATE head SET tiled = ?", (size,))
            database.execute("DELETE FROM pending WHERE position < ?", (size,))

    def record_head(self, head: Head) -> None:
        """See `SequenceTable`."""
        with self._transaction() as database:
            last = self._state().head
            check_successor(last, head)
            if head != last:
                database.execute("UPDATE head SET size = ?, root = ?", (head.size, head.root))

    def _state(self) -> State:
        query = "SELECT sequenced, tiled, size, root FROM head"
        sequenced, tiled, size, root = self._database.execute(query).fetchone()
        return State(sequenced=sequenced, tiled=tiled, head=Head(size=size, root=root))

    def _known(self, leaves: Iterable[bytes]) -> dict[bytes, int]:
        query = "SELECT position FROM place WHERE leaf_hash = ?"
        rows = ((leaf, self._database.execute(query, (leaf,)).fetchone()) for leaf in leaves)
        return {leaf: row[0] for leaf, row in rows if row}

    def _spent(self, day: int) -> dict[str, Spent]:
        query = "SELECT publisher, entries, bytes FROM quota WHERE day = ?"
        rows = self._database.execute(query, (day,))
        return {name: Spent(entries=entries, size=size) for name, entries, size in rows}

    def _insert(self, found: Placement, start: int) -> None:
        numbered = list(enumerate(found.new, start=start))
        self._database.executemany(
            "INSERT INTO place VALUES (?, ?)",
            sorted((one.leaf_hash, index) for index, one in numbered),  # neighbours share a page
        )
        self._database.executemany(
            "INSERT INTO pending VALUES (?, ?)", [(index, one.entry) for index, one in numbered]
        )
        self._database.execute("UPDATE head SET sequenced = ?", (start + len(numbered),))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with _explained():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:  # SQLite itself goes back when the disk is full
                    self._database.execute("ROLLBACK")
                raise


@contextmanager
def _explained() -> Iterator[None]:
    """Say what the operator can do about a failure of the database."""
    try:
        yield
    except sqlite3.Error as error:
        full = error.sqlite_errorcode == sqlite3.SQLITE_FULL
        remedy = "free space on its disk" if full else "mend it or restore its newest copy"
        text = f"sequencing database: {error}; {remedy}, and start again"
        raise StorageError(text) from error

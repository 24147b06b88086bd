"""One chain in the file a monitor remembers in."""

import sqlite3

from transparency_log.entry import EntryKind
from transparency_log.monitor.chain import Head, Placed
from transparency_log.monitor.judge import Link


class Chain:
    """One chain: its head, and its numbers in the file. Made by `Book.chain`; a `chain.Numbers`."""

    def __init__(self, database: sqlite3.Connection, key: int, kind: EntryKind, name: str) -> None:
        self._database = database
        self.key = key
        self.kind = kind
        self.name = name
        self.head: Head | None = None
        self.index = 0
        self.length = 0
        self.entry = b""
        self.changed = False
        self._directories: dict[str, tuple[bytes, int]] = {}

    def placed(self, sequence: int) -> Placed | None:
        """See `chain.Numbers`."""
        row = self._database.execute(
            "SELECT idx, leaf, digest FROM number WHERE chain = ? AND sequence = ?",
            (self.key, sequence),
        ).fetchone()
        return None if row is None else Placed(index=row[0], leaf=row[1], digest=row[2])

    def place(self, sequence: int, placed: Placed) -> None:
        """See `chain.Numbers`."""
        self.length += 1
        self._database.execute(
            "INSERT INTO number VALUES (?, ?, ?, ?, ?)",
            (self.key, sequence, placed.index, placed.leaf, placed.digest),
        )

    def wraps(self, sequence: int, leaf: bytes) -> bool:
        """See `chain.Numbers`."""
        found = self._database.execute(
            "SELECT 1 FROM wrapped WHERE chain = ? AND sequence = ? AND leaf = ?"
            " UNION SELECT 1 FROM number WHERE chain = ? AND sequence = ? AND leaf = ?",
            (self.key, sequence, leaf) * 2,
        )
        return found.fetchone() is not None

    def wrap(self, sequence: int, leaf: bytes) -> None:
        """See `chain.Numbers`."""
        self._database.execute(
            "INSERT OR IGNORE INTO wrapped VALUES (?, ?, ?)", (self.key, sequence, leaf)
        )

    def advance(self, link: Link, entry: bytes) -> None:
        """Make an entry the head."""
        self.head = Head(sequence=link.sequence, leaf=link.leaf)
        self.index, self.entry, self.changed = link.index, entry, True
        for one in link.directories:
            if self._directory(one.model) != (one.root, one.size):
                self._database.execute(
                    "INSERT INTO directory VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (self.key, one.model, link.sequence, link.index, link.time, one.root, one.size),
                )
        self._directories = {one.model: (one.root, one.size) for one in link.directories}

    def first(self) -> int | None:
        """Give the lowest number there is; None: the chain is empty."""
        row = self._database.execute(
            "SELECT min(sequence) FROM number WHERE chain = ?", (self.key,)
        ).fetchone()
        return None if row[0] is None else int(row[0])

    def _directory(self, model: str) -> tuple[bytes, int] | None:
        """Give the newest directory of a model that is remembered."""
        if model in self._directories:
            return self._directories[model]
        row = self._database.execute(
            "SELECT root, size FROM directory WHERE chain = ? AND model = ?"
            " ORDER BY sequence DESC LIMIT 1",
            (self.key, model),
        ).fetchone()
        return None if row is None else (row[0], row[1])

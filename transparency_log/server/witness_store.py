"""What a witness must not forget: of each log the newest tree it cosigned, and proven forks.

One SQLite file. A change is durable before `decide` returns, so before any answer leaves: journal
mode DELETE with `synchronous = EXTRA`. A lost or older file would let a log roll back: it is never
made silently, and must never be restored from a backup.
"""

import hashlib
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Self

from transparency_log.add_checkpoint import Decision, WitnessState
from transparency_log.errors import ConfigurationError
from transparency_log.server.durable import sync_folder

logger = logging.getLogger(__name__)

VERSION = 1
"""Of the tables, kept as SQLite's `user_version`."""

SCHEMA = f"""
CREATE TABLE log (origin TEXT PRIMARY KEY, origin_hash TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
                  root BLOB NOT NULL, note BLOB NOT NULL, time INTEGER NOT NULL);
CREATE TABLE conflict (origin TEXT NOT NULL, first BLOB NOT NULL, second BLOB NOT NULL);
PRAGMA user_version = {VERSION};
"""

MAX_CONFLICTS = 16
"""Proofs of one log's forking that are kept; one is enough, and a fork should fill no disk."""


class WitnessStore:
    """State of a witness. Not thread-safe: one thread at a time."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    @classmethod
    def create(cls, path: Path) -> None:
        """Make the state of a witness that has seen nothing.

        Raises:
            ConfigurationError: there is a file already.
        """
        if path.exists():
            raise ConfigurationError(f"{path}: exists; a witness must not forget what it cosigned")
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as database:
            database.executescript(SCHEMA)
        sync_folder(path.parent)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the state.

        Raises:
            ConfigurationError: there is none, or none of this version.
        """
        if not path.is_file():
            raise ConfigurationError(f"{path}: missing; make it with `openpcc-witness init`")
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            if database.execute("PRAGMA user_version").fetchone() != (VERSION,):
                raise ConfigurationError(f"{path}: not the state of a witness of this version")
            database.execute("PRAGMA synchronous = EXTRA")  # durable also in journal mode DELETE
        except BaseException:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def decide(self, origin: str, judge: Callable[[WitnessState], Decision]) -> Decision:
        """Judge with the state of one log, and keep what follows before returning.

        Raises:
            sqlite3.Error: it could not be kept, and is not: the decision must not become known.
        """
        self._database.execute("BEGIN IMMEDIATE")
        try:
            state = self._state(origin)
            decision = judge(state)
            if decision.state is not None:
                self._keep(origin, decision.state)
            if decision.conflict is not None:
                self._keep_conflict(origin, state.note, decision.conflict)
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:  # a full disk may have ended it already
                self._database.execute("ROLLBACK")
            raise
        return decision

    def note(self, origin_hash: str) -> bytes | None:
        """Give the newest cosigned checkpoint of a log by the hash of its origin."""
        row = self._database.execute(
            "SELECT note FROM log WHERE origin_hash = ?", (origin_hash,)
        ).fetchone()
        return None if row is None else bytes(row[0])

    def conflicts(self, origin: str) -> list[tuple[bytes, bytes]]:
        """Give pairs of notes in which a log signed two trees of one size."""
        return self._database.execute(
            "SELECT first, second FROM conflict WHERE origin = ?", (origin,)
        ).fetchall()

    def _state(self, origin: str) -> WitnessState:
        row = self._database.execute(
            "SELECT size, root, note, time FROM log WHERE origin = ?", (origin,)
        ).fetchone()
        if row is None:
            return WitnessState()
        size, root, note, time = row
        return WitnessState(size=size, root=root, note=note, time=time)

    def _keep(self, origin: str, state: WitnessState) -> None:
        digest = hashlib.sha256(origin.encode()).hexdigest()
        self._database.execute(
            "INSERT OR REPLACE INTO log VALUES (?, ?, ?, ?, ?, ?)",
            (origin, digest, state.size, state.root, state.note, state.time),
        )

    def _keep_conflict(self, origin: str, first: bytes, second: bytes) -> None:
        kept = self.conflicts(origin)
        if (first, second) not in kept and len(kept) < MAX_CONFLICTS:
            logger.critical("a log has signed two trees of one size; both notes are kept")
            self._database.execute("INSERT INTO conflict VALUES (?, ?, ?)", (origin, first, second))

"""The file a monitor remembers in: tables, and taking it for one process."""

import sqlite3
from pathlib import Path

from transparency_log.errors import ConfigurationError

VERSION = 1
"""Of the tables below."""

SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE seen (size INTEGER PRIMARY KEY, time INTEGER NOT NULL);
CREATE TABLE chain (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, sequence INTEGER,
  leaf BLOB, idx INTEGER, entry BLOB, length INTEGER, UNIQUE (kind, name));
CREATE TABLE number (
  chain INTEGER, sequence INTEGER, idx INTEGER NOT NULL, leaf BLOB NOT NULL, digest BLOB NOT NULL,
  PRIMARY KEY (chain, sequence)) WITHOUT ROWID;
CREATE TABLE wrapped (
  chain INTEGER, sequence INTEGER, leaf BLOB, PRIMARY KEY (chain, sequence, leaf)) WITHOUT ROWID;
CREATE TABLE release (
  leaf BLOB PRIMARY KEY, digest BLOB NOT NULL, idx INTEGER NOT NULL, expires INTEGER NOT NULL,
  entry BLOB NOT NULL);
CREATE INDEX release_payload ON release (digest, idx);
CREATE TABLE revoked (release BLOB PRIMARY KEY, sequence INTEGER NOT NULL);
CREATE TABLE rotation (
  idx INTEGER PRIMARY KEY, role TEXT NOT NULL, name TEXT NOT NULL, stage TEXT NOT NULL,
  not_before INTEGER NOT NULL);
CREATE TABLE directory (
  chain INTEGER, model TEXT, sequence INTEGER, idx INTEGER NOT NULL, time INTEGER NOT NULL,
  root BLOB NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (chain, model, sequence)) WITHOUT ROWID;
CREATE TABLE fault (
  kind TEXT, chain TEXT, sequence INTEGER, digest BLOB, idx INTEGER NOT NULL,
  text TEXT NOT NULL, other INTEGER,
  PRIMARY KEY (kind, chain, sequence, digest)) WITHOUT ROWID;
"""
TABLES_OF_A_POLICY = (
    "chain", "number", "wrapped", "release", "revoked", "rotation", "directory", "fault",
)  # fmt: skip


def connect(path: Path | None) -> sqlite3.Connection:
    """Open or make the file, for this process alone; None: one in memory.

    Raises:
        ConfigurationError: it is of another version.
    """
    database = sqlite3.connect(":memory:" if path is None else path, timeout=1)
    # Nobody else may write between two of our transactions.
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("BEGIN EXCLUSIVE")
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        for statement in SCHEMA.split(";"):
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {VERSION}")
    elif version != VERSION:
        raise ConfigurationError(f"the state is of version {version}, not {VERSION}")
    database.commit()
    return database


def clear(database: sqlite3.Connection) -> None:
    """Forget what was found under a policy; which checkpoints were seen stays."""
    for table in TABLES_OF_A_POLICY:
        database.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours

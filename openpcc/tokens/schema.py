"""The wallet's file: tables, how it is made, and what is refused before it is touched.

    meta     id, service, protection ('keystore' or 'file')
    keys     issuer keys that rows are of; `gone`: since when no service entry lists it
    batches  what was asked of the issuer and has not come: one row a batch
    tokens   state 0: stock. 1: sent, for `request`, and asked back from `due` on

Rows are in the column `row`, digests of requests in `digest`, both closed by the vault; `request`
is the vault's name for one. What stands beside them in the clear is what the steps choose by: how
many tokens there are, of which issuer key, and from when on those of a request may be asked back.
It does not say which tokens these are, nor which request.
"""

import os
import re
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from openpcc import clock
from openpcc.errors import WalletError
from openpcc.token_settings import PROTECTIONS

VERSION = 1
APPLICATION = 0x4F504357  # "OPCW"

BUSY = 60.0
"""Seconds to wait for another process. Its steps take milliseconds, but for requests as large as
they may be: these are sealed within the step that takes their tokens, a second of work each."""

AGAIN = 0.05
"""Seconds between two tries of what SQLite does not wait for."""

TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    "CREATE TABLE keys (id BLOB PRIMARY KEY, spki BLOB NOT NULL, gone INTEGER) STRICT",
    "CREATE TABLE batches (id INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL, "
    "count INTEGER NOT NULL, created INTEGER NOT NULL, row BLOB NOT NULL) STRICT",
    "CREATE TABLE tokens (id INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL, "
    "state INTEGER NOT NULL, request BLOB, digest BLOB, due INTEGER, row BLOB NOT NULL) STRICT",
    "CREATE INDEX stock ON tokens (state, id)",
    "CREATE INDEX requests ON tokens (request) WHERE request IS NOT NULL",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)

DAMAGED = "damaged; restore it, or move it away (its tokens are lost)"

REASONS = {
    sqlite3.SQLITE_BUSY: ("busy", "another process keeps it locked; end it and try again"),
    sqlite3.SQLITE_LOCKED: ("busy", "another process keeps it locked; end it and try again"),
    sqlite3.SQLITE_FULL: ("full", "the disk is full; make room and try again"),
    sqlite3.SQLITE_CORRUPT: ("damaged", DAMAGED),
    sqlite3.SQLITE_NOTADB: ("damaged", "not a wallet; restore it, or move it away"),
    sqlite3.SQLITE_READONLY: (
        "permissions",
        "cannot be written; check the modes of file and folder",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "permissions",
        "cannot be opened; check the modes of file and folder",
    ),
    sqlite3.SQLITE_PERM: ("permissions", "cannot be opened; check the modes of file and folder"),
}
"""What SQLite's primary result codes mean for a user: our code, and words with the remedy."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file; it must exist and be nobody else's.

    Raises:
        WalletError, sqlite3.Error: it cannot be used.
    """
    check_modes(path)
    db = sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False)
    try:
        # A commit that was reported is on the disk: a batch must not be posted and then forgotten.
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA secure_delete = ON")
        db.execute("PRAGMA temp_store = MEMORY")
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute("PRAGMA cell_size_check = ON")
        is_new(db)  # what is no wallet is not changed
        if not _write_ahead(db):
            raise WalletError(
                "unusable", f"{path}: its file system has no shared memory; set 'state' elsewhere"
            )
    except BaseException:
        db.close()
        raise
    return db


def _write_ahead(db: sqlite3.Connection) -> bool:
    """Have SQLite keep a log beside the file; for that step it does not always wait by itself."""
    until = clock.ticks() + BUSY
    while True:
        try:
            return bool(db.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",))
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or clock.ticks() > until:
                raise
        time.sleep(AGAIN)


def prepare(path: Path) -> None:
    """Make an empty file of the right mode, if there is none; SQLite gives its own files that mode.

    Raises:
        WalletError: the folder cannot be used.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        reason = error.strerror or "unusable"
        raise WalletError(
            "permissions", f"{path}: cannot be made ({reason}); set 'state'"
        ) from error


def check_modes(path: Path) -> None:
    """Refuse a wallet that others can read or replace.

    Raises:
        WalletError: `permissions`, with what to do.
    """
    try:
        file, folder = path.lstat(), path.parent.stat()
    except OSError as error:
        reason = error.strerror or "unusable"
        raise WalletError("permissions", f"{path}: cannot be opened ({reason})") from error
    if not stat.S_ISREG(file.st_mode) or file.st_uid != os.geteuid():
        raise WalletError("permissions", f"{path}: not a file of this user; move it away")
    if stat.S_IMODE(file.st_mode) & 0o077:
        raise WalletError("permissions", f"{path}: others can read it; run: chmod 600 {path}")
    if stat.S_IMODE(folder.st_mode) & 0o022 or folder.st_uid not in (os.geteuid(), 0):
        raise WalletError(
            "permissions", f"{path.parent}: others can write it; run: chmod 700 {path.parent}"
        )


def is_new(db: sqlite3.Connection) -> bool:
    """Say whether there is nothing in the file yet.

    Raises:
        WalletError: `newer`: of a later version. `damaged`: no wallet.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if (version, application, tables) == (0, 0, 0):
        return True
    if application != APPLICATION:
        raise WalletError("damaged", "the file is no wallet; move it away")
    if version > VERSION:
        raise WalletError("newer", "made by a newer openpcc; use that one")
    return False


@dataclass(frozen=True, kw_only=True)
class Meta:
    """What a wallet says of itself.

    Attributes:
        id: 32 hex digits, drawn when it was made; the name of its key in the keystore.
        service: whose tokens these are.
        protection: `keystore` or `file`.
    """

    id: str
    service: str
    protection: str


def make(db: sqlite3.Connection, meta: Meta) -> None:
    """Make the tables, inside the caller's transaction."""
    for statement in TABLES:
        db.execute(statement)
    db.executemany("INSERT INTO meta VALUES (?, ?)", vars(meta).items())


def read_meta(db: sqlite3.Connection) -> Meta:
    """Read what the wallet says of itself.

    Raises:
        WalletError: `damaged`: it does not.
    """
    found = dict(db.execute("SELECT name, value FROM meta").fetchall())
    if found.keys() != {"id", "service", "protection"}:
        raise WalletError("damaged", DAMAGED)
    meta = Meta(**found)
    if not re.fullmatch(r"[0-9a-f]{32}", meta.id) or meta.protection not in PROTECTIONS:
        raise WalletError("damaged", DAMAGED)
    return meta


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
        code, text = REASONS.get(primary, ("unusable", "cannot be used; check the disk"))
        raise WalletError(code, f"{path}: {text}") from error

"""Accounts in a SQLite file: for issuers that run on one machine.

Several processes may have it open; a transaction that writes waits for the one before it.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

from gateway.errors import ConfigurationError
from gateway.issuer.accounts import TABLES, Accounts
from gateway.issuer.errors import AccountsError

WAIT = 5.0
"""Seconds that a transaction may wait for another one."""

SETTINGS = (
    "PRAGMA synchronous = FULL",  # a charge that was answered must outlive a power failure
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",  # what is forgotten leaves no bytes in free pages
)

TYPES = {
    "identity": "INTEGER PRIMARY KEY",
    "text": "TEXT",
    "bytes": "BLOB",
    "integer": "INTEGER",
    "unordered": " WITHOUT ROWID",  # a row's number would tell when it came
}


class SqliteAccounts(Accounts):
    """See `Accounts`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def create(cls, path: Path) -> None:
        """Make the tables, in a file of mode 0600.

        Raises:
            ConfigurationError: there is a file already, or none can be made here.
            AccountsError: it cannot be written.
        """
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            raise ConfigurationError(f"{path}: {error.strerror}; name a new file") from error
        with _explained(), closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(";".join(["BEGIN", *_tables(), "COMMIT"]))

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the tables.

        Raises:
            ConfigurationError: there are none.
            AccountsError: they cannot be read.
        """
        if not path.is_file():
            raise ConfigurationError(f"{path}: no database; make one with `openpcc-issuer init`")
        with _explained():
            connection = sqlite3.connect(
                path, timeout=WAIT, isolation_level=None, check_same_thread=False
            )
            for setting in SETTINGS:
                connection.execute(setting)
        return cls(connection)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """See `Accounts`."""
        found: list[tuple[Any, ...]] = self._connection.execute(statement, values).fetchall()
        return found

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `Accounts`."""
        with _explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite goes back itself if the disk is full
                    self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """See `Accounts`."""
        self._connection.close()


def _tables() -> list[str]:
    return [table.format(**TYPES) for table in TABLES]


@contextmanager
def _explained() -> Iterator[None]:
    """Say what failed without the values that a statement had."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", None) or type(error).__name__
        raise AccountsError(
            f"the accounts database failed ({name}): see its disk, file and owner"
        ) from error

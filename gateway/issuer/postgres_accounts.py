"""Accounts in PostgreSQL: for issuers on several machines.

The tables lie in the schema that the connection string selects. Transactions that charge one
account wait for each other at its row; those of two accounts do not meet.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

import psycopg

import transparency_log.errors
from gateway.errors import ConfigurationError
from gateway.issuer.accounts import TABLES, Accounts
from gateway.issuer.errors import AccountsError
from transparency_log.server.secret_files import read_dsn

CONNECT_SECONDS = 5
"""How long a server may take to let us in."""

SILENCE_MS = 10_000
"""How long a server may be silent, or work on one statement, before the connection is given up."""

TYPES = {
    "identity": "bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY",
    "text": "text",
    "bytes": "bytea",
    "integer": "bigint",
    "unordered": "",
}


class PostgresAccounts(Accounts):
    """See `Accounts`."""

    lock = " FOR UPDATE"

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    @classmethod
    def create(cls, dsn: Path) -> None:
        """Make the tables.

        Raises:
            ConfigurationError: there are some already, or the database does not let us in.
            AccountsError: it fails.
        """
        with closing(_connect(dsn)) as connection, _explained(), connection.transaction():
            if _made(connection):
                raise ConfigurationError(f"{dsn}: its schema holds an issuer already; keep it")
            for table in TABLES:
                connection.execute(table.format(**TYPES).encode())

    @classmethod
    def open(cls, dsn: Path) -> Self:
        """Open the tables.

        Raises:
            ConfigurationError: there are none, the database does not let us in, or it does not
                make commits durable.
            AccountsError: it fails.
        """
        connection = _connect(dsn)
        try:
            with _explained():
                _check_durable(connection, dsn)
                if not _made(connection):
                    raise ConfigurationError(
                        f"{dsn}: no issuer here; make one with `openpcc-issuer init`"
                    )
        except BaseException:
            connection.close()
            raise
        return cls(connection)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """See `Accounts`."""
        cursor = self._connection.execute(statement.replace("?", "%s").encode(), values)
        return cursor.fetchall() if cursor.description else []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `Accounts`."""
        with _explained(), self._connection.transaction():
            yield

    def close(self) -> None:
        """See `Accounts`."""
        self._connection.close()


def _connect(dsn: Path) -> psycopg.Connection:
    try:
        return psycopg.connect(
            read_dsn(dsn),
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            tcp_user_timeout=SILENCE_MS,
            keepalives_idle=10,  # seconds: a server that is gone says nothing
            keepalives_interval=5,
            keepalives_count=4,
            application_name="openpcc-issuer",
        )
    except transparency_log.errors.ConfigurationError as error:
        raise ConfigurationError(str(error)) from error
    except psycopg.Error as error:
        raise ConfigurationError(
            f"{dsn}: PostgreSQL does not let us in ({_reason(error)}); try the same with psql"
        ) from error


def _made(connection: psycopg.Connection) -> bool:
    return connection.execute("SELECT to_regclass('issuer_account')").fetchone() != (None,)


def _check_durable(connection: psycopg.Connection, dsn: Path) -> None:
    """Refuse a server that forgets charges, and fix what it promises for this session."""
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
        if row in (None, ("off",)):
            raise ConfigurationError(f"{dsn}: {name} is off on this server; switch it on")
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED  # what the row lock needs
    connection.execute(
        "SELECT set_config('synchronous_commit', current_setting('synchronous_commit'), false), "
        "set_config('statement_timeout', %s, false)",
        (str(SILENCE_MS),),
    )


def _reason(error: psycopg.Error) -> str:
    return error.sqlstate or type(error).__name__


@contextmanager
def _explained() -> Iterator[None]:
    """Say what failed, without the address, user and values that the driver's texts name."""
    try:
        yield
    except psycopg.Error as error:
        raise AccountsError(f"PostgreSQL failed ({_reason(error)}): see its log") from error

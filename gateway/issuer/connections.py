"""Connections to the accounts database, shared by the threads of one issuer.

A connection that failed is closed, and with it all idle ones: after a restart of the database they
are all broken, and each would cost somebody an answer.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.errors import ConfigurationError
from gateway.issuer.accounts import Accounts
from gateway.issuer.config import DatabaseConfig
from gateway.issuer.errors import AccountsError
from gateway.issuer.sqlite_accounts import SqliteAccounts


def create_accounts(config: DatabaseConfig) -> None:
    """Make the tables of a new issuer.

    Raises:
        ConfigurationError: there are some, or the database cannot be reached.
        AccountsError: it fails.
    """
    if config.path is not None:
        SqliteAccounts.create(config.path)
    elif config.dsn is not None:
        from gateway.issuer.postgres_accounts import PostgresAccounts

        PostgresAccounts.create(config.dsn)


def open_accounts(config: DatabaseConfig) -> Accounts:
    """Open the tables.

    Raises:
        ConfigurationError: there are none, or the database cannot be reached.
        AccountsError: it fails.
    """
    if config.path is not None:
        return SqliteAccounts.open(config.path)
    if config.dsn is not None:
        from gateway.issuer.postgres_accounts import PostgresAccounts

        return PostgresAccounts.open(config.dsn)
    raise ConfigurationError("database: neither path nor dsn")


class Connections:
    """Opens connections as they are needed; as many as threads work at one time."""

    def __init__(self, connect: Callable[[], Accounts]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._idle: list[Accounts] = []

    @contextmanager
    def use(self) -> Iterator[Accounts]:
        """Lend a connection to one thread.

        Raises:
            AccountsError: the database does not let us in, or fails in the block.
        """
        connection = self._take()
        try:
            yield connection
        except AccountsError:
            connection.close()
            self.close()
            raise
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.append(connection)

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> Accounts:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        try:
            return self._connect()
        except ConfigurationError as error:  # it was right at the start: the database has gone
            raise AccountsError(str(error)) from error

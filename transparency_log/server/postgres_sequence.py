"""The sequencing table in PostgreSQL: for a log that must outlive its machine.

Two things keep a second process out. A session lock keeps it from starting while the first one is
connected. And each start raises the `epoch` that every transaction asks for, so that a process that
has lost its connection, and with it the lock, can change nothing any more: its log stops (exit
code 1), and whoever supervises it starts it again.

Nothing is retried here. Whether a transaction whose answer was lost has happened, the next start
finds out from the table. The tables lie in the schema that the connection string selects, which
belongs to one log.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Self

import psycopg

from transparency_log.errors import ConfigurationError, StorageError
from transparency_log.merkle import EMPTY_ROOT
from transparency_log.server.secret_files import read_dsn
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

SCHEMA = (
    "CREATE TABLE place (leaf_hash bytea PRIMARY KEY, position bigint NOT NULL)",
    "CREATE TABLE pending (position bigint PRIMARY KEY, data bytea NOT NULL)",
    "ALTER TABLE pending ALTER data SET STORAGE EXTERNAL",  # not compressed: it goes in a second
    "CREATE TABLE quota (day bigint, publisher text, entries bigint NOT NULL, "
    "bytes bigint NOT NULL, PRIMARY KEY (day, publisher))",
    "CREATE TABLE head (lone integer PRIMARY KEY CHECK (lone = 0), epoch bigint NOT NULL, "
    "sequenced bigint NOT NULL, tiled bigint NOT NULL, size bigint NOT NULL, root bytea NOT NULL)",
)
"""`pending` holds the entries that do not stand in a durable bundle yet."""

LOCK = "SELECT pg_try_advisory_lock((%s::bigint << 32) | 'head'::regclass::oid::bigint)"
"""One lock for each `head` table of the database."""

LOCK_CLASS = 0x6F706363
"""Sets the locks of logs apart from those of others: "opcc"."""

LOCK_SECONDS = 5.0
"""How long the lock may stay taken: a server notices the end of a killed log a little later."""

LOCK_PAUSE = 0.1
"""Seconds between two tries."""

CONNECT_SECONDS = 10
"""How long a server may take to let us in."""

SILENCE_MS = 30_000
"""How long a server may be silent, or work on one statement, before the connection is given up."""


SESSION = {
    "synchronous_commit": None,  # as it is now, whatever the server is told later
    "statement_timeout": str(SILENCE_MS),
    "tcp_keepalives_idle": "10",  # a server that misses our end would keep the lock for hours
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "4",
}
"""Settings of our session; None fixes the value that the server gives."""


class PostgresSequence:
    """A `SequenceTable` in a PostgreSQL database."""

    def __init__(self, connection: psycopg.Connection, epoch: int) -> None:
        self._connection = connection
        self._epoch = epoch

    @classmethod
    def create(cls, dsn: Path) -> None:
        """Make the tables of an empty log.

        Raises:
            ConfigurationError: there are some already, or the database does not let us in.
            StorageError: it fails.
        """
        with closing(_connect(dsn)) as connection, _explained(), connection.transaction():
            if connection.execute("SELECT to_regclass('head')").fetchone() != (None,):
                raise ConfigurationError(f"{dsn}: its schema holds a log already; name another")
            for statement in SCHEMA:
                connection.execute(statement)
            connection.execute("INSERT INTO head VALUES (0, 0, 0, 0, 0, %s)", (EMPTY_ROOT,))

    @classmethod
    def open(cls, dsn: Path) -> Self:
        """Take the tables for this process.

        Raises:
            ConfigurationError: there are none, another process has them open, the database does
                not let us in, or it does not make commits durable.
            StorageError: it fails.
        """
        with ExitStack() as on_failure:
            connection = _connect(dsn)
            on_failure.callback(connection.close)
            with _explained():
                _check_durable(connection, dsn)
                if connection.execute("SELECT to_regclass('head')").fetchone() == (None,):
                    raise ConfigurationError(
                        f"{dsn}: no log here; make one with `openpcc-log init`"
                    )
                if not _locked(connection):
                    raise ConfigurationError(f"{dsn}: in use; stop the other openpcc-log")
                epoch = _take_over(connection)
            on_failure.pop_all()
        return cls(connection, epoch)

    def close(self) -> None:
        """See `SequenceTable`."""
        self._connection.close()

    def state(self) -> State:
        """See `SequenceTable`."""
        with self._transaction() as (_, state):
            return state

    def append(self, submissions: Sequence[Submission], *, size: int, day: int) -> list[int | None]:
        """See `SequenceTable`."""
        with self._transaction() as (connection, state):
            check_size(state, size)
            found = place(
                submissions,
                size=size,
                known=self._known([one.leaf_hash for one in submissions]),
                spent=self._spent(day),
            )
            self._insert(found, size)
            connection.execute("DELETE FROM quota WHERE day < %s", (day,))
            for name, one in found.spent.items():
                connection.execute(
                    "INSERT INTO quota VALUES (%s, %s, %s, %s) ON CONFLICT (day, publisher) "
                    "DO UPDATE SET entries = excluded.entries, bytes = excluded.bytes",
                    (day, name, one.entries, one.size),
                )
        return found.indexes

    def pending(self) -> list[bytes]:
        """See `SequenceTable`."""
        query = "SELECT data FROM pending WHERE position >= %s ORDER BY position"
        with self._transaction() as (connection, state):
            return [data for (data,) in connection.execute(query, (state.tiled,), binary=True)]

    def mark_tiled(self, size: int) -> None:
        """See `SequenceTable`."""
        with self._transaction() as (connection, _):
            connection.execute("UPDATE head SET tiled = %s", (size,))
            connection.execute("DELETE FROM pending WHERE position < %s", (size,))

    def record_head(self, head: Head) -> None:
        """See `SequenceTable`."""
        with self._transaction() as (connection, state):
            check_successor(state.head, head)
            if head != state.head:
                connection.execute("UPDATE head SET size = %s, root = %s", (head.size, head.root))

    def _known(self, leaves: list[bytes]) -> dict[bytes, int]:
        query = "SELECT leaf_hash, position FROM place WHERE leaf_hash = ANY(%b::bytea[])"
        rows = self._connection.execute(query, (leaves,), binary=True)
        return {bytes(leaf): position for leaf, position in rows}

    def _spent(self, day: int) -> dict[str, Spent]:
        query = "SELECT publisher, entries, bytes FROM quota WHERE day = %s"
        rows = self._connection.execute(query, (day,))
        return {name: Spent(entries=entries, size=size) for name, entries, size in rows}

    def _insert(self, found: Placement, start: int) -> None:
        positions = list(range(start, start + len(found.new)))
        for statement, values in (
            (
                "INSERT INTO place SELECT * FROM unnest(%b::bytea[], %b::bigint[])",
                ([one.leaf_hash for one in found.new], positions),
            ),
            (
                "INSERT INTO pending SELECT * FROM unnest(%b::bigint[], %b::bytea[])",
                (positions, [one.entry for one in found.new]),
            ),
        ):
            self._connection.execute(statement, values)
        self._connection.execute("UPDATE head SET sequenced = %s", (start + len(found.new),))

    @contextmanager
    def _transaction(self) -> Iterator[tuple[psycopg.Connection, State]]:
        """Begin with what is there, provided that no other process has taken over.

        The row stays locked, so that none can take over before the transaction ends.
        """
        query = "SELECT sequenced, tiled, size, root FROM head WHERE epoch = %s FOR UPDATE"
        with _explained(), self._connection.transaction():
            row = self._connection.execute(query, (self._epoch,), binary=True).fetchone()
            if row is None:
                raise StorageError("another openpcc-log took this log over; run one of them")
            sequenced, tiled, size, root = row
            head = Head(size=size, root=bytes(root))
            yield self._connection, State(sequenced=sequenced, tiled=tiled, head=head)


def _connect(dsn: Path) -> psycopg.Connection:
    try:
        return psycopg.connect(
            read_dsn(dsn),
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            tcp_user_timeout=SILENCE_MS,  # while it acknowledges nothing
            keepalives_idle=10,  # and while we wait: seconds, a server that is gone says nothing
            keepalives_interval=5,
            keepalives_count=4,
            application_name="openpcc-log",
        )
    except psycopg.Error as error:
        reason = type(error).__name__ if error.sqlstate is None else error.sqlstate
        raise ConfigurationError(
            f"{dsn}: PostgreSQL does not let us in ({reason}); try the same with psql"
        ) from error


def _check_durable(connection: psycopg.Connection, dsn: Path) -> None:
    """Refuse a server that forgets: an index given twice would be a second history."""
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
        if row in (None, ("off",)):
            raise ConfigurationError(f"{dsn}: {name} is off on this server; switch it on")
    for name, value in SESSION.items():
        connection.execute(
            "SELECT set_config(%s, coalesce(%s, current_setting(%s)), false)", (name, value, name)
        )


def _locked(connection: psycopg.Connection) -> bool:
    """Take the lock, unless another session keeps it."""
    end = time.monotonic() + LOCK_SECONDS
    while connection.execute(LOCK, (LOCK_CLASS,)).fetchone() != (True,):
        if time.monotonic() > end:
            return False
        time.sleep(LOCK_PAUSE)
    return True


def _take_over(connection: psycopg.Connection) -> int:
    """Shut out every process that had the tables before."""
    row = connection.execute("UPDATE head SET epoch = epoch + 1 RETURNING epoch").fetchone()
    if row is None:
        raise StorageError("the head of the log is missing; restore the database's newest state")
    return int(row[0])


@contextmanager
def _explained() -> Iterator[None]:
    """Say what the operator can do about a failure, without the address and user it names."""
    try:
        yield
    except psycopg.Error as error:
        state = error.sqlstate or "connection lost"
        raise StorageError(f"PostgreSQL ({state}): mend it, and start again") from error

"""What every sequencing table promises (`server/sequence.py`); SQLite and PostgreSQL, for real."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transparency_log.server.logs import (
    DAY,
    ENTRIES,
    postgres_config,
    root,
    submission,
    submissions,
)
from tests.transparency_log.server.postgres_server import PostgresServer
from transparency_log.errors import ConfigurationError, StorageError
from transparency_log.merkle import EMPTY_ROOT
from transparency_log.server import postgres_sequence
from transparency_log.server.postgres_sequence import PostgresSequence
from transparency_log.server.sequence import (
    Account,
    Head,
    SequenceTable,
    Spent,
    State,
    Submission,
    place,
)
from transparency_log.server.sqlite_sequence import SqliteSequence
from transparency_log.server.storage_config import PostgresConfig, SequenceConfig

SMALL = Account(name="small", entries_per_day=3, bytes_per_day=100)
OTHER = Account(name="other", entries_per_day=100, bytes_per_day=10)

Open = Callable[[], SequenceTable]


@pytest.fixture
def open_table(sequence_config: SequenceConfig) -> Iterator[Open]:
    """Make the table of an empty log; gives what opens it, after closing it if it is open."""
    if isinstance(sequence_config, PostgresConfig):
        PostgresSequence.create(sequence_config.dsn)
    else:
        SqliteSequence.create(sequence_config.path)
    with ExitStack() as stack:

        def opened() -> SequenceTable:
            stack.close()
            if isinstance(sequence_config, PostgresConfig):
                table: SequenceTable = PostgresSequence.open(sequence_config.dsn)
            else:
                table = SqliteSequence.open(sequence_config.path)
            stack.callback(table.close)
            return table

        yield opened


def test_begins_empty(open_table: Open) -> None:
    table = open_table()
    assert table.state() == State(sequenced=0, tiled=0, head=Head(size=0, root=EMPTY_ROOT))
    assert table.pending() == []


def test_keeps_everything(open_table: Open) -> None:
    assert append(open_table(), submissions(ENTRIES[:5])) == [0, 1, 2, 3, 4]
    assert open_table().pending() == ENTRIES[:5]
    open_table().mark_tiled(3)
    assert open_table().pending() == ENTRIES[3:5]
    open_table().record_head(Head(size=3, root=root(3)))
    state = open_table().state()
    assert state == State(sequenced=5, tiled=3, head=Head(size=3, root=root(3)))
    assert append(open_table(), submissions(ENTRIES[4:6])) == [4, 5]


def test_takes_any_bytes(open_table: Open) -> None:
    table = open_table()
    entries = [b"", b"\0" * 65535, bytes(range(256)), b"\\x00", "\u2028'\"".encode()]
    assert append(table, submissions(entries)) == [0, 1, 2, 3, 4]
    assert table.pending() == entries
    assert append(table, submissions(entries[::-1])) == [4, 3, 2, 1, 0]


def test_quota_of_entries_holds_through_a_restart(open_table: Open) -> None:
    first = submissions(ENTRIES[:2], SMALL)
    assert append(open_table(), first) == [0, 1]
    more = submissions(ENTRIES[:5], SMALL)
    assert append(open_table(), more) == [0, 1, 2, None, None]
    assert append(open_table(), more, day=DAY + 1) == [0, 1, 2, 3, 4]


def test_quota_of_bytes_holds(open_table: Open) -> None:
    table = open_table()
    entries = [b"123456", b"12345", b"1234", b"1"]
    assert append(table, submissions(entries, OTHER)) == [0, None, 1, None]


def test_quotas_are_each_publishers_own(open_table: Open) -> None:
    table = open_table()
    mixed = [submission(entry, SMALL) for entry in ENTRIES[:4]] + submissions(ENTRIES[3:5], OTHER)
    assert append(table, mixed) == [0, 1, 2, None, 3, 4]
    assert append(table, [submission(ENTRIES[3], SMALL)]) == [3]


def test_signed_head_never_goes_back(open_table: Open) -> None:
    open_table().record_head(Head(size=10, root=root(10)))
    table = open_table()
    table.record_head(Head(size=10, root=root(10)))
    for head in (Head(size=9, root=root(9)), Head(size=10, root=bytes(32))):
        with pytest.raises(StorageError, match="already signed"):
            table.record_head(head)
    assert table.state().head == Head(size=10, root=root(10))


def test_table_that_is_not_as_the_log_left_it_gives_no_index(open_table: Open) -> None:
    table = open_table()
    append(table, submissions(ENTRIES[:5]))
    for size in (0, 4, 6):
        with pytest.raises(StorageError, match="newest table"):
            table.append(submissions(ENTRIES[5:6]), size=size, day=DAY)
    assert table.state().sequenced == 5


@given(
    st.lists(st.tuples(st.sampled_from(ENTRIES[:8]), st.sampled_from([SMALL, OTHER])), max_size=30)
)
def test_placing_gives_each_entry_one_index_and_no_gap(
    batch: list[tuple[bytes, Account]],
) -> None:
    found = place(
        [submission(entry, account) for entry, account in batch], size=7, known={}, spent={}
    )
    places: dict[bytes, int] = {}
    for (entry, _), index in zip(batch, found.indexes, strict=True):
        if index is not None:
            assert places.setdefault(entry, index) == index
    assert sorted(places.values()) == list(range(7, 7 + len(found.new)))
    assert [places[one.entry] for one in found.new] == list(range(7, 7 + len(found.new)))
    for account in (SMALL, OTHER):
        charged = [one.entry for one in found.new if one.account == account]
        used = found.spent.get(account.name, Spent())
        assert used == Spent(entries=len(charged), size=sum(map(len, charged)))
        assert used.within(account)


def test_sqlite_says_that_the_disk_is_full_and_forgets_nothing(tmp_path: Path) -> None:
    SqliteSequence.create(tmp_path / "sequence.db")
    table = SqliteSequence.open(tmp_path / "sequence.db")
    append(table, submissions(ENTRIES[:5]))
    table._database.execute("PRAGMA max_page_count = 20")  # the disk's last page
    with pytest.raises(StorageError, match="full; free space"):
        append(table, [submission(bytes([number]) * 60_000) for number in range(5)])
    assert table.state().sequenced == 5
    table.close()
    again = SqliteSequence.open(tmp_path / "sequence.db")
    assert again.pending() == ENTRIES[:5]
    again.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "sequence.db").write_bytes(b"not a database at all" * 400)
    with pytest.raises(StorageError, match="sequencing database"):
        SqliteSequence.open(tmp_path / "sequence.db")


@pytest.fixture
def dsn(postgres: PostgresServer, tmp_path: Path) -> Path:
    """The connection string of an empty log in PostgreSQL."""
    config = postgres_config(postgres, tmp_path / "log.dsn")
    PostgresSequence.create(config.dsn)
    return config.dsn


@pytest.fixture
def tables(dsn: Path) -> Iterator[Callable[[], PostgresSequence]]:
    """Opens tables, and closes them at the end."""
    with ExitStack() as stack:

        def opened() -> PostgresSequence:
            table = PostgresSequence.open(dsn)
            stack.callback(table.close)
            return table

        yield opened


def append(
    table: SequenceTable, submitted: Sequence[Submission], *, day: int = DAY
) -> list[int | None]:
    """Append to whatever is there."""
    return table.append(submitted, size=table.state().sequenced, day=day)


def attempts(table: SequenceTable) -> Iterator[Callable[[], object]]:
    """Give everything that a process may try with a table."""
    yield table.state
    yield lambda: table.append(submissions(ENTRIES[5:6]), size=1, day=DAY)
    yield table.pending
    yield lambda: table.mark_tiled(1)
    yield lambda: table.record_head(Head(size=1, root=root(1)))


def test_process_that_lost_its_connection_writes_nothing_more(
    dsn: Path, tables: Callable[[], PostgresSequence]
) -> None:
    first = tables()
    append(first, submissions(ENTRIES[:1]))
    with psycopg.connect(dsn.read_text(), autocommit=True) as server:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'openpcc-log'"
        )
    for attempt in attempts(first):
        with pytest.raises(StorageError, match="start again"):
            attempt()
    assert tables().state().sequenced == 1


def test_a_start_waits_for_the_end_of_a_killed_one_to_be_noticed(
    tables: Callable[[], PostgresSequence],
) -> None:
    first = tables()
    ending = threading.Timer(1.0, first.close)
    ending.start()
    assert tables().state().sequenced == 0
    ending.join()


def test_process_that_lost_its_lock_alone_writes_nothing_more(
    tables: Callable[[], PostgresSequence],
) -> None:
    first = tables()
    with pytest.raises(ConfigurationError, match="in use"):
        tables()
    first._connection.execute("SELECT pg_advisory_unlock_all()")  # as a pooler might, or a failover
    second = tables()
    for attempt in attempts(first):
        with pytest.raises(StorageError, match="another openpcc-log took"):
            attempt()
    assert append(second, submissions(ENTRIES[:2])) == [0, 1]


def test_nobody_takes_over_in_the_middle_of_a_transaction(
    tables: Callable[[], PostgresSequence], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tables()
    first._connection.execute("SELECT pg_advisory_unlock_all()")
    monkeypatch.setitem(postgres_sequence.SESSION, "statement_timeout", "200")
    with first._transaction(), pytest.raises(StorageError, match="57014"):  # waited in vain
        tables()
    assert append(first, submissions(ENTRIES[:1])) == [0]


def test_database_that_does_not_keep_commits_is_refused(dsn: Path) -> None:
    text = dsn.read_text().strip()
    dsn.write_text(text.replace("options='", "options='-c synchronous_commit=off "))
    with pytest.raises(ConfigurationError, match="synchronous_commit is off"):
        PostgresSequence.open(dsn)


@pytest.mark.parametrize(
    "text",
    ["host=/nowhere dbname=x password=hidden", "postgresql://user:hidden@127.0.0.1:1/x", "?"],
)
def test_database_that_is_not_there_is_named_without_its_password(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "log.dsn"
    path.touch(mode=0o600)
    path.write_text(text)
    for use in (PostgresSequence.open, PostgresSequence.create):
        with pytest.raises(ConfigurationError, match=r"log\.dsn") as refused:
            use(path)
        assert "hidden" not in str(refused.value)


def test_secret_connection_string_is_not_for_others(dsn: Path) -> None:
    dsn.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        PostgresSequence.open(dsn)

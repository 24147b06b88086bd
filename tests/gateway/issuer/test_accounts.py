"""Accounts, quotas and charged batches, on a real SQLite file and a real PostgreSQL."""

import hashlib
import multiprocessing
import os
import stat
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from gateway.errors import ConfigurationError
from gateway.issuer.accounts import Accounts, Batch, Charge
from gateway.issuer.config import DatabaseConfig
from gateway.issuer.connections import Connections, create_accounts, open_accounts
from gateway.issuer.errors import AccountsError
from tests.transparency_log.server.postgres_server import PostgresServer

KEY = hashlib.sha256(b"key").digest()


def batch(name: str, count: int = 64, key_id: bytes = KEY) -> Batch:
    return Batch(digest=hashlib.sha256(name.encode()).digest(), key_id=key_id, count=count)


@pytest.fixture
def accounts(database: DatabaseConfig) -> Iterator[Accounts]:
    with closing(open_accounts(database)) as found:
        yield found


@pytest.fixture
def alice(accounts: Accounts) -> int:
    accounts.add("alice", b"a" * 32, quota=None, day=10)
    return numbered(accounts, b"a" * 32)


def numbered(accounts: Accounts, credential: bytes) -> int:
    found = accounts.find(credential)
    assert found is not None
    return found.id


def test_an_account_is_found_by_its_credential_alone(accounts: Accounts, alice: int) -> None:
    found = accounts.find(b"a" * 32)
    assert found is not None
    assert (found.id, found.name, found.quota, found.added) == (alice, "alice", None, 10)
    assert accounts.find(b"b" * 32) is None
    assert accounts.find(b"alice") is None


def test_neither_name_nor_credential_is_given_twice(accounts: Accounts, alice: int) -> None:
    for name, credential in (("alice", b"b"), ("bob", b"a")):
        with pytest.raises(ConfigurationError, match="there is an account"):
            accounts.add(name, credential * 32, quota=None, day=10)
    assert [one.name for one in accounts.all()] == ["alice"]


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", "é", "a" * 65, "a\n", "oidc-1"])
def test_a_name_is_one_word_that_shows_what_it_is(accounts: Accounts, name: str) -> None:
    with pytest.raises(ConfigurationError, match="name:"):
        accounts.add(name, b"b" * 32, quota=None, day=10)


def test_a_batch_is_charged_once_however_often_it_comes(accounts: Accounts, alice: int) -> None:
    said = [accounts.charge(alice, batch("one"), day=10, quota=100) for _ in range(3)]
    assert said == [Charge.CHARGED, Charge.AGAIN, Charge.AGAIN]
    assert [(one.name, one.day, one.tokens, one.batches) for one in usage(accounts)] == [
        ("alice", 10, 64, 1)
    ]


def usage(accounts: Accounts, first: int = 0, last: int = 99):
    return accounts.usage(first=first, last=last)


def test_one_bit_of_a_batch_makes_it_another(accounts: Accounts, alice: int) -> None:
    one = batch("one", 1)
    other = Batch(digest=one.digest[:-1] + b"\0", key_id=one.key_id, count=1)
    for each in (one, other):
        assert accounts.charge(alice, each, day=10, quota=2) is Charge.CHARGED


def test_what_was_charged_yesterday_is_not_charged_today(accounts: Accounts, alice: int) -> None:
    assert accounts.charge(alice, batch("one"), day=10, quota=64) is Charge.CHARGED
    assert accounts.charge(alice, batch("one"), day=11, quota=64) is Charge.AGAIN
    assert [one.day for one in usage(accounts)] == [10]


def test_a_quota_is_reached_and_never_passed(accounts: Accounts, alice: int) -> None:
    assert accounts.charge(alice, batch("one", 64), day=10, quota=100) is Charge.CHARGED
    assert accounts.charge(alice, batch("two", 37), day=10, quota=100) is Charge.QUOTA
    assert accounts.charge(alice, batch("three", 36), day=10, quota=100) is Charge.CHARGED
    assert accounts.charge(alice, batch("four", 1), day=10, quota=100) is Charge.QUOTA
    assert accounts.charge(alice, batch("one", 64), day=10, quota=100) is Charge.AGAIN
    assert accounts.charge(alice, batch("four", 1), day=11, quota=100) is Charge.CHARGED
    assert [(one.day, one.tokens) for one in usage(accounts)] == [(10, 100), (11, 1)]


def test_what_was_over_the_quota_was_not_charged_and_may_come_again(
    accounts: Accounts, alice: int
) -> None:
    assert accounts.charge(alice, batch("one"), day=10, quota=63) is Charge.QUOTA
    assert usage(accounts) == []
    assert accounts.charge(alice, batch("one"), day=10, quota=64) is Charge.CHARGED


def test_a_quota_of_its_own_counts_instead(accounts: Accounts, alice: int) -> None:
    accounts.set_quota("alice", 0)
    assert accounts.charge(alice, batch("one"), day=10, quota=100) is Charge.QUOTA
    accounts.set_quota("alice", 64)
    assert accounts.charge(alice, batch("one"), day=10, quota=1) is Charge.CHARGED
    accounts.set_quota("alice", None)
    assert accounts.charge(alice, batch("two"), day=10, quota=128) is Charge.CHARGED


def test_a_revoked_account_gets_nothing_not_even_again(accounts: Accounts, alice: int) -> None:
    accounts.charge(alice, batch("one"), day=10, quota=100)
    accounts.revoke("alice", day=11)
    accounts.revoke("alice", day=12)
    for name in ("one", "two"):
        assert accounts.charge(alice, batch(name), day=12, quota=100) is Charge.REVOKED
    assert [one.revoked for one in accounts.all()] == [11]
    assert len(usage(accounts)) == 1


def test_a_new_credential_ends_the_old_one_and_keeps_what_was_charged(
    accounts: Accounts, alice: int
) -> None:
    accounts.charge(alice, batch("one"), day=10, quota=64)
    accounts.replace_credential("alice", b"n" * 32)
    assert accounts.find(b"a" * 32) is None
    assert numbered(accounts, b"n" * 32) == alice
    assert accounts.charge(alice, batch("one"), day=10, quota=64) is Charge.AGAIN


def test_one_accounts_batch_is_not_anothers(accounts: Accounts, alice: int) -> None:
    accounts.add("bob", b"b" * 32, quota=None, day=10)
    bob = numbered(accounts, b"b" * 32)
    for account in (alice, bob):
        assert accounts.charge(account, batch("one"), day=10, quota=64) is Charge.CHARGED


def test_an_identity_enrolls_once(accounts: Accounts) -> None:
    first = accounts.enroll(b"i" * 32, day=10)
    assert accounts.enroll(b"i" * 32, day=11) == first
    assert first.name == "oidc-" + (b"i" * 32).hex()
    accounts.revoke(first.name, day=12)
    assert accounts.enroll(b"i" * 32, day=13).revoked == 12


def test_batches_go_with_their_key_and_usage_with_its_days(accounts: Accounts, alice: int) -> None:
    other = hashlib.sha256(b"other").digest()
    accounts.charge(alice, batch("one"), day=10, quota=1000)
    accounts.charge(alice, batch("two", key_id=other), day=11, quota=1000)
    accounts.forget_batches([KEY])
    assert accounts.charge(alice, batch("two", key_id=other), day=11, quota=1000) is Charge.AGAIN
    assert accounts.charge(alice, batch("one"), day=11, quota=1000) is Charge.CHARGED
    accounts.forget_usage(11)
    assert [one.day for one in usage(accounts)] == [11]
    accounts.forget_batches([])
    assert accounts.charge(alice, batch("two", key_id=other), day=11, quota=1000) is Charge.AGAIN


@pytest.mark.parametrize("what", ["replace_credential", "set_quota", "revoke"])
def test_there_is_nothing_to_change_of_nobody(accounts: Accounts, what: str) -> None:
    calls = {
        "replace_credential": lambda: accounts.replace_credential("bob", b"b" * 32),
        "set_quota": lambda: accounts.set_quota("bob", 1),
        "revoke": lambda: accounts.revoke("bob", day=1),
    }
    with pytest.raises(ConfigurationError, match="no account of this name"):
        calls[what]()


def test_nothing_is_made_twice_or_by_itself(empty_database: DatabaseConfig) -> None:
    with pytest.raises(ConfigurationError, match="openpcc-issuer init"):
        open_accounts(empty_database)
    create_accounts(empty_database)
    with pytest.raises(ConfigurationError):
        create_accounts(empty_database)
    open_accounts(empty_database).close()


def test_the_sqlite_file_is_its_owners_alone(database: DatabaseConfig) -> None:
    if database.path is not None:
        with closing(open_accounts(database)) as accounts:
            accounts.enroll(b"i" * 32, day=10)
            for path in database.path.parent.glob("issuer.db*"):
                assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_threads_never_pass_a_quota_nor_charge_a_batch_twice(
    database: DatabaseConfig, accounts: Accounts, alice: int
) -> None:
    connections = Connections(lambda: open_accounts(database))
    start = threading.Barrier(8)

    def work(number: int) -> list[Charge]:
        start.wait()
        with connections.use() as mine:
            names = [f"shared-{one}" for one in range(6)] + [f"{number}-{one}" for one in range(3)]
            return [mine.charge(alice, batch(name, 1), day=10, quota=20) for name in names]

    with ThreadPoolExecutor(8) as threads:
        said = Counter(one for found in threads.map(work, range(8)) for one in found)
    connections.close()
    assert said == {Charge.CHARGED: 20, Charge.AGAIN: 42, Charge.QUOTA: 10}
    assert [(one.tokens, one.batches) for one in usage(accounts)] == [(20, 20)]


def test_of_broken_connections_one_costs_an_answer_and_not_each(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    (tmp_path / "dsn").touch(mode=0o600)
    (tmp_path / "dsn").write_text(f"{postgres.new_schema()}")
    database = DatabaseConfig(kind="postgres", dsn=tmp_path / "dsn")
    create_accounts(database)
    connections = Connections(lambda: open_accounts(database))
    with connections.use() as one, connections.use() as other:
        pids = [found.rows("SELECT pg_backend_pid()")[0][0] for found in (one, other)]
    with psycopg.connect(postgres.dsn("public"), autocommit=True) as admin:
        for pid in pids:
            admin.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    with pytest.raises(AccountsError), connections.use() as found:
        found.check()
    with connections.use() as found:
        found.check()
    connections.close()


def worker(database: DatabaseConfig, alice: int, number: int) -> None:
    """Charge in a process of its own; its exit code counts what was charged."""
    with closing(open_accounts(database)) as mine:
        names = [f"shared-{one}" for one in range(6)] + [f"{number}-{one}" for one in range(4)]
        said = [mine.charge(alice, batch(name, 1), day=10, quota=15) for name in names]
    os._exit(said.count(Charge.CHARGED))


@pytest.mark.long
def test_processes_never_pass_a_quota_nor_charge_a_batch_twice(
    database: DatabaseConfig, accounts: Accounts, alice: int
) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=worker, args=(database, alice, one)) for one in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert sum(process.exitcode or 0 for process in processes) == 15
    assert [(one.tokens, one.batches) for one in usage(accounts)] == [(15, 15)]


def test_a_failure_names_no_value(accounts: Accounts, alice: int) -> None:
    with pytest.raises(AccountsError) as failure, accounts.transaction():
        accounts.rows("INSERT INTO issuer_usage VALUES (?, 'canary', 1, 1)", alice, 1, 1)
    assert "canary" not in str(failure.value)
    accounts.check()

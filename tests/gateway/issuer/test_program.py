"""The program and its commands: real processes, ended in the middle; rotation; a database gone."""

import json
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from gateway.issuer import keys, sqlite_accounts, workshop
from gateway.issuer.accounts import Batch, Charge
from gateway.issuer.app import DAY
from gateway.issuer.config import DatabaseConfig
from gateway.issuer.connections import create_accounts, open_accounts
from openpcc.protocol.privacypass import DIRECTORY_PATH
from tests.gateway.issuer.processes import (
    DIES_BEFORE_SIGNING,
    SIGNS_WRONG,
    do,
    run,
    running,
    write_config,
)
from tests.gateway.issuer.provider import NOW
from tests.gateway.issuer.wallet import (
    HTTP,
    Order,
    code_of,
    config_of,
    directory,
    new_account,
    only_key,
    post,
    send,
    served,
    taken,
)
from tests.test_commands import called
from tests.transparency_log.server.postgres_server import PostgresServer

TODAY = NOW // DAY


def eventually(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def database_lines(database: DatabaseConfig) -> str:
    place = f'path = "{database.path}"' if database.path else f'dsn = "{database.dsn}"'
    return f'kind = "{database.kind}"\n{place}'


@pytest.fixture
def config(tmp_path: Path, one_key: Path) -> Path:
    """The file of an issuer with a key and an empty SQLite database."""
    shutil.copytree(one_key, tmp_path / "keys")
    path = write_config(tmp_path)
    do("init", "--config", path)
    return path


@pytest.mark.parametrize(
    "empty_database", ["postgres", pytest.param("sqlite", marks=pytest.mark.long)], indirect=True
)
def test_an_issuer_killed_between_charge_and_answer_charges_once(
    database: DatabaseConfig, one_key: Path, tmp_path: Path
) -> None:
    shutil.copytree(one_key, tmp_path / "keys")
    config = write_config(tmp_path, database=database_lines(database))
    alice = new_account(database, "alice", quota=4)
    order = Order(only_key(one_key), 4)
    with running(config, DIES_BEFORE_SIGNING, "killed") as killed:
        with pytest.raises(httpx.TransportError):
            send(killed.url, order, alice)
        assert killed.process.wait(20) == -9
    charged = taken(database)
    assert list(charged.values()) == [(4, 1)]
    with running(config) as first, running(config, name="second") as second:
        answers = [send(one.url, order, alice) for one in (first, second, first)]
        assert len({tuple(order.tokens(one)) for one in answers}) == 1
        more = [send(one.url, Order(order.key, 1), alice) for one in (first, second)]
        assert [code_of(one) for one in more] == ["quota", "quota"]
        assert (first.stop(), second.stop()) == (0, 0)
    assert taken(database) == charged


def test_a_wrong_signature_ends_the_program(config: Path) -> None:
    alice = do("account", "add", "alice", "--config", config)
    with running(config, SIGNS_WRONG) as issuer:
        answer = send(issuer.url, Order(only_key(config.parent / "keys"), 1), alice)
        assert (answer.status_code, code_of(answer)) == (503, "not-ready")
        assert issuer.process.wait(20) == 1
        *_, last = issuer.errors.read_text().splitlines()
        assert last.startswith("openpcc-issuer: a signature came out wrong")


def test_without_gmpy2_it_names_the_extra() -> None:
    done = called("gateway.commands:issuer", "--help", without={"gmpy2"})
    assert done.returncode == 2
    assert done.stderr == (
        "openpcc-issuer needs the package gmpy2; run: pip install '.[issuer]' in the source tree\n"
    )


def test_a_check_names_every_problem(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "jwks.json").write_text("{}")
    config = write_config(tmp_path, 'tls_certificate = "tls.pem"', 'tls_key = "tls.key"')
    with config.open("a") as file:
        file.write(
            '[[providers]]\nissuer = "https://accounts.example"\naudience = "openpcc"\n'
            'algorithms = ["ES256"]\njwks_file = "jwks.json"\n'
        )
    code, said, errors = run("--config", config, "--check-config")
    assert (code, said) == (2, "")
    words = ("tls_certificate", "tls_key", "keys new", "openpcc-issuer init", "key set")
    assert len(errors.splitlines()) == len(words)
    for line, word in zip(errors.splitlines(), words, strict=True):
        assert word in line


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("quota = -1", "quota"),
        ("usage_days = 0", "usage_days"),
        ("max_waiting = 0", "max_waiting"),
        ('listen = "192.0.2.1:443"', "tls_in_front"),
        ('tls_key = "key.pem"', "tls_certificate"),
        ("unknown = 1", "no such setting"),
        ('name = "https://issuer.example"', "host name"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path, line: str, word: str) -> None:
    config = write_config(tmp_path, line)
    lines = config.read_text().splitlines()
    name = line.split()[0]
    kept = [one for one in lines if not one.startswith(f"{name} =") or one == line]
    config.write_text("\n".join(kept))
    code, _, errors = run("--config", config, "--check-config")
    assert code == 2
    assert word in errors


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ('kind = "sqlite"', "database"),
        ('kind = "postgres"\npath = "x"', "database"),
        ('kind = "sqlite"\npath = "x"\ndsn = "y"', "database"),
        ('kind = "mysql"\npath = "x"', "database"),
        ('kind = "postgres"\ndsn = "absent"', "absent"),
    ],
)
def test_a_database_that_cannot_be_is_named(
    tmp_path: Path, one_key: Path, table: str, word: str
) -> None:
    shutil.copytree(one_key, tmp_path / "keys")
    code, _, errors = run("--config", write_config(tmp_path, database=table), "--check-config")
    assert code == 2
    assert word in errors


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"algorithms": []}, "algorithms"),
        ({"algorithms": ["HS256"]}, "algorithms"),
        ({"algorithms": ["none"]}, "algorithms"),
        ({"jwks": "http://accounts.example/keys"}, "https"),
        ({"jwks": "https://user@accounts.example/keys"}, "user"),
        ({"jwks": "file:///etc/passwd"}, "https"),
        ({"jwks_file": "keys.json"}, "jwks or jwks_file"),
        ({"audience": ""}, "audience"),
    ],
)
def test_a_provider_that_cannot_be_trusted_is_named(
    tmp_path: Path, changes: dict[str, object], word: str
) -> None:
    settings = {
        "issuer": "https://accounts.example", "audience": "openpcc", "algorithms": ["ES256"],
        "jwks": "https://accounts.example/keys",
    }  # fmt: skip
    config = write_config(tmp_path)
    with config.open("a") as file:
        file.write("[[providers]]\n")
        for key, value in (settings | changes).items():
            file.write(f"{key} = {json.dumps(value)}\n")
    code, _, errors = run("--config", config, "--check-config")
    assert code == 2
    assert word in errors


def test_all_settings_that_cannot_be_used_are_named_at_once(tmp_path: Path) -> None:
    config = write_config(tmp_path, "quota = -1", 'tls_key = "x"', database='kind = "sqlite"')
    code, _, errors = run("--config", config, "--check-config")
    assert (code, errors.count("\n")) == (2, 4)
    assert all(word in errors for word in ("quota", "tls_certificate", "database", "keys"))


def test_commands_change_accounts_and_an_api_key_is_shown_once(config: Path) -> None:
    given = ("--config", config)
    shown = do("account", "add", "alice", "--quota", 7, *given)
    assert shown.startswith("openpcc_")
    database = DatabaseConfig(kind="sqlite", path=config.parent / "issuer.db")
    assert shown.encode() not in (config.parent / "issuer.db").read_bytes()
    line = json.loads(do("account", "list", "--json", *given))
    assert (line["name"], line["quota"], line["revoked"]) == ("alice", 7, None)
    other = do("account", "key", "alice", *given)
    assert other != shown
    do("account", "quota", "alice", *given)
    assert "1024 a day" in do("account", "list", *given)
    accounts = open_accounts(database)
    day = int(time.time()) // DAY
    batch = Batch(digest=bytes(32), key_id=bytes(32), count=5)
    assert accounts.charge(1, batch, day=day, quota=10) is Charge.CHARGED
    accounts.close()
    usage = json.loads(do("account", "usage", "--json", *given))
    assert (usage["name"], usage["tokens"], usage["batches"]) == ("alice", 5, 1)
    assert "5 tokens in 1 batches" in do("account", "usage", "--days", 1, *given)
    do("account", "revoke", "alice", *given)
    assert "revoked" in do("account", "list", *given)
    subject = ("--subject", "y", "--oidc-issuer", "https://z.example")
    for words in (
        ("revoke", "bob"),
        ("add", "alice"),
        ("add", "x", *subject[:2]),
        ("add", "x", *subject),
    ):
        code, said, errors = run("account", *words, *given)
        assert (code, said, errors.count("\n")) == (2, "", 1)


def test_commands_make_list_and_retire_keys(config: Path) -> None:
    given = ("--config", config)
    made = do("keys", "new", "--wait", 30, *given)
    lines = [json.loads(line) for line in do("keys", "list", "--json", *given).splitlines()]
    assert [(one["state"], one["id"] == made) for one in lines] == [
        ("in use", False),
        ("next", True),
    ]
    assert made in do("keys", "list", *given)
    for words in (("new",), ("retire", lines[0]["id"]), ("retire", "00000000")):
        code, _, errors = run("keys", *words, *given)
        assert (code, errors.count("\n")) == (2, 1)
    do("keys", "retire", lines[0]["id"], "--stolen", *given)
    assert [json.loads(do("keys", "list", "--json", *given))["id"]] == [made]
    (path,) = (config.parent / "keys").glob("*.pem")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_keys_rotate_with_an_overlap_while_the_issuer_runs(
    database: DatabaseConfig, one_key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workshop, "LOOK", 0.05)
    folder = tmp_path / "keys"
    shutil.copytree(one_key, folder)
    alice = new_account(database, "alice")
    now = float(NOW)
    with served(config_of(database, folder), lambda: now) as issuer:
        old = directory(issuer.url).pick(now=NOW)
        first = Order(old, 2)
        send(issuer.url, first, alice)
        keys.create(folder, now=NOW)
        eventually(lambda: len(directory(issuer.url).keys) == 2)
        announced = directory(issuer.url)
        assert announced.pick(now=int(now)).id == old.id
        new = announced.issuer_keys()[1]
        assert code_of(send(issuer.url, Order(new), alice)) == "not-ready"
        now += keys.WAIT
        assert directory(issuer.url).pick(now=int(now)).id == new.id
        for key in (new, old):
            order = Order(key, 1)
            order.tokens(send(issuer.url, order, alice))
        first.tokens(send(issuer.url, first, alice))
        assert batches(database) == 3
        keys.retire(folder, old.id.hex(), now=int(now))
        eventually(lambda: len(directory(issuer.url).keys) == 1)
        assert batches(database) == 3
        now += workshop.RETIRED + 1
        eventually(lambda: batches(database) == 1)
        assert code_of(send(issuer.url, first, alice)) == "unknown-token-key"
        order = Order(new, 1)
        order.tokens(send(issuer.url, order, alice))
    assert taken(database) == {("alice", TODAY): (5, 4)}


def batches(database: DatabaseConfig) -> int:
    """Count the digests that are kept."""
    accounts = open_accounts(database)
    ((found,),) = accounts.rows("SELECT count(*) FROM issuer_batch")
    accounts.close()
    return int(found)


def test_keys_that_cannot_be_used_stop_the_issuing(
    database: DatabaseConfig, one_key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workshop, "LOOK", 0.05)
    monkeypatch.setattr(workshop, "GLANCE", 0.05)
    folder = tmp_path / "keys"
    shutil.copytree(one_key, folder)
    alice = new_account(database, "alice")
    with served(config_of(database, folder), lambda: NOW) as issuer:
        (path,) = folder.glob("*.pem")
        path.chmod(0o644)
        address = issuer.url + DIRECTORY_PATH
        eventually(lambda: HTTP.get(address).status_code == 503)
        order = Order(only_key(one_key))
        for key in (only_key(one_key).truncated_id, only_key(one_key).truncated_id ^ 1):
            body = order.body.replace(order.body[:3], order.body[:2] + bytes([key]))
            assert code_of(post(issuer.url, body, alice)) == "not-ready"
        path.chmod(0o600)
        eventually(lambda: HTTP.get(address).status_code == 200)
        order.tokens(send(issuer.url, order, alice))


@contextmanager
def closed_database(
    postgres: PostgresServer, folder: Path
) -> Iterator[tuple[DatabaseConfig, Callable[[bool], None]]]:
    """A PostgreSQL database that can be closed to everybody, and opened again."""
    with psycopg.connect(postgres.dsn("public"), autocommit=True) as admin:
        admin.execute("CREATE DATABASE closing")
        dsn = folder / "closing.dsn"
        dsn.touch(mode=0o600)
        dsn.write_text(postgres.dsn("public").replace("dbname=postgres", "dbname=closing"))

        def set_open(is_open: bool) -> None:  # noqa: FBT001
            admin.execute(
                f"ALTER DATABASE closing ALLOW_CONNECTIONS {str(is_open).lower()}".encode()
            )
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'closing'"
            )

        try:
            yield DatabaseConfig(kind="postgres", dsn=dsn), set_open
        finally:
            admin.execute("DROP DATABASE closing WITH (FORCE)")


def test_without_its_database_an_issuer_is_not_ready_and_charges_nothing(
    postgres: PostgresServer, one_key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workshop, "LOOK", 0.05)
    with closed_database(postgres, tmp_path) as (database, set_open):
        create_accounts(database)
        alice = new_account(database, "alice")
        order = Order(only_key(one_key))
        server = served(config_of(database, one_key), lambda: NOW)
        with server as issuer:
            assert server._program.ready()
            set_open(False)
            answer = send(issuer.url, order, alice)
            assert (answer.status_code, code_of(answer)) == (503, "not-ready")
            eventually(lambda: not server._program.ready())
            set_open(True)
            eventually(server._program.ready)
            order.tokens(send(issuer.url, order, alice))
        assert taken(database) == {("alice", TODAY): (2, 1)}


def test_a_locked_sqlite_file_is_waited_for_and_then_not_ready(
    tmp_path: Path, one_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_accounts, "WAIT", 0.1)
    database = DatabaseConfig(kind="sqlite", path=tmp_path / "issuer.db")
    create_accounts(database)
    alice = new_account(database, "alice")
    order = Order(only_key(one_key))
    with served(config_of(database, one_key), lambda: NOW) as issuer:
        other = open_accounts(database)
        with other.transaction():
            answer = send(issuer.url, order, alice)
            assert (answer.status_code, code_of(answer)) == (503, "not-ready")
        other.close()
        order.tokens(send(issuer.url, order, alice))
    assert taken(database) == {("alice", TODAY): (2, 1)}

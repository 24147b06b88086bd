"""What an operator can see for billing: every column, log line and metric, over a whole session."""

import base64
import json
import re
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from gateway.issuer.config import DatabaseConfig
from gateway.issuer.connections import open_accounts
from gateway.issuer.id_tokens import subject_digest
from tests.gateway.issuer.processes import do, running, write_config
from tests.gateway.issuer.provider import AUDIENCE, ISSUER, key_set, token
from tests.gateway.issuer.wallet import HTTP, Order, only_key, post, send

COLUMNS = {
    "sqlite": "SELECT t.name, c.name, c.type FROM sqlite_master t, pragma_table_info(t.name) c "
    "WHERE t.type = 'table'",
    "postgres": "SELECT table_name, column_name, data_type FROM information_schema.columns "
    "WHERE table_schema = current_schema()",
}
FIELDS = {"at", "event", "role", "count", "index"}


def rows_of(page: str, heading: str) -> list[list[str]]:
    """The rows of the table below a heading of its first column, as plain texts."""
    table = page.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    lines = [line.strip("|").split("|") for line in table.splitlines()[2:]]
    return [[cell.strip() for cell in line] for line in lines]


@pytest.fixture
def page(root: Path) -> str:
    return (root / "docs" / "issuer.md").read_text()


def test_the_page_lists_every_table_and_column(database: DatabaseConfig, page: str) -> None:
    accounts = open_accounts(database)
    found = accounts.rows(COLUMNS[database.kind])
    accounts.close()
    listed = [(row[0].strip("`"), row[1].strip("`")) for row in rows_of(page, "table | column")]
    assert sorted(listed) == sorted((table, column) for table, column, _ in found)
    for _, column, kind in found:  # no time, no free text but the name
        assert kind.lower() in {"integer", "bigint", "blob", "bytea", "text"}, column
        assert (kind.lower() == "text") == (column == "name")


def spellings(secret: bytes) -> Iterable[bytes]:
    """Ways in which bytes may come to stand in a text."""
    yield from (secret, secret.hex().encode(), base64.b64encode(secret))
    yield base64.urlsafe_b64encode(secret).rstrip(b"=")


@pytest.mark.parametrize(
    "empty_database", ["sqlite", pytest.param("postgres", marks=pytest.mark.long)], indirect=True
)
def test_of_a_whole_session_nothing_of_anybody_is_written(
    database: DatabaseConfig, one_key: Path, tmp_path: Path, page: str
) -> None:
    shutil.copytree(one_key, tmp_path / "keys")
    place = f'path = "{database.path}"' if database.path else f'dsn = "{database.dsn}"'
    config = write_config(tmp_path, database=f'kind = "{database.kind}"\n{place}')
    (tmp_path / "jwks.json").write_bytes(key_set("ec"))
    with config.open("a") as file:
        file.write(
            f'[[providers]]\nissuer = "{ISSUER}"\naudience = "{AUDIENCE}"\n'
            'algorithms = ["ES256"]\njwks_file = "jwks.json"\nanyone = true\n'
        )
    api_key = do("account", "add", "canary-alice", "--quota", 3, "--config", config)
    now = int(time.time())
    carol = token(iat=now, exp=now + 300, sub="canary-carol")
    orders = [Order(only_key(one_key), count) for count in (1, 2, 2)]
    with running(config) as issuer:
        answers = [send(issuer.url, one, api_key) for one in (*orders, orders[0])]
        answers += [send(issuer.url, orders[0], carol), send(issuer.url, orders[0], carol[:-4])]
        do("account", "revoke", "canary-alice", "--config", config)
        answers += [send(issuer.url, orders[0], api_key), send(issuer.url, orders[0], None)]
        answers.append(post(issuer.url, b"canary-body", api_key))
        answers.append(HTTP.get(issuer.url + "/canary-path?canary-query"))
        assert [one.status_code for one in answers] == [
            200, 200, 429, 200, 200, 401, 401, 401, 422, 404,
        ]  # fmt: skip
        metrics = HTTP.get(issuer.control + "/metrics").content
        assert issuer.stop() == 0
    log = issuer.errors.read_bytes()
    secrets = [
        b"canary", b"127.0.0.1", api_key.encode(), api_key.removeprefix("openpcc_").encode(),
        carol.encode(), ISSUER.encode(), AUDIENCE.encode() + b'"',
        subject_digest(ISSUER, "canary-carol"), *(one.body for one in orders),
        *(one.request.blinded for order in orders for one in order.pending),
        *(one.content for one in answers[:2]),
    ]  # fmt: skip
    for secret in secrets:
        for written in spellings(secret):
            assert written not in log
            assert written not in metrics
    events = {name for row in rows_of(page, "event") for name in re.findall(r"`([^`]+)`", row[0])}
    for line in map(json.loads, log.splitlines()):
        assert line["event"] in events - {"library"}
        assert set(line) <= FIELDS
    named = set(re.findall(r"`(openpcc_\w+)`", page))
    moved = re.findall(r"^(openpcc_\w+)(?:\{(.*)\})? (?!0\.0$)\S+$", metrics.decode(), re.M)
    assert {name for name, _ in moved if not name.endswith("_created")} <= named
    labels = {label for _, found in moved for label in re.findall(r'(\w+)="', found)}
    assert labels == {"route", "code", "outcome"}


def test_the_page_lists_every_event(root: Path, page: str) -> None:
    sources = [*(root / "gateway" / "issuer").glob("*.py"), root / "gateway" / "serving.py"]
    text = "".join(path.read_text() for path in sources)
    calls = "".join(re.findall(r"\blog\(([^)]*)\)", text))
    logged = set(re.findall(r'"([a-z-]+)"', calls))
    events = {name for row in rows_of(page, "event") for name in re.findall(r"`([^`]+)`", row[0])}
    assert logged == events - {"library"}

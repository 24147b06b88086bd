"""`openpcc-log` as a process: publishers and their quotas, public files, PostgreSQL, full disk."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.transparency_log.memory_log import MemoryLog, service_entry, status_entry
from tests.transparency_log.server.logs import postgres_config
from tests.transparency_log.server.postgres_server import PostgresServer
from tests.transparency_log.server.processes import LOG_TABLES, World, run, running_world

SMALL = """\
[[publishers]]
name = "small"
token = "small.token"
entries_per_day = 2
kinds = ["service"]
"""
SMALL_TOKEN = "small-token-of-its-own"


def write_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def entry(number: int) -> bytes:
    return service_entry(MemoryLog(), number)


@pytest.fixture(scope="module")
def shared_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A log with two publishers."""
    folder = tmp_path_factory.mktemp("log")
    write_secret(folder / "small.token", SMALL_TOKEN)
    with running_world(folder, log_tables=LOG_TABLES + SMALL) as world:
        yield world


def test_quota_is_refused_with_the_time_to_wait_and_holds_through_a_restart(
    shared_log: World,
) -> None:
    indexes = [
        shared_log.add(entry(number), token=SMALL_TOKEN).json()["index"] for number in (0, 1)
    ]
    for _ in range(2):
        refused = shared_log.add(entry(2), token=SMALL_TOKEN)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "quota")
        assert 0 < int(refused.headers["retry-after"]) <= 86400
        again = [shared_log.add(entry(number), token=SMALL_TOKEN) for number in (0, 1)]
        assert [one.json()["index"] for one in again] == indexes  # a repeated entry is free
        assert shared_log.log is not None
        assert shared_log.log.stop() == 0
        shared_log.start_log()
    assert shared_log.add(entry(2)).status_code == 200  # the other publisher's own
    assert shared_log.add(entry(2), token=SMALL_TOKEN).status_code == 200  # it has its index


def test_publisher_submits_its_kinds_alone(shared_log: World) -> None:
    status = status_entry(MemoryLog())
    refused = shared_log.add(status, token=SMALL_TOKEN)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "kind")
    assert shared_log.add(status).status_code == 200


def test_public_files_answer_head_and_no_other_site_may_submit(shared_log: World) -> None:
    shared_log.add(entry(3))
    for path in ("checkpoint", "tile/entries/000.p/1", "tile/0/999"):
        whole = httpx.get(f"{shared_log.log_url}/{path}")
        head = httpx.head(f"{shared_log.log_url}/{path}")
        assert (head.status_code, head.content) == (whole.status_code, b"")
        assert head.headers["content-length"] == whole.headers["content-length"]
        assert head.headers["access-control-allow-origin"] == "*"
    asked = httpx.options(f"{shared_log.log_url}/add")
    assert asked.status_code == 405
    assert "access-control-allow-origin" not in asked.headers
    assert "access-control-allow-origin" not in shared_log.add(entry(3)).headers


def test_starts_again_after_the_database_was_gone(tmp_path: Path, postgres: PostgresServer) -> None:
    config = postgres_config(postgres, tmp_path / "postgres.dsn")
    tables = LOG_TABLES.replace(
        'kind = "sqlite"\npath = "sequence.db"', 'kind = "postgres"\ndsn = "postgres.dsn"'
    )
    with running_world(tmp_path, log_tables=tables) as world:
        index = world.add(entry(0)).json()["index"]
        assert "in use" in run("log", "--config", world.config("log")).stderr
        with psycopg.connect(config.dsn.read_text(), autocommit=True) as server:
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'openpcc-log'"
            )
        assert world.log is not None
        assert world.log.process.wait(timeout=20) == 1  # when it next asks for a cosignature
        assert "PostgreSQL" in (tmp_path / "log.err").read_text()
        world.start_log()
        assert world.add(entry(0)).json()["index"] == index
        assert world.add(entry(1)).json()["index"] == index + 1
        before = world.client().checkpoint()
        world.log.kill()
        world.start_log()
        world.client().consistency(before, world.client().checkpoint())


def test_full_disk_stops_the_log_and_costs_no_acknowledged_entry(tmp_path: Path) -> None:
    with running_world(tmp_path) as world:
        index = world.add(entry(0)).json()["index"]
        folder = tmp_path / "log" / "tile" / "entries" / "000.p"
        (folder / ".2.new").symlink_to("/dev/full")  # a device that has no space left
        refused = world.add(entry(1))
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "not-ready")
        assert world.log is not None
        assert world.log.process.wait(timeout=20) == 1
        assert "No space left on device; free space" in (tmp_path / "log.err").read_text()
        restarted = run("log", "--config", world.config("log"))
        assert restarted.returncode == 2
        assert "free space" in restarted.stderr
        (folder / ".2.new").unlink()
        world.start_log()
        assert world.add(entry(0)).json()["index"] == index
        assert world.add(entry(1)).json()["index"] == index + 1

"""The log and three witnesses as real processes: quorum, restart, rollback, kill -9."""

import hashlib
import secrets
import shutil
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.transparency_log.memory_log import MemoryLog, status_entry
from tests.transparency_log.server.processes import ORIGIN, TOKEN, World, run, running_world
from transparency_log import scan
from transparency_log.errors import InconsistentError
from transparency_log.merkle import leaf_hash
from transparency_log.proof import verify_proof


def entry(sequence: int) -> bytes:
    return status_entry(MemoryLog(), sequence)


def added(world: World, data: bytes) -> int:
    answer = world.add(data)
    assert answer.status_code == 200, answer.text
    assert answer.json()["leaf_hash"] == leaf_hash(data).hex()
    return int(answer.json()["index"])


def test_acknowledged_entry_is_under_a_witnessed_checkpoint(world: World) -> None:
    data = entry(0)
    index = added(world, data)
    client = world.client()
    witnessed = client.checkpoint()
    assert len(witnessed.witnesses) >= 2
    assert client.entries(witnessed, index).entry(index) == data
    proved = verify_proof(client.proof(witnessed, index, data), leaf_hash(data), world.policy)
    assert proved.index == index


def test_entry_keeps_its_place_when_submitted_again(world: World) -> None:
    assert added(world, entry(1)) == added(world, entry(1))


def test_scan_reads_the_newest_status_over_http(world: World) -> None:
    for sequence in range(2, 5):
        added(world, entry(sequence))
    client, memory = world.client(), MemoryLog()
    found = scan.newest_status(
        client.entries(client.checkpoint(), 0), memory.signers(memory.status)
    )
    assert found is not None
    assert found.entry.sequence == 4


def test_concurrent_entries_share_checkpoints_and_all_arrive(world: World) -> None:
    entries = [entry(100 + number) for number in range(40)]
    indexes: list[int] = []
    threads = [
        threading.Thread(target=lambda data=data: indexes.append(added(world, data)))
        for data in entries
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(indexes)) == len(entries)
    client = world.client()
    assert set(entries) <= set(client.entries(client.checkpoint(), 0).entries)


def test_checkpoint_is_cosigned_again_without_entries(world: World) -> None:
    before = world.client().checkpoint()
    deadline = time.monotonic() + 10
    while (after := world.client().checkpoint()).time <= before.time:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert after.checkpoint == before.checkpoint


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (401, {}, b"{}"),
        (401, {"authorization": "Bearer wrong"}, b"{}"),
        (400, None, b"{}"),
        (400, None, b""),
        (413, None, bytes(70_000)),
    ],
)
def test_refuses_submissions(
    world: World, status: int, headers: dict[str, str] | None, body: bytes
) -> None:
    if headers is None:
        answer = world.add(body)
    else:
        answer = httpx.post(f"{world.log_url}/add", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]["code"]


@pytest.mark.parametrize(
    "path",
    ["/tile/0/x000/000", "/tile/0/..%2f..%2fsequence.db", "/sequence.db", "/tile/../lock", "/add"],
)
def test_serves_nothing_but_tiles_and_checkpoint(world: World, path: str) -> None:
    assert httpx.get(f"{world.log_url}{path}").status_code in (404, 405)


def test_health_is_on_the_control_address_alone(world: World) -> None:
    assert world.log is not None
    assert httpx.get(f"{world.log.control}/healthz").status_code == 200
    assert httpx.get(f"{world.log.control}/readyz").status_code == 200
    assert httpx.get(f"{world.log.control}/checkpoint").status_code == 404
    assert httpx.get(f"{world.log_url}/healthz").status_code == 404
    assert httpx.get(f"{world.witnesses[0].control}/readyz").status_code == 200


def test_witness_gives_the_checkpoint_it_cosigned(world: World) -> None:
    digest = hashlib.sha256(ORIGIN.encode()).hexdigest()
    answer = httpx.get(f"{world.witnesses[0].url}/{digest}/checkpoint")
    assert answer.text.startswith(f"{ORIGIN}\n")
    assert httpx.get(f"{world.witnesses[0].url}/{'0' * 64}/checkpoint").status_code == 404


def test_second_process_cannot_open_the_log(world: World) -> None:
    result = run("log", "--config", world.config("log"))
    assert result.returncode == 2
    assert "in use" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_goes_on_with_two_witnesses_and_stops_with_one(tmp_path: Path) -> None:
    with running_world(tmp_path) as world:
        added(world, entry(0))
        assert world.witnesses[0].stop() == 0
        added(world, entry(1))
        world.witnesses[1].kill()
        with pytest.raises(httpx.ReadTimeout):
            world.add(entry(2), timeout=3)
        assert world.log is not None
        refused = httpx.get(f"{world.log.control}/readyz")
        assert refused.status_code == 503
        client = world.client()
        assert client.checkpoint().checkpoint.size == 2
        world.restart_witness(1)
        assert added(world, entry(2)) == 2
        assert world.log.stop() == 0


def test_restart_keeps_everything(tmp_path: Path) -> None:
    with running_world(tmp_path) as world:
        entries = [entry(number) for number in range(3)]
        indexes = [added(world, data) for data in entries]
        before = world.client().checkpoint()
        assert world.log is not None
        assert world.log.stop() == 0
        world.start_log()
        assert [added(world, data) for data in entries] == indexes
        added(world, entry(3))
        client = world.client()
        after = client.checkpoint()
        assert after.checkpoint.size == 4
        client.consistency(before, after)


def test_witnesses_refuse_a_log_that_was_rolled_back(tmp_path: Path) -> None:
    with running_world(tmp_path) as world:
        added(world, entry(0))
        assert world.log is not None
        world.log.stop()
        shutil.copytree(tmp_path / "log", tmp_path / "backup")
        shutil.copy(tmp_path / "sequence.db", tmp_path / "backup.db")
        world.start_log()
        added(world, entry(1))
        newer = world.client().checkpoint()
        world.log.stop()
        shutil.rmtree(tmp_path / "log")
        (tmp_path / "backup").rename(tmp_path / "log")
        (tmp_path / "backup.db").rename(tmp_path / "sequence.db")
        world.start_log()
        with pytest.raises(httpx.ReadTimeout):  # another entry at index 1: a second history
            world.add(entry(2), timeout=3)
        older = world.client().checkpoint()
        assert older.checkpoint.size == 1
        with pytest.raises(InconsistentError):
            world.client().consistency(newer, older)


def test_kill_at_random_moments_loses_nothing_acknowledged(tmp_path: Path) -> None:
    with running_world(tmp_path) as world:
        acknowledged: dict[int, bytes] = {}
        number = 0
        for _ in range(4):
            moment = threading.Timer(secrets.randbelow(400) / 1000, _kill, [world])
            moment.start()
            try:
                while True:
                    data = entry(number)
                    number += 1
                    acknowledged[added(world, data)] = data
            except httpx.TransportError:
                moment.join()
            world.start_log()
        last = added(world, entry(number))
        client = world.client()
        entries = client.entries(client.checkpoint(), 0)
        assert all(entries.entry(index) == data for index, data in acknowledged.items())
        assert len(entries.entries) == last + 1


def _kill(world: World) -> None:
    assert world.log is not None
    world.log.process.kill()
    world.log.process.wait()


def test_log_refuses_to_start_with_changed_tiles(tmp_path: Path) -> None:
    with running_world(tmp_path) as world:
        added(world, entry(0))
        assert world.log is not None
        world.log.stop()
        tile = tmp_path / "log" / "tile" / "0" / "000.p" / "1"
        tile.write_bytes(bytes(32))
        result = run("log", "--config", world.config("log"))
        assert result.returncode == 2
        assert "not the entries of the tree; restore it from its backup" in result.stderr


def test_witness_keeps_its_state_through_a_restart(tmp_path: Path) -> None:
    with running_world(tmp_path) as world:
        added(world, entry(0))
        world.witnesses[2].kill()
        with closing(sqlite3.connect(tmp_path / "witness-0.db")) as database:
            assert database.execute("SELECT size FROM log").fetchall() == [(1,)]


def test_logs_name_no_address_and_no_token(world: World) -> None:
    text = (world.folder / "log.err").read_text()
    assert "127.0.0.1" not in text
    assert TOKEN not in text

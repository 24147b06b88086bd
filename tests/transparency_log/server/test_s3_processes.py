"""The log as a process with its files in a bucket: kill -9, restart, and readers of the bucket."""

import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.transparency_log.memory_log import MemoryLog, status_entry
from tests.transparency_log.server.moto_bucket import CREDENTIALS, MotoServer, moto_server
from tests.transparency_log.server.processes import TOKEN, World, run
from transparency_log.client import LogClient
from transparency_log.errors import NotFoundError
from transparency_log.merkle import leaf_hash
from transparency_log.proof import verify_proof

PREFIX = "logs/test/"


@dataclass
class BucketWorld(World):
    """A world whose log keeps its files in a bucket."""

    store: str = ""

    def write_log_config(self) -> None:
        super().write_log_config()
        config = self.config("log")
        folder = '[store]\nkind = "directory"\npath = "log"\n'
        assert folder in config.read_text()
        config.write_text(config.read_text().replace(folder, self.store))


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with moto_server() as found:
        yield found


@pytest.fixture(scope="module")
def bucket(moto: MotoServer) -> str:
    return moto.bucket()


@pytest.fixture(scope="module")
def world(
    moto: MotoServer, bucket: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BucketWorld]:
    """One for all tests, each of which leaves the log running."""
    world = BucketWorld(folder=tmp_path_factory.mktemp("log"), store=in_bucket(moto, bucket))
    try:
        world.set_up()
        yield world
    finally:
        world.tear_down()


def in_bucket(moto: MotoServer, bucket: str) -> str:
    return (
        f'[store]\nkind = "s3"\nbucket = "{bucket}"\nprefix = "{PREFIX}"\n'
        f'endpoint = "{moto.url}"\nregion = "us-east-1"\n'
    )


def entry(sequence: int) -> bytes:
    return status_entry(MemoryLog(), sequence)


def added(world: World, data: bytes) -> int:
    answer = world.add(data)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["index"])


def reader(moto: MotoServer, bucket: str, world: World) -> LogClient:
    """Read the bucket, and nothing of the log."""
    client: Any = moto.client()

    def fetch(path: str, limit: int) -> bytes:
        try:
            answer = client.get_object(Bucket=bucket, Key=PREFIX + path)
        except client.exceptions.NoSuchKey:
            raise NotFoundError(path) from None
        data: bytes = answer["Body"].read()
        assert len(data) <= limit
        return data

    return LogClient(world.policy, fetch)


def test_bucket_alone_proves_what_was_acknowledged(
    moto: MotoServer, bucket: str, world: World
) -> None:
    entries = [entry(1000 + number) for number in range(3)]
    indexes = [added(world, data) for data in entries]
    client = reader(moto, bucket, world)
    witnessed = client.checkpoint()
    found = client.entries(witnessed, 0)
    for index, data in zip(indexes, entries, strict=True):
        assert found.entry(index) == data
        proof = client.proof(witnessed, index, data)
        assert verify_proof(proof, leaf_hash(data), world.policy).index == index
    assert httpx.get(f"{world.log_url}/checkpoint").status_code == 200
    assert world.client().entries(witnessed, 0).entries == found.entries


def test_kill_at_random_moments_loses_nothing_acknowledged(
    moto: MotoServer, bucket: str, world: World
) -> None:
    acknowledged: dict[int, bytes] = {}
    number = 0
    for _ in range(3):
        assert world.log is not None
        moment = threading.Timer(secrets.randbelow(600) / 1000, world.log.kill)
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
    client = reader(moto, bucket, world)
    entries = client.entries(client.checkpoint(), 0)
    assert all(entries.entry(index) == data for index, data in acknowledged.items())
    assert len(entries.entries) == last + 1


def test_restored_older_table_is_refused_under_a_newer_bucket(
    moto: MotoServer, bucket: str, world: World
) -> None:
    added(world, entry(2000))
    assert world.log is not None
    world.log.stop()
    table = world.folder / "sequence.db"
    older = table.read_bytes()
    world.start_log()
    added(world, entry(2001))
    newer = reader(moto, bucket, world).checkpoint()
    world.log.stop()
    newest = table.read_bytes()
    table.write_bytes(older)
    refused = run("log", "--config", world.config("log"))
    assert refused.returncode == 2
    assert "is not of a tree this table has signed" in refused.stderr
    assert reader(moto, bucket, world).checkpoint().note == newer.note
    table.write_bytes(newest)
    world.start_log()
    assert world.client().checkpoint().checkpoint.size >= newer.checkpoint.size


def test_second_log_is_not_made_over_the_first(moto: MotoServer, bucket: str, world: World) -> None:
    added(world, entry(0))
    config = world.config("log")
    genuine = config.read_text()
    config.write_text(genuine.replace("sequence.db", "another.db"))
    refused = run("log", "init", "--config", config)
    config.write_text(genuine)
    assert refused.returncode == 2
    assert "holds a log already" in refused.stderr


def test_missing_bucket_stops_the_start_with_one_line(moto: MotoServer, world: BucketWorld) -> None:
    assert world.log is not None
    world.log.stop()
    config = world.config("log")
    genuine = config.read_text()
    config.write_text(genuine.replace('bucket = "log-', 'bucket = "no-log-'))
    refused = run("log", "--config", config)
    config.write_text(genuine)
    world.start_log()
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "bucket no-log-" in refused.stderr


def test_log_stops_when_another_writes_its_checkpoint(
    moto: MotoServer, bucket: str, world: World
) -> None:
    added(world, entry(0))
    moto.client().put_object(Bucket=bucket, Key=f"{PREFIX}checkpoint", Body=b"theirs\n")
    assert world.log is not None
    assert world.log.process.wait(timeout=20) == 1
    said = (world.folder / "log.err").read_text()
    assert "checkpoint: is not as this log left it" in said
    for secret in (*list(CREDENTIALS.values())[:2], TOKEN, "127.0.0.1"):
        assert secret not in said

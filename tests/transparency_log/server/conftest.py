"""Fixtures of the servers' tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.transparency_log.server.logs import postgres_config
from tests.transparency_log.server.postgres_server import (
    PostgresServer,
    program,
    running_postgres,
)
from tests.transparency_log.server.processes import World, running_world
from transparency_log.server.storage_config import SequenceConfig, SqliteConfig


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of the tests' own."""
    if program("initdb") is None:
        pytest.skip("PostgreSQL is absent: install the package postgresql")
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def sequence_config(request: pytest.FixtureRequest, tmp_path: Path) -> SequenceConfig:
    """Where a log could keep its sequencing table; nothing is there yet."""
    if request.param == "sqlite":
        return SqliteConfig(path=tmp_path / "sequence.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    return postgres_config(server, tmp_path / "postgres.dsn")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A log and three witnesses as processes, for one module."""
    with running_world(tmp_path_factory.mktemp("log")) as found:
        yield found

"""Fixtures of the issuer's tests: both databases for real, and a folder with one key."""

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.issuer import keys
from gateway.issuer.config import DatabaseConfig
from gateway.issuer.connections import create_accounts
from gateway.rsa_private import PrivateKey
from tests.transparency_log.server.conftest import postgres as postgres
from tests.transparency_log.server.postgres_server import PostgresServer


@pytest.fixture(scope="session", autouse=True)
def remembered_keys() -> Iterator[None]:
    """Read the same key file once: seeing whether a key is one takes 40 ms each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PrivateKey, "load", functools.cache(PrivateKey.load))
        yield


@pytest.fixture(params=["sqlite", "postgres"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseConfig:
    """A place for accounts; nothing is there yet."""
    if request.param == "sqlite":
        return DatabaseConfig(kind="sqlite", path=tmp_path / "issuer.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    dsn = tmp_path / "postgres.dsn"
    dsn.touch(mode=0o600)
    dsn.write_text(server.new_schema())
    return DatabaseConfig(kind="postgres", dsn=dsn)


@pytest.fixture
def database(empty_database: DatabaseConfig) -> DatabaseConfig:
    """A database of a new issuer."""
    create_accounts(empty_database)
    return empty_database


@pytest.fixture(scope="session")
def one_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one key, in use since 1970. Tests that change the folder copy it."""
    folder = tmp_path_factory.mktemp("keys")
    keys.create(folder, now=0)
    return folder

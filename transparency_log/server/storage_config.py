"""Where a log keeps its files and its sequencing table, and opening both.

    [store]                              [sequence]
    kind = "directory"                   kind = "sqlite"
    path = "log"                         path = "sequence.db"

    kind = "s3"                          kind = "postgres"
    bucket = "log.example"               dsn = "postgres.dsn"
    prefix = "", endpoint and region as the provider says

The packages for S3 and PostgreSQL are loaded only when they are configured. Credentials of a store
come from the environment, as its client takes them, and that of a database from a file of mode
0600: neither stands in the configuration.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from transparency_log.errors import ConfigurationError
from transparency_log.server.directory_store import DirectoryStore
from transparency_log.server.secret_files import read_dsn
from transparency_log.server.sequence import SequenceTable
from transparency_log.server.sqlite_sequence import SqliteSequence
from transparency_log.server.storage import LogStorage
from transparency_log.server.store import ObjectStore
from transparency_log.server.toml_table import Table


@dataclass(frozen=True, kw_only=True)
class DirectoryConfig:
    """`[store]` with kind "directory"."""

    # Folder with the public files, made by `openpcc-log init`.
    path: Path


@dataclass(frozen=True, kw_only=True)
class S3Config:
    """`[store]` with kind "s3"."""

    # Bucket with the public files; it must exist.
    bucket: str
    # What their names begin with; "" or ending with a slash.
    prefix: str = ""
    # Address of the S3-compatible service; left out: Amazon's.
    endpoint: str | None = None
    # Region; left out: as the environment says.
    region: str | None = None


@dataclass(frozen=True, kw_only=True)
class SqliteConfig:
    """`[sequence]` with kind "sqlite"."""

    # File with the table, made by `openpcc-log init`. Never public, never restored from a copy.
    path: Path


@dataclass(frozen=True, kw_only=True)
class PostgresConfig:
    """`[sequence]` with kind "postgres"."""

    # File with the connection string (libpq), mode 0600; its schema belongs to this log alone.
    dsn: Path


StoreConfig = DirectoryConfig | S3Config
SequenceConfig = SqliteConfig | PostgresConfig


def read_store(table: Table) -> StoreConfig:
    """Take the `[store]` table."""
    store: StoreConfig
    match table.choice("kind", ("directory", "s3")):
        case "directory":
            store = DirectoryConfig(path=table.path("path"))
        case "s3":
            store = S3Config(
                bucket=table.text("bucket"),
                prefix=table.optional_text("prefix") or "",
                endpoint=table.optional_text("endpoint"),
                region=table.optional_text("region"),
            )
        case _:  # noted; nothing can be said of the others
            store = DirectoryConfig(path=Path())
            table.rest()
    table.end()
    return store


def read_sequence(table: Table) -> SequenceConfig:
    """Take the `[sequence]` table."""
    sequence: SequenceConfig
    match table.choice("kind", ("sqlite", "postgres")):
        case "sqlite":
            sequence = SqliteConfig(path=table.path("path"))
        case "postgres":
            sequence = PostgresConfig(dsn=table.path("dsn", read_dsn))
        case _:
            sequence = SqliteConfig(path=Path())
            table.rest()
    table.end()
    return sequence


def create_storage(store: StoreConfig, sequence: SequenceConfig) -> None:
    """Make an empty log.

    Raises:
        ConfigurationError: there is one already, or its place cannot be used.
        StorageError: its place cannot be written.
    """
    if isinstance(store, DirectoryConfig):
        DirectoryStore.create(store.path)
    with closing(_open_store(store)) as found:
        LogStorage.create(found)
    match sequence:
        case SqliteConfig():
            SqliteSequence.create(sequence.path)
        case PostgresConfig():
            from transparency_log.server.postgres_sequence import PostgresSequence

            PostgresSequence.create(sequence.dsn)
        case _:
            assert_never(sequence)


def require_storage(store: StoreConfig, sequence: SequenceConfig) -> None:
    """Check that there is a log, as far as it lies on this machine; nobody is asked for it.

    Raises:
        ConfigurationError: there is none, or a part of one.
    """
    missing = []
    if isinstance(store, DirectoryConfig) and not store.path.is_dir():
        missing.append(str(store.path))
    if isinstance(sequence, SqliteConfig) and not sequence.path.is_file():
        missing.append(str(sequence.path))
    if missing:
        raise ConfigurationError(
            f"{' and '.join(missing)}: no log here; make one with `openpcc-log init`"
        )


@contextmanager
def open_storage(store: StoreConfig, sequence: SequenceConfig) -> Iterator[LogStorage]:
    """Open a log; leaving closes it.

    Raises:
        ConfigurationError: there is none, or another process has it open.
        StorageError: it does not hold what was signed.
    """
    with closing(_open_sequence(sequence)) as table, closing(_open_store(store)) as files:
        yield LogStorage.open(files, table)


def _open_store(store: StoreConfig) -> ObjectStore:
    match store:
        case DirectoryConfig():
            return DirectoryStore.open(store.path)
        case S3Config():
            from transparency_log.server.s3_store import S3Store

            return S3Store.open(
                bucket=store.bucket,
                prefix=store.prefix,
                endpoint=store.endpoint,
                region=store.region,
            )
        case _:
            assert_never(store)


def _open_sequence(sequence: SequenceConfig) -> SequenceTable:
    match sequence:
        case SqliteConfig():
            return SqliteSequence.open(sequence.path)
        case PostgresConfig():
            from transparency_log.server.postgres_sequence import PostgresSequence

            return PostgresSequence.open(sequence.dsn)
        case _:
            assert_never(sequence)

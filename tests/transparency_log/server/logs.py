"""Logs to open, entries to put into them, and what their trees must be."""

from collections.abc import Sequence
from pathlib import Path

from tests.transparency_log.server.postgres_server import PostgresServer
from transparency_log import merkle
from transparency_log.checkpoint import Checkpoint
from transparency_log.note import SignatureLine, format_note
from transparency_log.server.sequence import Account, Submission
from transparency_log.server.storage import LogStorage
from transparency_log.server.storage_config import PostgresConfig

ACCOUNT = Account(name="tests", entries_per_day=10**9, bytes_per_day=10**12)
ENTRIES = [number.to_bytes(2, "big") for number in range(600)]
DAY = 20_000


def submission(entry: bytes, account: Account = ACCOUNT) -> Submission:
    """Submit an entry."""
    return Submission(entry=entry, leaf_hash=merkle.leaf_hash(entry), account=account)


def submissions(entries: Sequence[bytes], account: Account = ACCOUNT) -> list[Submission]:
    """Submit entries."""
    return [submission(entry, account) for entry in entries]


def root(size: int) -> bytes:
    """Compute the root of the tree of the first `size` of `ENTRIES`."""
    return merkle.tree_root([merkle.leaf_hash(entry) for entry in ENTRIES[:size]])


def grow(storage: LogStorage, start: int, end: int) -> None:
    """Take a log of `start` of `ENTRIES` to `end` of them, to the point of signing."""
    storage.append(submissions(ENTRIES[start:end]), day=DAY)
    storage.write_tiles()
    storage.record_head(storage.head())


def note(size: int) -> bytes:
    """Write what looks like a checkpoint to the storage, which checks no signature."""
    text = Checkpoint(origin="log.example/test", size=size, root=root(size)).encode()
    line = SignatureLine(name="log.example/test", key_id=bytes(4), signature=bytes(64))
    return format_note(text, [line])


def postgres_config(server: PostgresServer, path: Path) -> PostgresConfig:
    """Make a schema for a log, and the file with its connection string."""
    path.touch(mode=0o600)
    path.write_text(f"{server.new_schema()}\n")
    return PostgresConfig(dsn=path)

"""A log is killed at each of its steps: no acknowledged entry is lost, and the tree never forks."""

from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from tests.transparency_log.memory_log import ORIGIN
from tests.transparency_log.server.lives import POLICY, Place, live
from tests.transparency_log.server.logs import ENTRIES, postgres_config
from tests.transparency_log.server.postgres_server import PostgresServer
from transparency_log import merkle
from transparency_log.server.storage import LogStorage
from transparency_log.server.storage_config import (
    DirectoryConfig,
    PostgresConfig,
    SequenceConfig,
    SqliteConfig,
    create_storage,
    open_storage,
)
from transparency_log.server.witness_store import WitnessStore
from transparency_log.tile import bundle_path, new_tiles, parse_bundle
from transparency_log.witness_policy import WitnessedCheckpoint, verify_checkpoint

pytestmark = pytest.mark.long

BATCHES = [ENTRIES[:254], ENTRIES[250:259], ENTRIES[259:260]]
"""The second one fills a tile and begins another, and has entries of the first."""


def new_place(folder: Path, sequence: SequenceConfig) -> Place:
    """Make an empty log and an empty witness."""
    place = Place(
        store=DirectoryConfig(path=folder / "log"), sequence=sequence, witness=folder / "witness.db"
    )
    create_storage(place.store, place.sequence)
    WitnessStore.create(place.witness)
    return place


def published(storage: LogStorage) -> WitnessedCheckpoint | None:
    return verify_checkpoint(storage.checkpoint, POLICY) if storage.checkpoint else None


def entries(storage: LogStorage) -> list[bytes]:
    """Read all entries from the bundles."""
    paths = [path for path in new_tiles(0, storage.size) if path.level is None]
    assert paths[-1] == bundle_path(len(paths) - 1, storage.size)
    return [one for path in paths for one in parse_bundle(storage.read(path), path.width)]


def check(place: Place, acknowledged: dict[bytes, int], before: WitnessedCheckpoint | None) -> None:
    """Check all that a reader could see after the last life against what was said in each."""
    with open_storage(place.store, place.sequence) as storage:
        found = entries(storage)
        assert {entry: found.index(entry) for entry in acknowledged} == acknowledged
        assert sorted(found) == sorted(ENTRIES[:260])
        newest = published(storage)
        assert newest is not None
        checkpoint = newest.checkpoint
        assert checkpoint.size == 260
        assert checkpoint.root == merkle.tree_root([merkle.leaf_hash(one) for one in found])
        if before is not None and before.checkpoint.size:
            merkle.verify_consistency(
                old_size=before.checkpoint.size,
                old_root=before.checkpoint.root,
                size=checkpoint.size,
                root=checkpoint.root,
                proof=storage.consistency(before.checkpoint.size, checkpoint.size),
            )
    with closing(WitnessStore.open(place.witness)) as witness:
        assert witness.conflicts(ORIGIN) == []


def after_kill(place: Place) -> WitnessedCheckpoint | None:
    """Look at what a killed log has published, without touching its files."""
    assert isinstance(place.store, DirectoryConfig)
    try:
        return verify_checkpoint((place.store.path / "checkpoint").read_bytes(), POLICY)
    except FileNotFoundError:
        return None


def every_step(folder: Path, sequences: "Sequences", *, stride: int) -> int:
    """Kill a log at one step after the other, until it lives past the last; gives their number."""
    for kill_at in count(1, stride):
        here = folder / str(kill_at)
        here.mkdir()
        place = new_place(here, sequences.new(here))
        first = live(place, BATCHES, kill_at=kill_at)
        before = after_kill(place)
        covered = 0 if before is None else before.checkpoint.size
        assert all(index < covered for index in first.acknowledged.values())
        last = live(place, BATCHES, kill_at=None)
        assert first.acknowledged.items() <= last.acknowledged.items()
        check(place, first.acknowledged | last.acknowledged, before)
        if not first.killed:
            return kill_at
    raise AssertionError


class Sequences:
    """Gives places for sequencing tables."""

    def __init__(self, server: PostgresServer | None) -> None:
        self._server = server

    def new(self, folder: Path) -> SequenceConfig:
        """Give one where nothing is yet."""
        if self._server is None:
            return SqliteConfig(path=folder / "sequence.db")
        config: PostgresConfig = postgres_config(self._server, folder / "log.dsn")
        return config


def test_killed_at_each_step_with_sqlite(tmp_path: Path) -> None:
    assert every_step(tmp_path, Sequences(None), stride=1) > 60


def test_killed_at_steps_all_over_with_postgres(tmp_path: Path, postgres: PostgresServer) -> None:
    assert every_step(tmp_path, Sequences(postgres), stride=5) > 60


@pytest.mark.parametrize("kills", [5])
def test_killed_again_and_again(tmp_path: Path, kills: int) -> None:
    place = new_place(tmp_path, SqliteConfig(path=tmp_path / "sequence.db"))
    acknowledged: dict[bytes, int] = {}
    before = None
    for life in range(kills):
        end = live(place, BATCHES, kill_at=30 + 17 * life)
        assert acknowledged.items() <= (acknowledged | end.acknowledged).items()
        acknowledged |= end.acknowledged
        before = after_kill(place) or before
    acknowledged |= live(place, BATCHES, kill_at=None).acknowledged
    check(place, acknowledged, before)

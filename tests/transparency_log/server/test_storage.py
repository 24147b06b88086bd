"""The log's storage, in a folder, with either sequencing table."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.transparency_log.server.logs import (
    DAY,
    ENTRIES,
    grow,
    note,
    root,
    submissions,
)
from transparency_log import merkle
from transparency_log.errors import ConfigurationError, StorageError
from transparency_log.server.sequence import Head
from transparency_log.server.storage import LogStorage
from transparency_log.server.storage_config import (
    DirectoryConfig,
    SequenceConfig,
    SqliteConfig,
    create_storage,
    open_storage,
)
from transparency_log.tile import TilePath, bundle_path, new_tiles, parse_bundle

Place = tuple[DirectoryConfig, SequenceConfig]


@pytest.fixture
def place(tmp_path: Path, sequence_config: SequenceConfig) -> Place:
    """An empty log, not open."""
    store = DirectoryConfig(path=tmp_path / "log")
    create_storage(store, sequence_config)
    return store, sequence_config


@pytest.fixture
def storage(place: Place) -> Iterator[LogStorage]:
    with open_storage(*place) as found:
        yield found


def test_tiles_of_a_log_that_grew_give_its_root(storage: LogStorage) -> None:
    position = 0
    for end in (1, 2, 255, 256, 257, 511, 600):
        grow(storage, position, end)
        position = end
        assert storage.head() == Head(size=end, root=root(end))
    found = []
    for index in range(3):
        path = bundle_path(index, 600)
        found += parse_bundle(storage.read(path), path.width)
    assert found == ENTRIES


def test_log_goes_on_where_it_was_closed(place: Place) -> None:
    position = 0
    for end in (1, 255, 256, 257, 512, 600):
        with open_storage(*place) as storage:
            grow(storage, position, end)
            assert storage.root(position) == root(position)
        position = end
    with open_storage(*place) as storage:
        assert storage.head() == Head(size=600, root=root(600))


def test_entry_keeps_its_index(storage: LogStorage) -> None:
    assert storage.append(submissions([b"a", b"b", b"a"]), day=DAY) == [0, 1, 0]
    storage.write_tiles()
    assert storage.append(submissions([b"c", b"b"]), day=DAY) == [2, 1]
    storage.write_tiles()
    assert storage.size == 3


def test_interrupted_growth_is_finished_at_the_next_start(place: Place) -> None:
    with open_storage(*place) as storage:
        grow(storage, 0, 10)
        # and the process ends before the tiles are written
        storage.append(submissions(ENTRIES[10:300]), day=DAY)
    with open_storage(*place) as storage:
        assert storage.root(10) == root(10)
        assert storage.head() == Head(size=300, root=root(300))


def test_half_written_tiles_are_written_again(place: Place) -> None:
    with open_storage(*place) as storage:
        grow(storage, 0, 10)
        storage.append(submissions(ENTRIES[10:20]), day=DAY)
        folder = place[0].path / "tile" / "entries" / "000.p"
        (folder / ".20.new").write_bytes(b"half")
    with open_storage(*place) as storage:
        assert parse_bundle(storage.read(bundle_path(0, 20)), 20) == ENTRIES[:20]
    assert not list(place[0].path.rglob("*.new"))


def test_tile_is_never_written_with_other_bytes(storage: LogStorage, place: Place) -> None:
    grow(storage, 0, 10)
    storage.append(submissions(ENTRIES[10:20]), day=DAY)
    (place[0].path / "tile" / "0" / "000.p" / "20").write_bytes(bytes(640))
    with pytest.raises(StorageError, match="exists with other bytes"):
        storage.write_tiles()


def test_signed_tree_never_shrinks_or_changes(storage: LogStorage) -> None:
    grow(storage, 0, 10)
    storage.record_head(storage.head())
    for head in (Head(size=9, root=root(9)), Head(size=10, root=bytes(32))):
        with pytest.raises(StorageError, match="already signed"):
            storage.record_head(head)


def test_partial_tiles_go_once_the_full_one_is_published(place: Place) -> None:
    with open_storage(*place) as storage:
        grow(storage, 0, 10)
        storage.publish(note(10), size=10)
        grow(storage, 10, 11)
    with open_storage(*place) as storage:  # one that begins anew knows them, too
        grow(storage, 11, 12)
        grow(storage, 12, 300)
        assert storage.read(bundle_path(0, 10))
        storage.publish(note(300), size=300)
        assert list((place[0].path / "tile").rglob("000.p")) == [place[0].path / "tile/1/000.p"]
        assert storage.checkpoint == note(300)
        for path in new_tiles(0, 300):
            assert storage.read(path)
        assert storage.root(10) == root(10)
        assert storage.read(TilePath(level=0, index=0))


def test_consistency_between_any_two_sizes(storage: LogStorage) -> None:
    grow(storage, 0, 10)
    grow(storage, 10, 300)
    for old in (1, 10, 200, 300):
        merkle.verify_consistency(
            old_size=old,
            old_root=root(old),
            size=300,
            root=root(300),
            proof=storage.consistency(old, 300),
        )


def test_one_process_at_a_time(storage: LogStorage, place: Place) -> None:
    with pytest.raises(ConfigurationError, match="in use"), open_storage(*place):
        pass


def test_one_process_at_a_time_in_a_folder(
    storage: LogStorage, place: Place, tmp_path: Path
) -> None:
    other = SqliteConfig(path=tmp_path / "other.db")
    create_storage(DirectoryConfig(path=tmp_path / "other"), other)
    with pytest.raises(ConfigurationError, match="log: in use"), open_storage(place[0], other):
        pass


def test_a_log_that_is_not_opened_is_let_go(place: Place) -> None:
    with open_storage(*place) as storage:
        grow(storage, 0, 10)
    tile = place[0].path / "tile" / "0" / "000.p" / "10"
    genuine = tile.read_bytes()
    for wrong in (bytes(320), genuine[:-1], b""):
        tile.write_bytes(wrong)
        with pytest.raises(StorageError), open_storage(*place):
            pass
    tile.unlink()
    with pytest.raises(StorageError, match="backup"), open_storage(*place):
        pass
    tile.write_bytes(genuine)
    with open_storage(*place) as again:
        assert again.size == 10


@pytest.mark.parametrize("old", [10, 300])
def test_tiles_that_do_not_extend_the_signed_tree_are_not_signed(place: Place, old: int) -> None:
    with open_storage(*place) as storage:
        grow(storage, 0, old)
        storage.append(submissions(ENTRIES[old:600]), day=DAY)
        storage.write_tiles()
        # and the process ends before the tree of 600 is recorded
    tile = place[0].path / "tile" / "1" / "000.p" / "2"
    genuine = tile.read_bytes()
    for wrong in (bytes(32) + genuine[32:], genuine[:32] + bytes(32)):
        tile.write_bytes(wrong)
        if old == 300 or wrong.startswith(bytes(32)):
            with pytest.raises(StorageError, match="signed last"), open_storage(*place):
                pass
    tile.write_bytes(genuine)
    with open_storage(*place) as storage:
        assert storage.head() == Head(size=600, root=root(600))


def test_entries_that_are_not_those_of_the_tree_are_not_carried_on(place: Place) -> None:
    with open_storage(*place) as storage:
        grow(storage, 0, 10)
    bundle = place[0].path / "tile" / "entries" / "000.p" / "10"
    genuine = bundle.read_bytes()
    bundle.write_bytes(genuine[:-1] + b"x")
    with pytest.raises(StorageError, match="not the entries of the tree"), open_storage(*place):
        pass
    bundle.write_bytes(genuine)
    with open_storage(*place) as storage:
        grow(storage, 10, 11)


def test_table_older_than_the_files_is_refused(place: Place, tmp_path: Path) -> None:
    with open_storage(*place) as storage:
        grow(storage, 0, 10)
        storage.publish(note(10), size=10)
    older = SqliteConfig(path=tmp_path / "older.db")
    create_storage(DirectoryConfig(path=tmp_path / "other"), older)
    with pytest.raises(StorageError, match="checkpoint"), open_storage(place[0], older):
        pass


def test_checkpoint_that_somebody_else_replaced_stays(storage: LogStorage, place: Place) -> None:
    grow(storage, 0, 10)
    storage.publish(note(10), size=10)
    (place[0].path / "checkpoint").write_bytes(note(11))
    grow(storage, 10, 12)
    with pytest.raises(StorageError, match="somebody else"):
        storage.publish(note(12), size=12)
    assert (place[0].path / "checkpoint").read_bytes() == note(11)


def test_nothing_is_made_or_overwritten_silently(
    tmp_path: Path, sequence_config: SequenceConfig
) -> None:
    store = DirectoryConfig(path=tmp_path / "log")
    with pytest.raises(ConfigurationError, match="init"), open_storage(store, sequence_config):
        pass
    create_storage(store, sequence_config)
    with pytest.raises(ConfigurationError, match="not empty"):
        create_storage(store, sequence_config)
    with pytest.raises(ConfigurationError, match=r"exists|already"):
        create_storage(DirectoryConfig(path=tmp_path / "other"), sequence_config)

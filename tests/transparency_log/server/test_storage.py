from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from transparency_log import merkle
from transparency_log.errors import ConfigurationError, StorageError
from transparency_log.server.storage import Head, LogStorage
from transparency_log.tile import TilePath, bundle_path, new_tiles, parse_bundle

ENTRIES = [number.to_bytes(2, "big") for number in range(600)]


def root(size: int) -> bytes:
    return merkle.tree_root([merkle.leaf_hash(entry) for entry in ENTRIES[:size]])


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[LogStorage]:
    LogStorage.create(tmp_path / "log")
    with closing(LogStorage.open(tmp_path / "log")) as found:
        yield found


def grow(storage: LogStorage, start: int, end: int) -> None:
    storage.append(ENTRIES[start:end])
    storage.write_tiles()
    storage.record_head(Head(size=end, root=storage.root(end)))


def test_tiles_of_a_log_that_grew_give_its_root(storage: LogStorage) -> None:
    position = 0
    for end in (1, 2, 255, 256, 257, 511, 600):
        grow(storage, position, end)
        position = end
        assert storage.root(end) == root(end)
    found = []
    for index in range(3):
        path = bundle_path(index, 600)
        found += parse_bundle(storage.read(path), path.width)
    assert found == ENTRIES


def test_entry_keeps_its_index(storage: LogStorage) -> None:
    assert storage.append([b"a", b"b", b"a"]) == [0, 1, 0]
    assert storage.append([b"c", b"b"]) == [2, 1]
    assert storage.size() == 3


def test_interrupted_growth_is_finished_at_the_next_start(tmp_path: Path) -> None:
    LogStorage.create(tmp_path / "log")
    with closing(LogStorage.open(tmp_path / "log")) as storage:
        grow(storage, 0, 10)
        storage.append(ENTRIES[10:300])  # and the process ends before the tiles are written
    with closing(LogStorage.open(tmp_path / "log")) as storage:
        assert storage.head().size == 10
        assert storage.root(300) == root(300)


def test_half_written_tiles_are_written_again(tmp_path: Path) -> None:
    LogStorage.create(tmp_path / "log")
    with closing(LogStorage.open(tmp_path / "log")) as storage:
        grow(storage, 0, 10)
        storage.append(ENTRIES[10:20])
        folder = tmp_path / "log" / "tile" / "entries" / "000.p"
        (folder / ".20.new").write_bytes(b"half")
    with closing(LogStorage.open(tmp_path / "log")) as storage:
        assert parse_bundle(storage.read(bundle_path(0, 20)), 20) == ENTRIES[:20]


def test_tile_is_never_written_with_other_bytes(storage: LogStorage, tmp_path: Path) -> None:
    grow(storage, 0, 10)
    storage.append(ENTRIES[10:20])
    (tmp_path / "log" / "tile" / "0" / "000.p" / "20").write_bytes(bytes(640))
    with pytest.raises(StorageError):
        storage.write_tiles()


def test_signed_tree_never_shrinks_or_changes(storage: LogStorage) -> None:
    grow(storage, 0, 10)
    storage.record_head(storage.head())
    for head in (Head(size=9, root=root(9)), Head(size=10, root=bytes(32))):
        with pytest.raises(StorageError):
            storage.record_head(head)


def test_partial_tiles_go_once_the_full_one_is_published(
    storage: LogStorage, tmp_path: Path
) -> None:
    grow(storage, 0, 10)
    storage.publish(b"note", old_size=0, size=10)
    grow(storage, 10, 300)
    assert storage.read(bundle_path(0, 10))
    storage.publish(b"newer", old_size=10, size=300)
    assert not list((tmp_path / "log" / "tile" / "entries").glob("000.p"))
    assert storage.checkpoint() == b"newer"
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


def test_one_process_at_a_time(storage: LogStorage, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="in use"):
        LogStorage.open(tmp_path / "log")


def test_a_log_that_is_not_opened_is_let_go(tmp_path: Path) -> None:
    LogStorage.create(tmp_path / "log")
    with closing(LogStorage.open(tmp_path / "log")) as storage:
        grow(storage, 0, 10)
    tile = tmp_path / "log" / "tile" / "0" / "000.p" / "10"
    genuine = tile.read_bytes()
    tile.write_bytes(bytes(320))
    with pytest.raises(StorageError):
        LogStorage.open(tmp_path / "log")
    tile.write_bytes(genuine)
    with closing(LogStorage.open(tmp_path / "log")) as again:
        assert again.size() == 10


def test_nothing_is_made_or_overwritten_silently(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="init"):
        LogStorage.open(tmp_path / "log")
    LogStorage.create(tmp_path / "log")
    with pytest.raises(ConfigurationError, match="not empty"):
        LogStorage.create(tmp_path / "log")

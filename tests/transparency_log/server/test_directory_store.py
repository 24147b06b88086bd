import os
import resource
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from transparency_log.errors import ConfigurationError, StorageError
from transparency_log.server.directory_store import DirectoryStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    DirectoryStore.create(tmp_path / "log")
    return tmp_path / "log"


@pytest.fixture
def store(folder: Path) -> Iterator[DirectoryStore]:
    with closing(DirectoryStore.open(folder)) as found:
        yield found


def test_full_disk_is_named_with_its_remedy_and_leaves_the_old_file(
    store: DirectoryStore, folder: Path
) -> None:
    store.replace("checkpoint", b"old", old=None)
    (folder / ".checkpoint.new").symlink_to("/dev/full")  # a device that has no space left
    with pytest.raises(StorageError, match="checkpoint: No space left on device; free space"):
        store.replace("checkpoint", b"new", old=b"old")
    assert store.read("checkpoint") == b"old"
    (folder / ".checkpoint.new").unlink()
    store.replace("checkpoint", b"new", old=b"old")
    assert store.read("checkpoint") == b"new"


def test_full_disk_in_a_batch_leaves_no_file_that_is_not_whole(
    store: DirectoryStore, folder: Path
) -> None:
    (folder / "tile").mkdir()
    (folder / "tile" / ".b.new").symlink_to("/dev/full")
    files = [("tile/a", b"a"), ("tile/b", b"b"), ("tile/c", b"c")]
    with pytest.raises(StorageError, match="free space"):
        store.write_once(files)
    for name, _ in files:
        with pytest.raises(FileNotFoundError):
            store.read(name)
    (folder / "tile" / ".b.new").unlink()
    store.write_once(files)
    assert [store.read(name) for name, _ in files] == [b"a", b"b", b"c"]


def test_file_size_limit_is_named(store: DirectoryStore) -> None:
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, kept[1]))
    try:
        with pytest.raises(StorageError, match="File too large; raise the file size limit"):
            store.write_once([("tile/0/000", bytes(8192))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
        signal.signal(signal.SIGXFSZ, handler)
    store.write_once([("tile/0/000", bytes(8192))])
    assert store.read("tile/0/000") == bytes(8192)


def test_folder_in_the_way_is_named(store: DirectoryStore, folder: Path) -> None:
    (folder / "tile").write_bytes(b"a file where a folder should be")
    with pytest.raises(StorageError, match="start again"):
        store.write_once([("tile/0/000", b"x")])


def test_leftovers_of_a_crash_are_overwritten_and_never_given(
    store: DirectoryStore, folder: Path
) -> None:
    (folder / "tile" / "0").mkdir(parents=True)
    (folder / "tile" / "0" / ".000.new").write_bytes(b"half of something longer than the tile")
    with pytest.raises(FileNotFoundError):
        store.read("tile/0/000")
    store.write_once([("tile/0/000", b"whole")])
    assert store.read("tile/0/000") == b"whole"
    assert sorted(os.listdir(folder / "tile" / "0")) == ["000"]


def test_one_writer(store: DirectoryStore, folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="in use"):
        DirectoryStore.open(folder)


def test_writer_that_is_gone_leaves_the_folder_free(folder: Path) -> None:
    for _ in range(2):
        DirectoryStore.open(folder).close()


def test_folder_must_be_there_and_new_ones_empty(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="init"):
        DirectoryStore.open(tmp_path / "none")
    (folder / "something").touch()
    with pytest.raises(ConfigurationError, match="not empty"):
        DirectoryStore.create(folder)


def test_every_written_name_is_durable_before_the_call_returns(
    store: DirectoryStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, str]] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(descriptor: int) -> None:
        steps.append(("fsync", os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    def noted_replace(path: Path, target: Path) -> Path:
        steps.append(("rename", str(target)))
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    store.write_once([("tile/0/000", b"a"), ("tile/0/001", b"b")])
    tile = folder / "tile"
    assert steps == [
        ("fsync", str(folder)),
        ("fsync", str(tile)),
        ("fsync", str(tile / "0" / ".000.new")),
        ("fsync", str(tile / "0" / ".001.new")),
        ("rename", str(tile / "0" / "000")),
        ("rename", str(tile / "0" / "001")),
        ("fsync", str(tile / "0")),
    ]
    steps.clear()
    store.write_once([("tile/0/000", b"a")])  # perhaps renamed just before a crash
    assert steps == [("fsync", str(tile / "0"))]

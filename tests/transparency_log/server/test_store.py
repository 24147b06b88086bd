"""What every store of public files promises (`server/store.py`), tried with each kind."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.transparency_log.server.moto_bucket import moto_server
from transparency_log.errors import StorageError
from transparency_log.server.directory_store import DirectoryStore
from transparency_log.server.s3_store import S3Store
from transparency_log.server.store import ObjectStore

NAMES = ("tile/0/000", "tile/0/x001/234", "tile/entries/000.p/17")
FILES = [(name, name.encode() * 100) for name in NAMES]


def in_a_folder(folder: Path) -> Iterator[ObjectStore]:
    DirectoryStore.create(folder / "log")
    with closing(DirectoryStore.open(folder / "log")) as store:
        yield store


def in_a_bucket(_folder: Path) -> Iterator[ObjectStore]:
    with (
        moto_server() as moto,
        closing(S3Store.open(bucket=moto.bucket(), prefix="log/", endpoint=moto.url)) as store,
    ):
        yield store


STORES: dict[str, Callable[[Path], Iterator[ObjectStore]]] = {
    "directory": in_a_folder,
    "s3": in_a_bucket,
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    yield from STORES[request.param](tmp_path)


def test_gives_what_was_written(store: ObjectStore) -> None:
    store.write_once(FILES)
    assert [store.read(name) for name in NAMES] == [data for _, data in FILES]


def test_names_what_is_not_there(store: ObjectStore) -> None:
    store.write_once(FILES)
    for name in ("checkpoint", "tile/0/001", "tile/0/x001", "tile/0/000/000", "tile/0/000.p/17"):
        with pytest.raises(FileNotFoundError):
            store.read(name)


def test_writing_the_same_again_is_no_error(store: ObjectStore) -> None:
    store.write_once(FILES)
    store.write_once([*FILES, ("tile/0/001", b"more")])
    assert store.read("tile/0/001") == b"more"


def test_never_writes_other_bytes(store: ObjectStore) -> None:
    store.write_once(FILES)
    for other in (b"", FILES[0][1] + b"x", b"x" * len(FILES[0][1])):
        with pytest.raises(StorageError, match="tile/0/000"):
            store.write_once([(NAMES[0], other)])
    assert store.read(NAMES[0]) == FILES[0][1]


def test_replaces_only_what_it_is_told_to_replace(store: ObjectStore) -> None:
    with pytest.raises(StorageError):
        store.replace("checkpoint", b"first", old=b"something")
    store.replace("checkpoint", b"first", old=None)
    for old in (None, b"", b"second"):
        with pytest.raises(StorageError, match="checkpoint"):
            store.replace("checkpoint", b"third", old=old)
    store.replace("checkpoint", b"second", old=b"first")
    assert store.read("checkpoint") == b"second"


def test_deletes_what_is_there_and_minds_nothing_else(store: ObjectStore) -> None:
    store.write_once([*FILES, ("tile/entries/000.p/18", b"stays")])
    store.delete(["tile/entries/000.p/17", "tile/entries/000.p/16", "tile/entries/001.p/1"])
    assert store.read("tile/entries/000.p/18") == b"stays"
    with pytest.raises(FileNotFoundError):
        store.read("tile/entries/000.p/17")
    store.delete(["tile/entries/000.p/18"])
    store.write_once([("tile/entries/000", b"full")])
    assert store.read("tile/entries/000") == b"full"


def test_writes_nothing_of_an_empty_batch(store: ObjectStore) -> None:
    store.write_once([])
    store.delete([])

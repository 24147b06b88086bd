"""Files of one's own machine, read strictly: any bytes give what they say, or a named refusal."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transparency_log.cli.served_log import MANIFEST, write_policy
from tests.transparency_log.memory_log import MemoryLog, status_statement
from transparency_log.cli import files, guard
from transparency_log.cli.manifest import read_manifest
from transparency_log.cli.memory import Memory, MemoryFile
from transparency_log.cli.outcome import RefusedError
from transparency_log.cli.policy_file import load_policy
from transparency_log.errors import ConfigurationError
from transparency_log.follow import Frontier

TOML = MANIFEST.replace('{ file = "node.raw" }', f'{{ sha256 = "{"00" * 32}" }}').replace(
    'folder = "model"', f'digest = "{"00" * 32}"'
)
PLACES = st.integers(0, len(TOML))


@given(start=PLACES, length=st.integers(0, 40), new=st.text(max_size=12))
def test_any_change_of_a_manifest_is_read_or_refused(start: int, length: int, new: str):
    data = (TOML[:start] + new + TOML[start + length :]).encode()
    try:
        read_manifest(data, Path("release.toml"))
    except ConfigurationError:
        pass


@given(st.binary(max_size=200))
def test_any_bytes_are_no_manifest(data: bytes):
    with pytest.raises(ConfigurationError):
        read_manifest(data, Path("release.toml"))


def test_a_manifest_with_digests_is_read():
    assert read_manifest(TOML.encode(), Path("release.toml")).version == "0.1.0"


def memory_file(folder: Path) -> MemoryFile:
    return MemoryFile(folder / "seen", load_policy(write_policy(folder, MemoryLog())))


@given(st.binary(max_size=100), st.integers(0, 400))
def test_any_bytes_are_no_memory(data: bytes, cut: int):
    with TemporaryDirectory() as name:
        memory = memory_file(Path(name))
        memory.save(Memory())
        written = (Path(name) / "seen").read_bytes()
        for wrong in (data, written[:cut] + data + written[cut + 1 :]):
            (Path(name) / "seen").write_bytes(wrong)
            try:
                assert memory.load() == Memory()
            except ConfigurationError:
                pass


def test_memory_reads_back(tmp_path: Path):
    memory = memory_file(tmp_path)
    assert memory.load() == Memory()
    kept = Memory(checkpoint=b"note", frontier=Frontier(size=1, peaks=(bytes(32),)))
    memory.save(kept)
    assert memory.load() == kept


def test_a_process_that_read_less_does_not_take_memory_back(tmp_path: Path):
    memory = memory_file(tmp_path)
    kept = Memory(checkpoint=b"new", frontier=Frontier(size=2, peaks=(bytes(32),)))
    memory.save(kept)
    memory.save(Memory(checkpoint=b"old", frontier=Frontier(size=1, peaks=(bytes(32),))))
    assert memory.load() == kept


def test_memory_behind_a_link_that_leads_nowhere_is_not_forgotten(tmp_path: Path):
    memory = memory_file(tmp_path)
    (tmp_path / "seen").symlink_to(tmp_path / "stick" / "seen")
    with pytest.raises(ConfigurationError):
        memory.load()


@given(st.binary(max_size=100))
def test_any_bytes_are_no_memory_of_a_key(data: bytes):
    with TemporaryDirectory() as name:
        key = Path(name) / "key"
        key.touch()
        (Path(name) / "key.signed").write_bytes(data)
        with pytest.raises(ConfigurationError):
            guard.newest_signed(key, "log.example")


def test_a_key_remembers_one_status_of_each_number(tmp_path: Path):
    key = tmp_path / "key"
    key.touch()
    status = status_statement(3)
    guard.remember(key, status, b"a" * 32)
    guard.remember(key, status, b"a" * 32)
    with pytest.raises(RefusedError):
        guard.remember(key, status, b"b" * 32)
    with pytest.raises(RefusedError):
        guard.remember(key, status_statement(2), b"a" * 32)
    guard.remember(key, status_statement(4), b"b" * 32)
    guard.remember(key, status_statement(0, "log.example/else"), b"c" * 32)
    assert guard.newest_signed(key, status.log) == guard.Signed(sequence=4, digest=b"b" * 32)


def test_a_key_that_cannot_remember_is_not_used(tmp_path: Path):
    with pytest.raises(ConfigurationError):
        guard.remember(tmp_path / "absent", status_statement(0), bytes(32))
    (tmp_path / "key").touch()
    (tmp_path / "key.signed").mkdir()
    with pytest.raises(ConfigurationError):
        guard.remember(tmp_path / "key", status_statement(0), bytes(32))


def test_a_new_file_takes_nobodys_place(tmp_path: Path):
    files.create(tmp_path / "one", b"1")
    with pytest.raises(ConfigurationError):
        files.create(tmp_path / "one", b"2")
    (tmp_path / "link").symlink_to(tmp_path / "two")
    with pytest.raises(ConfigurationError):
        files.create(tmp_path / "link", b"3")
    assert not (tmp_path / "two").exists()


def test_long_and_missing_files_are_named(tmp_path: Path):
    files.create(tmp_path / "one", b"12345")
    for name, limit in (("one", 4), ("two", 4), (".", 4)):
        with pytest.raises(ConfigurationError):
            files.read(tmp_path / name, limit)

"""Manifests of models: deterministic, one digest everywhere, nothing left out."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import ArtifactError, AttesterError
from attestation.measure.model import ModelFile, ModelManifest, read_model
from attestation.model import model_digest
from tests.tools import requires
from transparency_log.cli import manifest as signers

VERITYSETUP = "/usr/sbin/veritysetup"

FILES = {
    "config.json": b"{}",
    "model.safetensors": bytes(range(256)) * 50,
    "empty": b"",
    "Tokenizer.json": b"x" * 4096,
    "größe.txt": b"1",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "model"
    place.mkdir()
    for name, data in FILES.items():
        (place / name).write_bytes(data)
    return place


def test_the_digest_is_the_agents_and_the_signers(folder: Path) -> None:
    assert read_model(folder).digest == model_digest(folder) == signers.model_digest(folder)


def test_the_same_files_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "another place"
    other.mkdir()
    for name in sorted(FILES, reverse=True):
        (other / name).write_bytes(FILES[name])
        os.utime(other / name, (1, 1))
    assert read_model(folder).encode() == read_model(other).encode()
    assert ModelManifest.parse(read_model(folder).encode()) == read_model(folder)


def test_each_root_hash_is_veritysetups(folder: Path, tmp_path: Path) -> None:
    requires(VERITYSETUP)
    for file in read_model(folder).files:
        if not file.size:
            assert file.verity == bytes(32)
            continue
        padded = tmp_path / "padded"
        padded.write_bytes(FILES[file.name].ljust(-(-file.size // 4096) * 4096, b"\0"))
        command = [VERITYSETUP, "format", "--no-superblock", "--salt=-", str(padded),
                   str(tmp_path / "tree")]  # fmt: skip
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert re.findall(r"Root hash:\s+(\w+)", told) == [file.verity.hex()]


@pytest.mark.parametrize("name", FILES)
def test_one_byte_changes_digest_and_names_the_file(name: str, folder: Path) -> None:
    before = read_model(folder)
    (folder / name).write_bytes(FILES[name] + b"!")
    after = read_model(folder)
    assert after.digest != before.digest
    assert before.differences(after) == (name,)


def test_a_file_more_or_less_is_named(folder: Path) -> None:
    before = read_model(folder)
    (folder / "more").write_bytes(b"")
    (folder / "empty").unlink()
    assert before.differences(read_model(folder)) == ("empty", "more")


def refused_everywhere(folder: Path) -> None:
    with pytest.raises(ArtifactError):
        read_model(folder)
    with pytest.raises(AttesterError):
        model_digest(folder)


def test_a_folder_in_it_is_refused_for_no_digest_would_cover_it(folder: Path) -> None:
    (folder / ".cache").mkdir()
    refused_everywhere(folder)


def test_what_is_no_file_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    refused_everywhere(folder)


def test_nothing_is_no_model(tmp_path: Path) -> None:
    refused_everywhere(tmp_path)
    refused_everywhere(tmp_path / "missing")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"version":1', '"version":2'),
        ('"size":2', '"size":-1'),
        ('"config.json"', '"../config.json"'),
        ('"config.json"', '""'),
        ('"config.json"', '".."'),
        ('"config.json"', '"zonfig.json"'),
        ('"size":2', '"size":2,"more":1'),
        ('"digest":"', '"digest":"0'),
    ],
)
def test_refuses_another_spelling(old: str, new: str, folder: Path) -> None:
    text = read_model(folder).encode().decode()
    assert old in text
    with pytest.raises(ArtifactError):
        ModelManifest.parse(text.replace(old, new, 1).encode())


def test_refuses_a_digest_that_is_not_that_of_its_files(folder: Path) -> None:
    found = read_model(folder)
    text = found.encode().decode().replace(found.digest.hex(), "0" * 64)
    with pytest.raises(ArtifactError, match="not that of its files"):
        ModelManifest.parse(text.encode())


def test_refuses_files_out_of_order_or_twice() -> None:
    one, two = (ModelFile(name=name, size=0, sha256=bytes(32), verity=bytes(32)) for name in "ab")
    for files in ((two, one), (one, one), ()):
        with pytest.raises(ArtifactError, match="in order of name"):
            ModelManifest(files=files)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_manifest_or_this_error(data: bytes) -> None:
    with pytest.raises(ArtifactError):
        ModelManifest.parse(data)

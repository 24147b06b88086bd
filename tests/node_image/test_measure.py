"""`python -m node_image.measure`: what it prints is what a release says."""

import json
import tomllib
from pathlib import Path

import pytest

from attestation.measure.model import ModelManifest, read_model
from node_image.measure.main import main
from tests.fakes import image
from tests.transparency_log.memory_log import release_statement
from transparency_log.release import parse_release
from transparency_log.strict_json import Members


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return image.write(tmp_path / "image", image.contents())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    place = tmp_path / "demo"
    place.mkdir()
    (place / "model.safetensors").write_bytes(b"weights")
    return place


def printed(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(words) == 0
    return capsys.readouterr().out


def test_platforms_are_those_of_a_release(
    folder: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["platforms", str(folder), "--model", f"demo={model}", "--devices", "8"]
    said = json.loads(printed([*words, "--", *image.ARGUMENTS], capsys))
    predicate = {**release_statement().predicate(), "platforms": said}
    release = parse_release(Members(predicate, "release"))
    assert release.predicate()["platforms"] == said
    assert release.platforms["tdx"].devices.count == 8
    as_toml = tomllib.loads(printed([*words, "--toml", "--", *image.ARGUMENTS], capsys))
    assert as_toml["platforms"] == said


def test_models_and_arguments_are_in_them(
    folder: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = json.loads(printed(["platforms", str(folder)], capsys))
    other = json.loads(printed(["platforms", str(folder), "--model", f"demo={model}"], capsys))
    assert plain["tdx"]["registers"]["3"] != other["tdx"]["registers"]["3"]
    assert plain["sev-snp"] == other["sev-snp"]


def test_a_manifest_is_printed_and_is_enough(
    folder: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(["model", str(model)], capsys)
    assert ModelManifest.parse(text.strip().encode()) == read_model(model)
    manifest = tmp_path / "demo.json"
    manifest.write_text(text.strip())
    words = ["platforms", str(folder), "--model"]
    one, two = (printed([*words, f"demo={path}"], capsys) for path in (model, manifest))
    assert one == two


def test_a_file_that_cannot_be_measured_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "OVMF.fd").write_bytes(bytes(4096))
    assert main(["platforms", str(folder)]) == 1
    assert capsys.readouterr().err.startswith("node_image.measure: firmware: ")
    assert main(["model", str(folder)]) == 1
    assert "is no file" in capsys.readouterr().err

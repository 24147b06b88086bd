"""`python -m node_image.measure`: what it prints is what a release says."""

import hashlib
import json
import tomllib
from pathlib import Path

import pytest

from attestation.measure.model import ModelManifest, read_model
from node_image.measure.main import main
from tests.fakes import image, uki
from tests.transparency_log.memory_log import release_statement
from transparency_log.cli.manifest import read_manifest
from transparency_log.cli.outcome import RefusedError
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


SAID = [
    "--version=0.1.0",
    "--engine=embedded=0.1.0",
    "--source=https://example.org/openpcc",
    f"--commit={'0' * 40}",
    "--expires=2100-01-01T00:00:00Z",
]


@pytest.fixture
def whole(tmp_path: Path, model: Path) -> Path:
    """An image with its recipe and the manifest of its model."""
    folder = image.write(tmp_path / "image", image.contents() | {"recipe": b"a recipe"})
    (folder / "models").mkdir()
    (folder / "models" / "demo.json").write_bytes(read_model(model).encode())
    return folder


def test_a_release_is_what_its_signers_take(
    whole: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(["release", str(whole), *SAID, "--devices=2", "--", *image.ARGUMENTS], capsys)
    release = read_manifest(text.encode(), whole / "release.toml")
    assert release.image == hashlib.sha256(image.contents()["disk"]).digest()
    assert release.recipe.sha256 == hashlib.sha256(b"a recipe").digest()
    assert [(one.name, one.digest) for one in release.models] == [
        ("demo", read_model(model).digest)
    ]
    assert (release.engine.name, release.engine.version) == ("embedded", "0.1.0")
    assert release.engine.arguments == image.ARGUMENTS
    assert (release.version, release.mode, release.expires) == ("0.1.0", "attested", 4102444800)
    assert set(release.platforms) == set(image.MACHINES)
    words = ["platforms", str(whole), f"--model=demo={model}", "--devices=2"]
    said = json.loads(printed([*words, "--", *image.ARGUMENTS], capsys))
    assert release.predicate()["platforms"] == said


def test_a_release_of_an_image_for_debugging_says_so(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = image.contents() | {"uki": uki.uki({".cmdline": b"ro openpcc.debug"})}
    image.write(whole, found | {"recipe": b"a recipe"})
    text = printed(["release", str(whole), *SAID], capsys)
    assert tomllib.loads(text)["mode"] == "debug"
    with pytest.raises(RefusedError, match="for debugging"):
        read_manifest(text.encode(), whole / "release.toml")


def test_a_release_is_of_a_machine_and_a_recipe(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["release", str(folder), *SAID]) == 1
    assert "needs artifact 'recipe'" in capsys.readouterr().err
    described = json.loads((folder / "image.json").read_bytes())
    (folder / "image.json").write_text(json.dumps(described | {"machines": {}}))
    assert main(["release", str(folder), *SAID]) == 1
    assert "names no machine" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"), [("--expires", "tomorrow"), ("--engine", "embedded"), ("--commit", None)]
)
def test_what_nobody_said_is_not_guessed(folder: Path, option: str, value: str | None) -> None:
    words = [word for word in SAID if not word.startswith(option)]
    with pytest.raises(SystemExit) as refused:
        main(["release", str(folder), *words, *([] if value is None else [f"{option}={value}"])])
    assert refused.value.code == 2

"""`python -m node_image.measure simulated`: what it prints is what a simulated node measures to."""

import tomllib
from pathlib import Path

import pytest

from attestation.simulated.collect import expected_values
from node_image.embedded import __file__ as embedded
from node_image.measure.main import main
from tests.transparency_log.memory_log import release_statement
from transparency_log.release import parse_release
from transparency_log.strict_json import Members

MODEL = Path(embedded).parent / "model"
ARGUMENTS = ("--max-model-len", "512")


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert main(["simulated", *words]) == 0
    return tomllib.loads(capsys.readouterr().out)


def test_it_is_what_nodes_are_expected_to_show(capsys: pytest.CaptureFixture[str]) -> None:
    manifest = ("--manifest", "embedded=0.1.0")
    said = printed(capsys, "--model", f"demo={MODEL}", *manifest, "--", *ARGUMENTS)
    predicate = {**release_statement().predicate(), **said}
    release = parse_release(Members(predicate, "release"))
    models = [(one.name, one.digest) for one in release.models]
    measurement, registers = expected_values(models, release.engine.arguments)
    assert release.engine.arguments == ARGUMENTS
    assert release.platforms["simulated"].measurement == measurement
    assert release.platforms["simulated"].registers == registers
    assert release.platforms["simulated"].devices.kinds == ("simulated-gpu",)


def test_without_a_manifest_the_platform_stands_alone(capsys: pytest.CaptureFixture[str]) -> None:
    plain = printed(capsys, "--model", f"demo={MODEL}")
    other = printed(capsys, "--model", f"demo={MODEL}", "--", *ARGUMENTS)
    assert plain.keys() == {"platforms"}
    assert plain != other


def test_a_model_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulated", "--model", "demo=nowhere"]) == 1
    assert "nowhere" in capsys.readouterr().err

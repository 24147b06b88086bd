"""`openpcc audit release`: files, exit codes, and whether the log still lists the release."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from openpcc.cli.main import main
from tests.fakes import image
from tests.fakes.released import publish
from tests.openpcc.cli.policy.test_rotate import policy_file
from tests.openpcc.test_key_rotation import Announcing
from tests.transparency_log.cli.served_log import ServedLog, served
from tests.transparency_log.memory_log import NOW


@pytest.fixture
def announcing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Announcing:
    monkeypatch.setattr("openpcc.clock.now", lambda: NOW)
    return Announcing(tmp_path)


@pytest.fixture
def folder(announcing: Announcing, tmp_path: Path) -> Path:
    found = image.contents()
    folder = image.write(tmp_path / "image", found)
    (folder / "release.proof").write_bytes(publish(announcing.world, found))
    return folder


@pytest.fixture
def words(announcing: Announcing, folder: Path, tmp_path: Path) -> list[str]:
    policy = policy_file(announcing, tmp_path)
    return ["audit", "release", "--image", str(folder), "--policy", str(policy)]


@pytest.fixture
def log(announcing: Announcing, folder: Path) -> Iterator[ServedLog]:
    assert folder.is_dir()  # its release is in the log
    with served(announcing.world.log, now=NOW) as found:
        yield found


def test_an_honest_image_exits_0(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["verdict"], said["kind"], said["simulated"]) == ("PASS", "image", False)


def test_a_tampered_image_exits_1_and_says_where(
    words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "node.efi"
    path.write_bytes(path.read_bytes().replace(b"console=ttyS0", b"console=ttyS1"))
    assert main(words) == 1
    said = capsys.readouterr().out
    assert "FAIL" in said
    assert "uki: SHA-256" in said
    assert "register 4 (uki)" in said


def test_the_log_says_whether_it_is_still_listed(
    words: list[str], log: ServedLog, announcing: Announcing, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--log", log.url, "--json"]) == 0
    outcomes = json.loads(capsys.readouterr().out)["sections"][0]["findings"]
    assert {"7.status": "PASS", "7.fresh": "PASS"}.items() <= {
        one["id"]: one["outcome"] for one in outcomes
    }.items()


def test_a_page_is_written(words: list[str], tmp_path: Path) -> None:
    assert main([*words, "--report", str(tmp_path / "image.html")]) == 0
    assert "Image of a release" in (tmp_path / "image.html").read_text()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--image", "no-such-folder"], "is no folder"),
        (["--release", "no-such-file"], "cannot be read"),
        (["--ear-out", "x"], "--ear"),
    ],
)
def test_wrong_usage_is_named(
    more: list[str], said: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, *more]) == 2
    assert said in capsys.readouterr().err

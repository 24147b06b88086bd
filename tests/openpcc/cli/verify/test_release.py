"""`openpcc verify release`: the files, the log, what is shown, and the exit codes."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from openpcc.cli.main import main
from tests.openpcc.cli.policy.test_rotate import policy_file
from tests.openpcc.test_key_rotation import Announcing
from tests.transparency_log.cli.served_log import ServedLog, served
from tests.transparency_log.memory_log import NOW, status_statement
from transparency_log.entry import sign_entry


@pytest.fixture
def announcing(tmp_path: Path) -> Announcing:
    return Announcing(tmp_path)


@pytest.fixture
def words(announcing: Announcing, tmp_path: Path) -> list[str]:
    """A command line that accepts."""
    world = announcing.world
    (tmp_path / "release.proof").write_bytes(world.proof(world.release_index))
    (tmp_path / "status.proof").write_bytes(world.proof(1))
    policy = policy_file(announcing, tmp_path)
    return ["verify", "release", str(tmp_path / "release.proof"), "--policy", str(policy)]


@pytest.fixture
def log(announcing: Announcing, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedLog]:
    monkeypatch.setattr("openpcc.clock.now", lambda: NOW)
    with served(announcing.world.log, now=NOW) as found:
        yield found


def test_files_are_enough(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([*words, "--at", str(NOW), "--status", str(tmp_path / "status.proof")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("ACCEPTED, SIMULATED: this release alone")
    for word in ("openpcc-node 0.1.0", "on simulated", "expires", "7.status", "--max-model-len"):
        assert word in said
    assert "2.signature" not in said
    assert "as given; --log reads the newest" in said


def test_json_is_the_report_and_what_it_says(
    words: list[str], announcing: Announcing, capsys: pytest.CaptureFixture[str]
):
    assert main([*words, "--at", str(NOW), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["scope"], said["verdict"]) == ("release", "accepted")
    assert said["says"]["version"] == "0.1.0"
    assert said["status"] is None
    assert said["release"] == announcing.world.release.hex()


def test_the_page_says_the_same(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main([*words, "--at", str(NOW), "--report", str(tmp_path / "r.html")]) == 0
    page = (tmp_path / "r.html").read_text()
    for word in (">PASS, SIMULATED</span></h1>", "Release of the software", "not audited"):
        assert word in page


def test_the_log_is_asked_for_the_newest_status(
    words: list[str], log: ServedLog, announcing: Announcing, capsys: pytest.CaptureFixture[str]
):
    assert main([*words, "--log", log.url, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["status"] == {"sequence": 0, "issued": NOW - 60, "newest": True}
    statement = replace(status_statement(1), releases=())
    log.log.entries.append(sign_entry(statement, [log.log.status]))
    log.log.entries += [b"others"] * 600  # it stands far back
    assert main([*words, "--log", log.url]) == 1
    assert "7.status failed" in capsys.readouterr().out


def test_the_proof_is_held_against_the_log(
    words: list[str], log: ServedLog, announcing: Announcing, capsys: pytest.CaptureFixture[str]
):
    announcing.world.log.entries[0] = b"another history"
    assert main([*words, "--log", log.url]) == 1
    assert "5.consistency failed" in capsys.readouterr().out


def test_a_log_that_is_behind_is_refused(words: list[str], log: ServedLog):
    log.time = NOW - 1201
    assert main([*words, "--log", log.url]) == 1


def test_a_log_that_is_not_there_is_the_network(words: list[str], log: ServedLog):
    log.location = "http://127.0.0.1:1/elsewhere"
    assert main([*words, "--log", log.url]) == 3
    assert main([*words, "--log", "ftp://log.example"]) == 2


@pytest.mark.parametrize(
    "more",
    [
        ["--log", "http://127.0.0.1:1", "--at", "1"],
        ["--consistency", "proof"],
        ["--status", "absent"],
        ["--at", "yesterday"],
    ],
)
def test_wrong_usage_is_told(words: list[str], more: list[str]):
    assert main([*words, *more]) == 2


def test_a_status_that_is_none_is_a_wrong_file(words: list[str], tmp_path: Path):
    assert main([*words, "--at", str(NOW), "--status", str(tmp_path / "release.proof")]) == 2

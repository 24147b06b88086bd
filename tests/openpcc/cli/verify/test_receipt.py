"""`openpcc verify receipt`: files in, words, JSON and a page out, exit codes."""

import json
from pathlib import Path

import pytest

from openpcc.audit import document
from openpcc.audit.report import AuditKind, Verdict
from openpcc.cli.main import main
from tests.fakes import kept
from tests.fakes.kept_receipt import KeptReceipt
from tests.fakes.world import World


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A command line that accepts."""
    folder = tmp_path_factory.mktemp("kept")
    world = World(folder / "world")
    receipt, bundle = KeptReceipt(world).keep(folder)
    policy = folder / "policy.toml"
    policy.write_text(kept.policy_toml(world.policy))
    return ["verify", "receipt", str(receipt), "--bundle", str(bundle), "--policy", str(policy)]


def test_files_are_enough(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(words) == 0
    said = capsys.readouterr().out
    assert said.startswith("PASS, SIMULATED: Every required check passed.")
    assert "What it leaves open: What was asked and answered" in said


def test_json_is_the_report(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert main([*words, "--json"]) == 0
    report = document.parse(capsys.readouterr().out.encode())
    assert (report.kind, report.verdict) == (AuditKind.RECEIPT, Verdict.PASS)


def test_the_page_is_written_beside(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main([*words, "--json", "--report", str(tmp_path / "r.html")]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "receipt"
    assert b"<h1" in (tmp_path / "r.html").read_bytes()


def test_another_receipt_is_refused(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    other = tmp_path / "other.json"
    other.write_text("{}")
    assert main([*words[:2], str(other), *words[3:]]) == 1
    assert "receipt.parse" in capsys.readouterr().out


def test_wrong_usage_ends_with_2(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main([*words[:2], str(tmp_path / "none"), *words[3:]]) == 2
    assert main([*words, "--report", str(tmp_path / "none" / "r.html")]) == 2
    assert main([*words, "--at", "tomorrow"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "there is no such folder" in lines[1]

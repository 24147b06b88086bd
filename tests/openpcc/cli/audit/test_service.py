"""`openpcc audit`, `audit gateway`, `audit node`: wrong arguments are named before any request.

What they find, and their exit codes, stand in `tests/journeys/test_audit.py`.
"""

import json
import re
from pathlib import Path

import pytest

from openpcc.cli.main import main

FORMATS = Path(__file__).parents[4] / "docs" / "formats.md"
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def policy(tmp_path: Path) -> str:
    found = re.search(r"^```toml policy\n(.*?)^```", FORMATS.read_text(), re.M | re.S)
    assert found is not None
    path = tmp_path / "policy.toml"
    path.write_text(found[1])
    return str(path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gateway", "ftp://x"], "the gateway's URL must be an https URL"),
        (["gateway", "http://example.org"], "http only on a loopback address"),
        (["gateway", f"{NOBODY}/?x=1"], "the gateway's URL must be an https URL"),
        (["gateway", NOBODY, "--relay", "x"], "--relay must be an https URL"),
        (["gateway", NOBODY, "--minutes", "0"], "--minutes"),
        (["gateway", NOBODY, "--log", "x"], "--log"),
        (["gateway", NOBODY, "--ear-out", "x"], "--ear"),
        (["gateway", NOBODY, "--report", "none/x.html"], "no such folder"),
        (["node", "xyz"], "8 to 64 hex digits"),
        (["node", "0" * 65], "8 to 64 hex digits"),
        (["node", "--minutes", "100000"], "--minutes"),
        (["--gateway", "x"], "--gateway must be an https URL"),
    ],
)
def test_names_a_wrong_argument(
    words: list[str], said: str, policy: str, capsys: pytest.CaptureFixture[str]
):
    relay = [] if "--relay" in words else ["--relay", NOBODY]
    assert main(["audit", *words, "--policy", policy, *relay]) == 2
    assert said in capsys.readouterr().err


def test_without_a_policy_it_says_what_to_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delenv("OPENPCC_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert main(["audit", "node"]) == 2
    assert "--config" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["gateway", NOBODY], ["node"], ["node", "--every"]])
def test_nobody_answers(words: list[str], policy: str, tmp_path: Path):
    state = tmp_path / "state"
    arguments = ["--policy", policy, "--relay", NOBODY, "--state", str(state)]
    assert main(["audit", *words, *arguments]) == 3
    assert not (state / "directory.json").exists()


def test_nobody_answers_the_whole(policy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Then the report says so of each part, for whoever reads it and not the exit code."""
    config = tmp_path / "client.toml"
    config.write_text(f'version = 1\nrelay = "{NOBODY}"\npolicy = "{policy}"\nstate = "state"\n')
    words = ["audit", "--gateway", NOBODY, "--config", str(config), "--json"]
    assert main(words) == 3
    report = json.loads(capsys.readouterr().out)
    findings = [one for section in report["sections"] for one in section["findings"]]
    failed = [one["id"] for one in findings if one["outcome"] == "FAIL"]
    assert failed == ["log.served", "gateway.answer", "nodes.answer"]


def test_the_whole_needs_a_gateway(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        main(["audit", "--json"])
    assert caught.value.code == 2
    assert "--gateway" in capsys.readouterr().err

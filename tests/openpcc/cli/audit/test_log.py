"""`openpcc audit log` over HTTP: exit codes, JSON, state, metrics; killed, it goes on."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from openpcc.cli.main import main
from tests.transparency_log.cli.served_log import ServedLog, served
from tests.transparency_log.memory_log import NOW, service_statement
from tests.transparency_log.monitor.chains import SERVICE, Planted
from transparency_log.entry import Signer, sign_entry
from transparency_log.strict_json import b64encode


def write_policy(planted: Planted, folder: Path) -> Path:
    log = planted.log
    text = (
        f'version = 1\nservice = "{SERVICE}"\n\n[attestation]\nplatforms = ["sev-snp"]\n\n'
        f'[log]\norigin = "{log.policy.origin}"\nkey = "{log.policy.log_vkey}"\nquorum = 2\n'
    )
    for one in log.policy.witnesses:
        text += f'\n[[log.witnesses]]\nname = "{one.name}"\nkey = "{one.vkey}"\n'
        text += f'operator = "{one.operator}"\n'
    signers = {"release": log.release, "status": log.status, "service": log.service}
    for kind, signer in signers.items():
        text += f'\n[signers.{kind}]\nthreshold = 1\nkeys = ["{public(signer)}"]\n'
    path = folder / "policy.toml"
    path.write_text(text)
    return path


def public(signer: Signer) -> str:
    return b64encode(signer.public_key)


@pytest.fixture
def planted() -> Planted:
    return Planted().honest()


@pytest.fixture
def log(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedLog]:
    monkeypatch.setattr("openpcc.clock.now", lambda: NOW)
    monkeypatch.setattr("openpcc.audit.log_files.PAUSE", 0.0)
    with served(planted.log, now=NOW) as state:
        yield state


@pytest.fixture
def words(planted: Planted, log: ServedLog, tmp_path: Path) -> list[str]:
    policy = write_policy(planted, tmp_path)
    return ["audit", "log", "--policy", str(policy), "--log", log.url]


def test_an_honest_log_exits_0_and_writes_what_was_asked(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    metrics = tmp_path / "log.prom"
    words += ["--json", "--state", str(tmp_path / "state"), "--metrics", str(metrics)]
    assert main(words) == 0
    printed = capsys.readouterr()
    said = json.loads(printed.out)
    assert (said["verdict"], said["kind"]) == ("PASS", "log")
    assert printed.err == ""
    assert "openpcc_audit_log_passed 1\n" in metrics.read_text()
    assert (tmp_path / "state" / "monitor.db").exists()


def test_a_fault_exits_1_and_says_what_to_do(
    words: list[str], planted: Planted, capsys: pytest.CaptureFixture[str]
):
    planted.status(sequence=9)
    assert main(words) == 1
    said = capsys.readouterr().out
    assert said.startswith("FAIL: ")
    assert "numbers 3 to 8 missing before number 9" in said
    assert "log.chain-gap: ask its signers" in said


def test_a_log_that_is_not_there_exits_3_and_the_metrics_say_so(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    metrics = tmp_path / "log.prom"
    words[-1] = "http://127.0.0.1:1"
    assert main([*words, "--metrics", str(metrics)]) == 3
    assert "no connection" in capsys.readouterr().out
    assert "openpcc_audit_log_passed 0\n" in metrics.read_text()


def test_a_relay_that_is_not_there_exits_3_and_the_metrics_say_so(
    planted: Planted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    policy, metrics, config = write_policy(planted, tmp_path), tmp_path / "m", tmp_path / "c.toml"
    config.write_text(
        f'version = 1\nrelay = "http://127.0.0.1:1"\npolicy = "{policy.name}"\nstate = "state"\n'
    )
    words = ["audit", "log", "--config", str(config), "--metrics", str(metrics), "--json"]
    assert main(words) == 3
    assert "connection refused" in capsys.readouterr().out
    assert "openpcc_audit_log_passed 0\n" in metrics.read_text()


def test_hostile_names_move_no_cursor(
    words: list[str], planted: Planted, capsys: pytest.CaptureFixture[str]
):
    hostile = replace(service_statement(3), service="\x1b[2J\u202eevil\x9b")
    planted.append(sign_entry(hostile, [planted.log.service]))
    assert main(words) == 1
    said = capsys.readouterr().out
    assert "evil" in said
    assert not re.search("[\x1b\x9b\u202e]", said)


@pytest.mark.parametrize("since", ["@9", "@7"])
def test_since_takes_an_index(words: list[str], planted: Planted, since: str):
    planted.status(sequence=9)
    assert main([*words, "--since", since]) == (0 if since == "@9" else 1)


@pytest.mark.parametrize(
    "more", [["--since", "@x"], ["--minutes", "0"], ["--log", "nowhere"], ["--since", "@-1"]]
)
def test_arguments_that_are_none_exit_2(words: list[str], more: list[str]):
    assert main([*words, *more]) == 2


def test_a_state_that_is_none_exits_2(words: list[str], tmp_path: Path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "monitor.db").write_bytes(b"something else")
    assert main([*words, "--state", str(tmp_path / "state")]) == 2


SCRIPT = """
import sys
import openpcc.clock, transparency_log.follow
transparency_log.follow.STRETCH = 1
openpcc.clock.now = lambda: int(sys.argv[1])
from openpcc.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


def test_a_monitor_that_is_killed_goes_on(tmp_path: Path):
    planted = Planted().honest(600)
    state = ["--state", str(tmp_path / "state"), "--json"]
    with served(planted.log, now=NOW) as log:
        words = ["audit", "log", "--policy", str(write_policy(planted, tmp_path)), "--log", log.url]
        command = [sys.executable, "-c", SCRIPT, str(NOW), *words, *state]
        stalled, go_on = stalls_at(log, "tile/entries/003")
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            assert stalled.wait(60)
            process.kill()
        go_on.set()
        again = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert again.returncode == 0, again.stderr
    sections = {one["name"]: one for one in json.loads(again.stdout)["sections"]}
    assert sections["entries"]["facts"] == {"judged": 1201, "judged_now": 1201 - 3 * 256}


def stalls_at(log: ServedLog, stop: str) -> tuple[threading.Event, threading.Event]:
    """Let a log fall silent where a path is asked for, until it is told to go on."""
    stalled, go_on = threading.Event(), threading.Event()
    answer = log.get

    def get(path: str) -> tuple[int, bytes]:
        if path == stop and not go_on.is_set():
            stalled.set()
            go_on.wait(60)
        return answer(path)

    log.get = get  # type: ignore[method-assign]
    return stalled, go_on

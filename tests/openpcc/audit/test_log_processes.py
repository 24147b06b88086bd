"""An audit of a real log with real witnesses: processes, sockets and files."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.openpcc.cli.audit.test_log import write_policy
from tests.transparency_log.memory_log import MemoryLog
from tests.transparency_log.monitor.chains import Planted
from tests.transparency_log.server.processes import World, running_world
from transparency_log.witness_policy import LogPolicy

MAIN = "import sys; from openpcc.cli.main import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("world")) as running:
        yield running


class _Real(MemoryLog):
    """Signs as the log in memory; what it trusts is the running one."""

    real: LogPolicy

    @property
    def policy(self) -> LogPolicy:
        return self.real


def planted_in(world: World) -> Planted:
    log = _Real()
    log.real = world.policy
    return Planted(log=log)


def audit(words: list[str]) -> tuple[int, dict[str, dict[str, str]], dict[str, object]]:
    command = [sys.executable, "-c", MAIN, "audit", "log", "--json", *words]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    said = json.loads(done.stdout)
    found = {one["id"]: one for section in said["sections"] for one in section["findings"]}
    facts = {
        name: value for section in said["sections"] for name, value in section["facts"].items()
    }
    return done.returncode, found, facts


def test_a_real_log_passes_grows_and_shows_a_gap(world: World, tmp_path: Path):
    planted, now = planted_in(world), int(time.time())
    planted.release(expires=now + 86400)
    planted.status(issued=now)
    planted.service(not_before=now - now % 600, not_after=now - now % 600 + 1200)
    sent = send(world, planted, 0)
    words = ["--policy", str(write_policy(planted, tmp_path)), "--log", world.log_url]
    words += ["--state", str(tmp_path / "state")]
    code, found, facts = audit(words)
    assert (code, facts["judged"]) == (0, 3), found
    planted.status(issued=now, sequence=4)
    send(world, planted, sent)
    code, found, facts = audit(words)
    assert code == 1
    failing = [name for name, one in found.items() if one["outcome"] == "FAIL"]
    assert (failing, facts["judged_now"]) == (["log.chain-gap"], 1)
    assert world.log is not None
    words[3] = world.log_url
    world.log.kill()
    code, found, _ = audit(words)
    assert (code, found["log.served"]["outcome"]) == (3, "FAIL")


def send(world: World, planted: Planted, sent: int) -> int:
    """Submit what was planted since; give how many there are now."""
    entries = planted.log.entries
    for entry in entries[sent:]:
        assert world.add(entry).status_code == 200
    return len(entries)

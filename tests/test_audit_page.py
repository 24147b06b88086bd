"""docs/audit.md names every check of an audit as the programs do, and its commands exist."""

import configparser
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from openpcc.audit import log_tests, receipt
from openpcc.audit.attack import proxy
from openpcc.audit.attack.attempt import Attack
from openpcc.audit.attack.run import PLACES
from openpcc.audit.gateway_tests import GATEWAY
from openpcc.audit.node_tests import NODE
from openpcc.audit.release_tests import RELEASE
from openpcc.cli import main

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "audit.md").read_text()
PARTS = {
    part.partition("\n")[0]: part.partition("\n")[2] for part in re.split(r"^## ", PAGE, flags=re.M)
}
BLOCKS = dict(re.findall(r"^```[a-z]+ ?(\S*)\n(.*?)^```", PAGE, re.M | re.S))
EVERY: tuple[Attack[Any], ...] = (
    *(one for _, _, every in PLACES for one in every),
    *proxy.ATTACKS,
)
ATTACKS = {
    f"attack.{one.name}": f"{one.tried} | {one.by} | {' or '.join(one.checks)}" for one in EVERY
}
TABLES: Mapping[str, Mapping[str, str]] = {
    "The log": {name: test.text for name, test in log_tests.TESTS.items()},
    "The gateway": {name: test.text for name, test in GATEWAY.table.items()},
    "A node": {name: test.text for name, test in NODE.table.items()},
    "An image": {name: test.text for name, test in RELEASE.table.items()},
    "Attacks": ATTACKS,
    "A receipt": receipt.TESTS,
}
"""Part of the page to the checks it lists, in their order."""

COMMANDS = re.findall(
    r"(?m)(?:^|[ /=])openpcc ((?:audit|verify|chat) [^\n`]*)", "\n".join(BLOCKS.values())
)


class Unit(configparser.ConfigParser):
    """A unit of systemd, whose names have capitals."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


@pytest.mark.parametrize("part", TABLES)
def test_every_check_is_listed_as_it_is_made(part: str):
    rows = re.findall(r"^\| ([a-z]+\.[a-z-]+) \| (.*) \|$", PARTS[part], re.M)
    assert rows == list(TABLES[part].items())


def test_no_other_check_is_listed():
    named = re.findall(r"^\| ([a-z]+\.[a-z-]+) \|", PAGE, re.M)
    assert set(named) == {name for table in TABLES.values() for name in table}


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_one_that_the_programs_take(line: str):
    args = main._parse(shlex.split(line))
    assert callable(args.run)


def test_there_are_commands():
    assert len(COMMANDS) == 9


def test_every_command_of_the_table_exists():
    for command, part in re.findall(r"^\| `openpcc (\w+) (\w+)` \|", PAGE, re.M):
        assert part in main.COMMANDS[command].parts


def test_service_and_timer_can_be_read_and_agree():
    service, timer = (Unit(strict=True) for _ in range(2))
    for one, kind in ((service, "service"), (timer, "timer")):
        one.read_string(BLOCKS[f"openpcc-audit.{kind}"])
    folder = "/var/lib/" + service["Service"]["StateDirectory"]
    paths = re.findall(r"--(?:state|report|metrics) (\S+)", service["Service"]["ExecStart"])
    assert len(paths) == 3
    assert all(path == folder or Path(path).parent == Path(folder) for path in paths)
    assert timer["Timer"]["OnCalendar"] == "hourly"

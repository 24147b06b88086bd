"""`openpcc init`, and then what its README says, command by command, until a node answers."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

BIN = Path(sys.executable).parent
BLOCK = re.compile(r"^```sh(?: (\w+))?\n(.*?)^```", re.M | re.S)
OFFSETS = (0, 1, 2, 3, *range(80, 84), *range(90, 93), *range(1000, 1004), *range(1090, 1093))


class Operator:
    """Somebody who does what the README says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers: list[subprocess.Popen[str]] = []

    def follow(self, text: str) -> str:
        """Type every command but the hourly ones; gives what the last one printed."""
        last = ""
        for kind, commands in BLOCK.findall(text):
            for line in commands.splitlines():
                if kind == "servers":
                    self.start(line)
                elif kind == "":
                    last = self.type(line)
        return last

    def type(self, line: str) -> str:
        command, _, comment = line.partition("   # ")
        if command.startswith("openpcc nodes"):
            self.wait_ready()
        yes = " --yes" if "--key " in command and "--yes" not in command else ""
        done = subprocess.run(
            command + yes, shell=True, cwd=self.folder, capture_output=True, text=True,
            check=False, timeout=90, env=environment(),
        )  # fmt: skip
        code = int(comment.removeprefix("exit ")) if comment else 0
        assert done.returncode == code, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, line: str) -> None:
        checked = self.type(f"{line} --check-config")
        assert "Traceback" not in checked
        with (self.folder / f"{len(self.servers)}.err").open("w") as errors:
            process = subprocess.Popen(
                line.split(), cwd=self.folder, stdout=subprocess.PIPE, stderr=errors, text=True,
                env=environment(),
            )  # fmt: skip
        self.servers.append(process)
        assert process.stdout is not None
        assert "listening" in process.stdout.readline(), line

    def wait_ready(self) -> None:
        found = re.search(
            r"`(http://127.0.0.1:\d+/readyz)`", (self.folder / "README.md").read_text()
        )
        assert found is not None
        end = time.monotonic() + 60
        while httpx.get(found[1]).status_code != 200:
            assert time.monotonic() < end, "the gateway is not ready"
            time.sleep(0.2)

    def stop(self) -> None:
        for one in self.servers[::-1]:
            one.send_signal(signal.SIGTERM)
        for one in self.servers:
            one.wait(30)
            if one.stdout is not None:
                one.stdout.close()


def environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{BIN}:/usr/bin:/bin"}


def free_ports() -> int:
    """Find a first port with which all ports are free."""
    for first in range(21000, 60000, 1234):
        sockets = []
        try:
            sockets = [socket.create_server(("127.0.0.1", first + one)) for one in OFFSETS]
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
        return first
    raise AssertionError("no free ports")


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    found = Operator(tmp_path / "service")
    yield found
    found.stop()


def init(folder: Path, *flags: str) -> None:
    words = [str(BIN / "openpcc"), "init", str(folder), "--service", "init.example", *flags]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(("--nodes", "1"), id="open"),
        pytest.param(("--admission", "tokens", "--release-signers", "3"), id="tokens",
                     marks=pytest.mark.long),
    ],
)  # fmt: skip
def test_every_command_of_the_readme_works_until_a_node_answers(
    operator: Operator, flags: tuple[str, ...]
) -> None:
    ports = ("--first-port", str(free_ports()))
    init(operator.folder, "--kind", "local", "--platform", "simulated", *ports, *flags)
    text = (operator.folder / "README.md").read_text()
    assert "list" in operator.follow(text).lower()
    hourly = [commands for kind, commands in BLOCK.findall(text) if kind == "hourly"]
    assert len(hourly) == 1
    for _ in range(2):
        for line in hourly[0].splitlines():
            operator.type(line)

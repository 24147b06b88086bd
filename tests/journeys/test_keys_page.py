"""docs/keys.md is run as it stands: every command in its order, with real logs and witnesses."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "keys.md").read_text()
BLOCKS = re.findall(r"^```(sh|toml)(?: ([\w.-]+))?\n(.*?)^```", PAGE, re.M | re.S)
BIN = Path(sys.executable).parent
SERVER = re.compile(r"openpcc-(?:log|witness) --config (\S+)")


class Reader:
    """Somebody who does what the page says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys: dict[str, str] = {}
        self.leaf = ""
        self.servers: dict[str, subprocess.Popen[str]] = {}
        self.ports = dict(zip(("8090", "8091", "8092", "8093"), free_ports(4), strict=True))
        (folder / "node.raw").write_bytes(b"image")
        (folder / "recipe.lock").write_bytes(b"recipe")
        (folder / "model").mkdir()
        (folder / "model" / "weights").write_bytes(b"weights")

    def do(self, kind: str, name: str, text: str) -> None:
        if kind == "toml":
            (self.folder / name).write_text(self.filled(text))
            return
        for line in text.splitlines():
            self.type(line)

    def filled(self, text: str) -> str:
        """Put in what the page leaves open: keys that were printed, and addresses."""
        text = re.sub(r"KEY of ([\w.-]+)", lambda found: self.keys[found[1]], text)
        text = text.replace("revoke LEAF", f"revoke {self.leaf}")
        text = text.replace("https://log.example", f"http://127.0.0.1:{self.ports['8090']}")
        for number in "123":
            address = f"http://127.0.0.1:{self.ports[f'809{number}']}"
            text = text.replace(f"https://witness-{number}.example", address)
        return re.sub(r"127\.0\.0\.1:(809[0-3])", lambda m: f"127.0.0.1:{self.ports[m[1]]}", text)

    def type(self, line: str) -> None:
        command, _, comment = line.partition("   # ")
        code = int(comment.removeprefix("exit ")) if comment else 0
        if server := SERVER.fullmatch(command):
            self.start(server[1], command)
            return
        yes = " --yes" if re.search(r"--key (?!of)", command) else ""
        done = subprocess.run(
            self.filled(command) + yes, shell=True, cwd=self.folder, capture_output=True,
            text=True, check=False, timeout=90, env={**os.environ, "PATH": f"{BIN}:/usr/bin:/bin"},
        )  # fmt: skip
        assert done.returncode == code, f"{line}\n{done.stdout}\n{done.stderr}"
        if made := re.search(r"(?:keygen|signer).* --out (\S+)", command):
            said = done.stdout.strip()
            self.keys[made[1]] = json.loads(said)["vkey"] if "keygen" in command else said
        if found := re.search(r"leaf hash ([0-9a-f]{64})", done.stdout):
            self.leaf = self.leaf or found[1]

    def start(self, config: str, command: str) -> None:
        """Start a server, in the place of the one that has this configuration."""
        self.stop(config)
        process = subprocess.Popen(
            [str(BIN / command.split()[0]), "--config", config], cwd=self.folder,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.servers[config] = process
        assert process.stdout is not None
        assert "listening" in process.stdout.readline(), command

    def stop(self, config: str) -> None:
        process = self.servers.pop(config, None)
        if process is not None:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)
            if process.stdout is not None:
                process.stdout.close()


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on; they stay the same when a server is started again."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    found = Reader(tmp_path)
    yield found
    for config in [*found.servers]:
        found.stop(config)


@pytest.mark.long
@pytest.mark.timeout(400)  # some fifty programs, one after the other
def test_every_command_of_the_page_does_what_it_says(reader: Reader):
    assert len(BLOCKS) > 15
    for kind, name, text in BLOCKS:
        reader.do(kind, name, text)
    assert "witness-1-new.key" in reader.keys


def test_the_page_names_every_command():
    commands = "\n".join(text for kind, _, text in BLOCKS if kind == "sh")
    for name in ("publish", "status", "revoke", "rotate", "proof", "signer"):
        assert f"openpcc-log {name} " in commands

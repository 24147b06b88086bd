"""docs/issuer.md is run as it stands: every command in its order, with a real issuer over TLS."""

import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.config_file import load
from gateway.issuer.config import IssuerConfig
from openpcc.protocol.privacypass import DIRECTORY_PATH, IssuerDirectory
from tests.gateway.issuer.wallet import REQUESTS, Order
from tests.journeys.test_keys_page import free_ports

BIN = Path(sys.executable).parent
SERVER = "openpcc-issuer --config issuer.toml"
BLOCK = re.compile(r"^```(sh|toml)(?: ([\w.-]+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Reader:
    """Somebody who does what the page says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: dict[str, str] = {}
        self.ports = dict(zip(("8003", "9003"), free_ports(2), strict=True))
        self.server: subprocess.Popen[str] | None = None

    def do(self, kind: str, name: str, text: str) -> None:
        if kind == "toml":
            ports = re.sub(r"(?<=127\.0\.0\.1:)(\d+)", lambda m: str(self.ports[m[1]]), text)
            (self.folder / name).write_text(ports)
            return
        if name == "later":
            self.wait_an_hour()
        for line in text.splitlines():
            self.type(line)

    def type(self, line: str) -> None:
        command, _, comment = line.partition("   # ")
        if command == SERVER:
            self.start()
            return
        command = command.replace("OLD", self.said.get("keys new", ""))
        done = subprocess.run(
            command, shell=True, cwd=self.folder, capture_output=True, text=True, check=False,
            timeout=60, env={**os.environ, "PATH": f"{BIN}:/usr/bin:/bin"},
        )  # fmt: skip
        code = int(comment.removeprefix("exit ")) if comment else 0
        assert done.returncode == code, f"{line}\n{done.stdout}\n{done.stderr}"
        words = " ".join(command.split()[1:3])
        self.said.setdefault(words, done.stdout.strip())
        if code:
            self.said[words] = done.stderr

    def start(self) -> None:
        self.server = subprocess.Popen(
            [str(BIN / "openpcc-issuer"), "--config", "issuer.toml"], cwd=self.folder,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self.server.stdout is not None
        assert "https://127.0.0.1" in self.server.stdout.readline()

    def wait_an_hour(self) -> None:
        """Turn back the time from which the newest key is used, as if it had come."""
        newest = max((self.folder / "keys").glob("*.pem"), key=lambda one: int(one.name[:10]))
        then = int(newest.name[:10]) - 3600
        newest.rename(newest.with_name(f"{then}{newest.name[10:]}"))

    def stop(self) -> None:
        if self.server is not None:
            self.server.send_signal(signal.SIGTERM)
            self.server.wait(20)
            assert self.server.stdout is not None
            self.server.stdout.close()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    found = Reader(tmp_path)
    yield found
    found.stop()


@pytest.fixture
def blocks(root: Path) -> list[tuple[str, str, str]]:
    return BLOCK.findall((root / "docs" / "issuer.md").read_text())


@pytest.mark.long
def test_every_command_of_the_page_does_what_it_says(
    reader: Reader, blocks: list[tuple[str, str, str]]
) -> None:
    assert len(blocks) == 7
    for block in blocks:
        reader.do(*block)
    for missing in ("keys new", "openpcc-issuer init"):
        assert missing in reader.said["--config issuer.toml"]
    url = f"https://127.0.0.1:{reader.ports['8003']}"
    with httpx.Client(verify=ssl.create_default_context(cafile=reader.folder / "tls.pem")) as http:
        end = time.monotonic() + 20
        while len(found := IssuerDirectory.parse(http.get(url + DIRECTORY_PATH).content).keys) > 1:
            assert time.monotonic() < end, found
            time.sleep(0.1)
        (key,) = IssuerDirectory.parse(http.get(url + DIRECTORY_PATH).content).issuer_keys()
        order = Order(key, 2)
        headers = {"authorization": f"Bearer {reader.said['account add']}"}
        headers["content-type"] = REQUESTS
        order.tokens(http.post(f"{url}/token-request", content=order.body, headers=headers))
    assert "revoked 20" in reader.said["account list"] or "bob" in reader.said["account list"]


def test_every_configuration_of_the_page_is_read(
    blocks: list[tuple[str, str, str]], tmp_path: Path
) -> None:
    read = {}
    for kind, name, text in blocks:
        if kind == "toml":
            (tmp_path / name).write_text(text)
            read[name] = load(tmp_path / name, IssuerConfig)
    assert list(read) == ["issuer.toml", "providers.toml"]
    assert [one.anyone for one in read["providers.toml"].providers] == [False, True]


def test_the_page_names_every_command(blocks: list[tuple[str, str, str]]) -> None:
    commands = "\n".join(text for kind, _, text in blocks if kind == "sh")
    for name in ("add", "list", "key", "quota", "usage", "revoke"):
        assert f"account {name} " in commands
    for name in ("new", "list", "retire"):
        assert f"keys {name} " in commands

"""One service of containers, begun from `openpcc init` by the script that a user runs."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deploy import containers
from tests.deploy.containers import NODE, ROOT, SERVER
from tests.deploy.tools import tool

COMPOSE = ROOT / "deploy" / "compose"
HERE = Path(__file__).resolve().parent
PROJECT = "openpcc-compose-test"
BIN = Path(sys.executable).parent

ENVIRONMENT = """\
COMPOSE_PROJECT_NAME={project}
COMPOSE_PROFILES=tokens,monitoring
OPENPCC_IMAGE={server}
OPENPCC_NODE_IMAGE={node}
POSTGRES_IMAGE=localhost/postgres
VALKEY_IMAGE=localhost/valkey
PROMETHEUS_IMAGE=localhost/prometheus
RELAY_LISTEN=127.0.0.1:{relay}
ISSUER_LISTEN=127.0.0.1:{issuer}
LOG_LISTEN=127.0.0.1:{log}
"""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A running service."""

    folder: Path
    """What `openpcc init` wrote."""

    @property
    def client(self) -> Path:
        return self.folder / "public" / "client.toml"

    def compose(self, *words: str, seconds: float = 120, check: bool = True) -> str:
        """Run podman-compose as README.md says; gives what it printed."""
        env = self.folder / "operator" / "compose" / ".env"
        options = ("--env-file", env, "-f", COMPOSE / "compose.yaml")
        return called(tool("podman-compose"), *options, *words, seconds=seconds, check=check)

    def exec(self, service: str, *command: str, check: bool = True) -> str:
        """Run a command in a container; gives what it printed."""
        return containers.run("exec", self.name(service), *command, check=check)

    def name(self, service: str) -> str:
        return f"{PROJECT}_{service}_1"

    def inspect(self) -> dict[str, dict[str, Any]]:
        """Give what podman knows of each container, by its service."""
        label = f"label=io.podman.compose.project={PROJECT}"
        names = containers.run("ps", "-a", "--filter", label, "--format", "{{.Names}}").split()
        found = json.loads(containers.run("inspect", *names))
        return {
            one["Config"]["Labels"]["com.docker.compose.service"]: one
            for one in found
            if "com.docker.compose.service" in (one["Config"]["Labels"] or {})
        }

    def openpcc(self, *words: str, seconds: float = 60) -> str:
        """Run the client on this machine, as a user does."""
        return called(BIN / "openpcc", *words, "--config", self.client, seconds=seconds)

    def follow(self, title: str, *, seconds: float) -> str:
        """Run the commands that the folder's README has under a title, in the folder."""
        text = (self.folder / "README.md").read_text()
        (block,) = re.findall(rf"^## [0-9]+\. {title}\n.*?^```sh\n(.*?)^```", text, re.M | re.S)
        script = f"set -e; cd '{self.folder}'; export OPENPCC='{ROOT}'\n{block}"
        return called("bash", "-c", script, seconds=seconds)

    def down(self) -> None:
        self.compose("down", "-v", "-t", "5", check=False)

    def wait_ready(self, service: str, port: int, seconds: float = 60) -> None:
        """Wait for /readyz of a service."""
        deadline = time.monotonic() + seconds
        command = ("exec", self.name(service), "openpcc-ready", str(port))
        while True:
            done = subprocess.run(
                [containers.podman(), *command], capture_output=True, check=False, timeout=30
            )
            if done.returncode == 0:
                return
            assert time.monotonic() < deadline, f"{service} is not ready"
            time.sleep(0.5)


def called(*command: str | Path, seconds: float, check: bool = True) -> str:
    """Run a program with our podman first on its path."""
    path = ":".join(map(str, (containers.podman().parent, BIN, tool("podman-compose").parent)))
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds, check=False,
        env=os.environ | {"PATH": f"{path}:{os.environ['PATH']}"},
    )  # fmt: skip
    if check and done.returncode:
        said = [line for line in done.stderr.splitlines() if "systemd connection" not in line]
        raise AssertionError(f"{Path(command[0]).name}: " + "\n".join(said[-40:]))
    return done.stdout


def begun(folder: Path) -> Stack:
    """Make images and a deployment, and begin it."""
    with ThreadPoolExecutor(1) as pool:  # one waits for the disk while the other computes
        others = pool.submit(make_others)
        containers.built("server", "node")
        others.result()
    relay, issuer, log = (free_port() for _ in range(3))
    called(
        BIN / "openpcc", "init", folder, "--service", "llm.example", "--kind", "compose",
        "--admission", "tokens", "--relay-url", f"https://localhost:{relay}",
        "--issuer-url", f"https://localhost:{issuer}", seconds=60,
    )  # fmt: skip
    text = ENVIRONMENT.format(
        project=PROJECT, server=SERVER, node=NODE, relay=relay, issuer=issuer, log=log
    )
    with (folder / "operator" / "compose" / ".env").open("a") as file:
        file.write(text)
    stack = Stack(folder=folder)
    stack.down()  # what a killed run left
    stack.follow("Begin and start", seconds=300)
    return stack


def make_others() -> None:
    """Make the images of other people's programs, once."""
    if not containers.run("images", "-q", "localhost/prometheus"):
        containers.script(HERE / "others.sh", containers.podman())


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port

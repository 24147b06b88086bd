"""Real processes of `openpcc-log` and `openpcc-witness` in a temporary folder."""

import contextlib
import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from transparency_log.client import LogClient
from transparency_log.errors import FetchError, NotFoundError
from transparency_log.server.main import LOG, WITNESS
from transparency_log.server.program import Program
from transparency_log.server.program import run as program_run
from transparency_log.witness_policy import LogPolicy, Witness

ORIGIN = "log.example/test"
TOKEN = "a token of sixteen".replace(" ", "-")
LOG_TABLES = """\
[store]
kind = "directory"
path = "log"
[sequence]
kind = "sqlite"
path = "sequence.db"
[[publishers]]
name = "tests"
token = "token"
entries_per_day = 1000000000
bytes_per_day = 1000000000000
"""
COMMANDS = {
    "log": "from transparency_log.server.main import main; main()",
    "witness": "from transparency_log.server.main import witness_main; witness_main()",
}


def command(program: str, *arguments: str | Path) -> list[str]:
    """Give the command line of one of the two programs."""
    return [sys.executable, "-c", COMMANDS[program], *map(str, arguments)]


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    return subprocess.run(
        command(program, *arguments), capture_output=True, text=True, timeout=30, check=False
    )


def run_here(program: Program, *arguments: str | Path) -> str:
    """Run a command that ends by itself in this process; gives what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert program_run(program, [str(one) for one in arguments]) == 0
    return printed.getvalue()


def keygen(program: Program, name: str, out: Path, kind: str = "ed25519") -> str:
    """Make a key; gives its verifier key."""
    said = run_here(program, "keygen", "--type", kind, "--name", name, "--out", out)
    vkey: str = json.loads(said)["vkey"]
    return vkey


@dataclass
class Server:
    """A running program."""

    process: subprocess.Popen[str]
    url: str
    control: str

    def stop(self) -> int:
        """Ask it to end, as an init system does; gives its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=10)

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait(timeout=10)


@dataclass
class World:
    """A log and three witnesses, two of which must agree."""

    folder: Path
    witnesses: list[Server] = field(default_factory=list)
    witness_vkeys: list[str] = field(default_factory=list)
    log_vkey: str = ""
    log: Server | None = None
    _processes: list[subprocess.Popen[str]] = field(default_factory=list)
    log_options: str = "batch_ms = 20\ncosign_interval = 1\nadd_timeout = 20\n"
    log_tables: str = LOG_TABLES

    def set_up(self) -> None:
        """Make keys, configurations and state; start everything."""
        self.log_vkey = keygen(LOG, ORIGIN, self.folder / "log.key")
        for number in range(3):
            self._set_up_witness(number)
        processes = [self._spawn("witness", f"witness-{number}") for number in range(3)]
        self.witnesses = [self._started(process) for process in processes]
        (self.folder / "token").touch(mode=0o600)
        (self.folder / "token").write_text(TOKEN)
        self.write_log_config()
        run_here(LOG, "init", "--config", self.config("log"))
        self.start_log()

    def config(self, name: str) -> Path:
        """Name a configuration file."""
        return self.folder / f"{name}.toml"

    def _set_up_witness(self, number: int) -> None:
        name = f"witness-{number}"
        self.witness_vkeys.append(keygen(WITNESS, name, self.folder / f"{name}.key"))
        self.config(name).write_text(
            f'name = "{name}"\nkey = "{name}.key"\ndatabase = "{name}.db"\n'
            f'listen = "127.0.0.1:0"\ncontrol = "127.0.0.1:0"\n'
            f'[[logs]]\norigin = "{ORIGIN}"\nvkey = "{self.log_vkey}"\n'
        )
        run_here(WITNESS, "init", "--config", self.config(name))

    def write_log_config(self) -> None:
        """Write the log's configuration with the witnesses' present addresses."""
        witnesses = "".join(
            f'[[witnesses]]\nname = "witness-{number}"\noperator = "Operator {number}"\n'
            f'vkey = "{vkey}"\nurl = "{self.witnesses[number].url}"\n'
            for number, vkey in enumerate(self.witness_vkeys)
        )
        self.config("log").write_text(
            f'origin = "{ORIGIN}"\nkey = "log.key"\n'
            f'quorum = 2\nlisten = "127.0.0.1:0"\ncontrol = "127.0.0.1:0"\n'
            f"{self.log_options}{self.log_tables}{witnesses}"
        )

    def start(self, program: str, name: str) -> Server:
        """Start a program and wait until it says where it listens."""
        return self._started(self._spawn(program, name))

    def _spawn(self, program: str, name: str) -> subprocess.Popen[str]:
        with (self.folder / f"{name}.err").open("a") as errors:
            process = subprocess.Popen(
                command(program, "--config", self.config(name)),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._processes.append(process)
        return process

    def _started(self, process: subprocess.Popen[str]) -> Server:
        assert process.stdout is not None
        with process.stdout as output:
            said = json.loads(output.readline())
        return Server(process=process, url=said["listening"], control=said["control"])

    def start_log(self) -> None:
        """Start the log (again)."""
        self.log = self.start("log", "log")

    def restart_witness(self, number: int) -> None:
        """Start a stopped witness at its old address."""
        name = f"witness-{number}"
        address = self.witnesses[number].url.removeprefix("http://")
        config = self.config(name)
        config.write_text(
            config.read_text().replace('listen = "127.0.0.1:0"', f'listen = "{address}"')
        )
        self.witnesses[number] = self.start("witness", name)

    @property
    def log_url(self) -> str:
        """Where the log listens."""
        assert self.log is not None
        return self.log.url

    def add(self, entry: bytes, timeout: float = 30, token: str = TOKEN) -> httpx.Response:
        """Submit an entry."""
        headers = {"authorization": f"Bearer {token}"}
        url = f"{self.log_url}/add"
        return httpx.post(url, content=entry, headers=headers, timeout=timeout)

    @property
    def policy(self) -> LogPolicy:
        """What a reader of this log trusts."""
        return LogPolicy(
            origin=ORIGIN,
            log_vkey=self.log_vkey,
            witnesses=tuple(
                Witness(name=f"witness-{number}", operator=f"Operator {number}", vkey=vkey)
                for number, vkey in enumerate(self.witness_vkeys)
            ),
            quorum=2,
        )

    def client(self) -> LogClient:
        """Read the log over HTTP."""
        return LogClient(self.policy, fetcher(lambda: self.log_url))

    def tear_down(self) -> None:
        """End whatever still runs."""
        for process in self._processes:
            process.kill()
            process.wait(timeout=10)


def fetcher(base: Callable[[], str]) -> Callable[[str, int], bytes]:
    """Give a `client.Fetch` over HTTP."""

    def fetch(path: str, limit: int) -> bytes:
        answer = httpx.get(f"{base()}/{path}")
        if answer.status_code == 404:
            raise NotFoundError(path)
        if answer.status_code != 200 or len(answer.content) > limit:
            raise FetchError(path)
        return answer.content

    return fetch


@contextmanager
def running_world(folder: Path, *, log_tables: str = LOG_TABLES) -> Iterator[World]:
    """Start a world, and end its processes whatever happens."""
    world = World(folder=folder, log_tables=log_tables)
    try:
        world.set_up()
        yield world
    finally:
        world.tear_down()

"""A node in an emulator, started as an operator starts one: by `boot.sh`.

QEMU 7.2 without acceleration sometimes stands still on a busy machine. A guest that neither answers
nor ends in `PATIENCE` is started once more, and the run's summary says so; one that ends by itself
has decided something, and is never started again.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from openpcc.cli.demo.programs import _die_with_parent
from openpcc.protocol import messages
from tests.fakes.nginx import free_port

BOOT = Path(__file__).parents[3] / "node_image" / "build" / "boot.sh"
SETTINGS = 'listen = "0.0.0.0:8080"\ncontrol = "0.0.0.0:8081"\n'

PATIENCE = 300.0
"""Seconds that a boot may take; on a quiet machine it takes 80."""


class HungError(Exception):
    """The emulator stands still."""


@dataclass(kw_only=True)
class Guest:
    """One boot; `state` has what boot.sh leaves there."""

    state: Path
    port: int
    process: "subprocess.Popen[bytes]" = field(repr=False)
    until: float = field(default=0.0, repr=False)

    @property
    def service(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def control(self) -> str:
        return f"http://127.0.0.1:{self.port + 1}"

    @property
    def console(self) -> str:
        path = self.state / "serial.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    @property
    def packets(self) -> bytes:
        return (self.state / "net.pcap").read_bytes()

    def get(self, url: str) -> httpx.Response | None:
        """Ask the guest; None: nobody listens yet."""
        try:
            return httpx.get(url, timeout=20, trust_env=False)
        except httpx.HTTPError:
            return None

    def answers(self) -> dict[str, httpx.Response]:
        """Ask for everything that a node has to refuse as long as it has no keys."""
        sealed = {"content-type": messages.SEALED_REQUEST}
        return {
            "evidence": httpx.get(f"{self.service}/evidence", trust_env=False),
            "readyz": httpx.get(f"{self.control}/readyz", trust_env=False),
            "sealed": httpx.post(
                f"{self.service}/sealed", content=bytes(2000), headers=sealed, trust_env=False
            ),
        }

    def put(self, path: str, content: bytes) -> None:
        """Push something to the agent."""
        answer = httpx.put(f"{self.service}{path}", content=content, timeout=60, trust_env=False)
        assert answer.status_code == 204, answer.text

    def wait_for(self, url: str) -> bytes:
        """Wait until it answers there with 200. Raises: HungError."""
        found: list[bytes] = []

        def answers() -> bool:
            answer = self.get(url)
            found.extend([] if answer is None or answer.status_code != 200 else [answer.content])
            return bool(found)

        self.wait_until(answers)
        return found[0]

    def wait_until(self, done: Callable[[], bool]) -> None:
        """Wait while the machine is on. Raises: HungError."""
        self.until = time.monotonic() + PATIENCE
        while not done():
            assert self.process.poll() is None, f"the node has ended: {self.console[-2000:]}"
            self._wait()

    def wait_for_end(self) -> None:
        """Wait until the machine is off. Raises: HungError."""
        self.until = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            self._wait()

    def _wait(self) -> None:
        if time.monotonic() > self.until:
            raise HungError
        time.sleep(0.2)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass(frozen=True, kw_only=True)
class Boot:
    """What a guest is started from.

    Attributes:
        options: of boot.sh, beside folder, host's disk and state.
        words: of QEMU's.
    """

    image: Path
    host: Path
    options: Sequence[str] = ()
    words: Sequence[str] = ()

    @contextmanager
    def up(self, state: Path) -> Iterator[Guest]:
        """Give the guest once its agent answers; end it at the end."""
        guest = self._twice(state, lambda one: one.wait_for(f"{one.control}/healthz"))
        try:
            yield guest
        finally:
            guest.close()

    def ended(self, state: Path) -> Guest:
        """Give the guest once its machine is off."""
        return self._twice(state, Guest.wait_for_end)

    def _twice(self, state: Path, until: Callable[[Guest], object]) -> Guest:
        for last in (False, True):
            guest = self._start(state)
            with ExitStack() as closing:
                closing.callback(guest.close)
                try:
                    until(guest)
                except HungError:
                    assert not last, f"the emulator stood still twice: {guest.console[-2000:]}"
                else:
                    closing.pop_all()
                    return guest
            tell(f"{state.name}: the emulator stood still; started once more")
            shutil.rmtree(state)
        raise AssertionError

    def _start(self, state: Path) -> Guest:
        port = free_pair()
        command = [BOOT, "--image", self.image, "--host", self.host, "--state", state]
        process = subprocess.Popen(
            [*map(str, command), *self.options, "--", *self.words],
            stdin=subprocess.DEVNULL,
            env=os.environ | {"PORT": str(port)},
            preexec_fn=_die_with_parent,
        )
        return Guest(state=state, port=port, process=process)


def write_host_disk(disk: Path, *, release: bytes, machine: Path) -> None:
    """Write what the host says, by the command that operators have."""
    settings = disk.with_suffix(".toml")
    settings.write_text(SETTINGS)
    words = ["--settings", settings, "--release", release.hex(), "--machine", machine]
    module = "node_image.agent.host_disk"
    subprocess.run([sys.executable, "-m", module, "write", str(disk), *map(str, words)], check=True)


def free_pair() -> int:
    """Give a port that is free, and so is the next."""
    while True:
        port = free_port()
        if _free(port + 1):
            return port


def _free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def tell(text: str) -> None:
    """Say it in the summary of the run; any other warning is an error there."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(text, stacklevel=2)

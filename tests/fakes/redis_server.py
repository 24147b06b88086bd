"""A real redis-server on a unix socket in a folder: killed, stopped and started again by tests."""

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import pytest

KEEPS = ("--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction")


class RedisServer:
    """A server process; its append-only file stays in the folder."""

    def __init__(self, folder: Path, *settings: str, configuration: Path | None = None) -> None:
        """Run with settings, or with a configuration file; with neither it keeps everything."""
        self.folder = folder
        self.settings = (str(configuration),) if configuration else settings or KEEPS
        self.socket = folder / "s"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [
                binary(), *self.settings, "--port", "0", "--unixsocket", str(self.socket),
                "--dir", str(self.folder), "--save", "", "--daemonize", "no",
            ],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        end = time.monotonic() + 20
        while not self._answers():
            assert time.monotonic() < end, "redis-server did not start"
            time.sleep(0.01)

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None:
            self.signal(signal.SIGKILL)
            self._process.wait(10)
            self._process = None

    def stop(self) -> None:
        """Freeze it: connections stay, nothing answers."""
        self.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def ask(self, *words: str) -> bytes:
        """Send one command past the gateways; give the raw answer."""
        with socket.socket(socket.AF_UNIX) as one:
            one.settimeout(5)
            one.connect(str(self.socket))
            parts = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
            one.sendall(f"*{len(words)}\r\n{parts}".encode())
            return one.recv(1 << 16)

    def _answers(self) -> bool:
        try:
            return not self.ask("PING").startswith(b"-LOADING")
        except OSError:
            return False


def binary() -> str:
    """Find the server's program; under CI a skip for this reason fails."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    pytest.skip("neither valkey-server nor redis-server is installed")

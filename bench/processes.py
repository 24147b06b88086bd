"""Starts the helpers of a measurement as processes of their own, and ends them."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True)
class Started:
    """A running helper. `url` is where it listens, if it said so."""

    pid: int
    url: str


@contextmanager
def started(argv: Sequence[str], *, announces: bool = True) -> Iterator[Started]:
    """Run a command until the block ends; wait for the line with its address."""
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        url = (
            json.loads(process.stdout.readline())["listening"]
            if announces and process.stdout
            else ""
        )
        yield Started(pid=process.pid, url=url)
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout:
            process.stdout.close()


def script(name: str, *arguments: str) -> list[str]:
    """Give the command of a script of this folder."""
    return [sys.executable, str(HERE / name), *arguments]


def wait_for(path: Path, *, within: float = 10.0) -> None:
    """Wait until a file is there."""
    end = time.monotonic() + within
    while not path.exists():
        if time.monotonic() > end:
            raise TimeoutError(f"{path} did not appear")
        time.sleep(0.01)

"""The clock of one whole service, its clients in this process included: minutes pass at once.

What counts seconds from its own start (timeouts, pauses, Redis) is not moved. So a service begins
behind the machine's clock, and is moved on towards it: Redis is never behind its gateways.
"""

import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from openpcc import clock

VARIABLE = "OPENPCC_JOURNEY_CLOCK"


class MovedClock:
    """Unix seconds, as everybody in a service counts them."""

    def __init__(self, path: Path, *, behind: int) -> None:
        self._path = path
        self._ahead = -behind
        self._write()

    def __getattr__(self, name: str) -> object:
        return getattr(time, name)

    def time(self) -> float:
        return time.time() + self._ahead

    def move(self, seconds: int) -> None:
        """Let time pass."""
        self._ahead += seconds
        assert self._ahead <= 0, "the service would be ahead of Redis"
        self._write()

    def _write(self) -> None:
        # In place: the programs have this very file mapped.
        with self._path.open("r+b" if self._path.exists() else "wb") as file:
            file.write(struct.pack("<q", self._ahead))


@contextmanager
def moved_clock(folder: Path, *, behind: int = 6 * 3600) -> Iterator[MovedClock]:
    """Let everything that is started in the block count by one clock, and so this process."""
    made = MovedClock(folder / "clock", behind=behind)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(folder / "clock"))
        patch.setenv("PYTHONPATH", str(Path(__file__).with_name("moved")), prepend=os.pathsep)
        patch.setattr(clock, "time", made)
        yield made

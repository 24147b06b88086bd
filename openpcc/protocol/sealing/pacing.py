"""How a paced reply is cut into ticks. There is no clock here: the node calls `tick` every 50 ms.

Every tick carries one record of 2048 bytes, with as much data as is waiting, and nothing if none
is. The reply ends on a tick whose number is a multiple of 20 only, so that its length tells the
time a reply took to the second, not its tokens.
"""

from dataclasses import dataclass, field

from openpcc.protocol.byte_queue import ByteQueue
from openpcc.protocol.errors import MisuseError
from openpcc.protocol.sealing.records import PACED_DATA

TICK_SECONDS = 0.05
FINAL_EVERY = 20
"""Ticks: the first one has number 1, so a reply has a multiple of 20 records."""


@dataclass(frozen=True, kw_only=True)
class Tick:
    """What goes out on one tick."""

    data: bytes = field(repr=False)
    final: bool


class PacedQueue:
    """Data on its way out, one tick at a time."""

    def __init__(self) -> None:
        self._queue = ByteQueue()
        self._number = 0
        self._closed = False
        self._ended = False

    def __len__(self) -> int:
        """Count the bytes waiting, for back-pressure."""
        return len(self._queue)

    def push(self, data: bytes) -> None:
        """Add data for the next ticks.

        Raises:
            MisuseError: the queue was closed.
        """
        if self._closed:
            raise MisuseError("the reply has no more data")
        self._queue.append(data)

    def close(self) -> None:
        """Say that no more data comes."""
        self._closed = True

    def tick(self) -> Tick:
        """Take what the next tick carries.

        Raises:
            MisuseError: the final tick is over.
        """
        if self._ended:
            raise MisuseError("the reply has had its final tick")
        self._number += 1
        data = self._queue.take(min(PACED_DATA, len(self._queue)))
        self._ended = self._closed and not len(self) and self._number % FINAL_EVERY == 0
        return Tick(data=data, final=self._ended)

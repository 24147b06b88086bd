"""When records of a reply go out (sealing sheet, Records).

`latency`: what the engine wrote goes out at once, padded so that a token's own length does not
show. `paced`: one record of 2048 bytes every 50 ms, whatever the engine does; how the data is cut
and when the last record may go is `openpcc.protocol.sealing.pacing`, the timer is here.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from openpcc.protocol.sealing.pacing import TICK_SECONDS, PacedQueue
from openpcc.protocol.sealing.reply import ReplySealer

MAX_BUFFER = 256 * 1024
"""Bytes a paced reply may lag behind the engine before the engine is made to wait: six seconds."""


class Wire(Protocol):
    """Where a reply goes."""

    async def write(self, data: bytes, *, last: bool = False) -> None:
        """Send bytes; return when there is room for more."""
        ...


class Outlet(Protocol):
    """Takes the inner response, sends the sealed one."""

    async def send(self, data: bytes) -> None:
        """Take bytes of the inner response; return when more are welcome."""
        ...

    async def end(self, data: bytes) -> None:
        """Take the last bytes; return when the final record is on the wire."""
        ...

    async def drain(self) -> None:
        """Return when all that was taken is on the wire."""
        ...

    def close(self) -> None:
        """Send nothing more; without `end` before, the reply stays without its final record."""
        ...


class LatencyOutlet:
    """Sends at once."""

    def __init__(self, sealer: ReplySealer, wire: Wire) -> None:
        self._sealer = sealer
        self._wire = wire
        self._head = sealer.head()

    async def send(self, data: bytes) -> None:
        """Send one flush."""
        await self._wire.write(self._take_head() + self._sealer.record(data))

    async def end(self, data: bytes) -> None:
        """Send the final record."""
        sealed = self._sealer.record(data, final=True)
        await self._wire.write(self._take_head() + sealed, last=True)

    async def drain(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Drop the reply's key."""
        self._sealer.wipe()

    def _take_head(self) -> bytes:
        head, self._head = self._head, b""
        return head


class PacedOutlet:
    """Sends one record per tick, from now until the final one."""

    def __init__(
        self,
        sealer: ReplySealer,
        wire: Wire,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sealer = sealer
        self._wire = wire
        self._sleep = sleep
        self._queue = PacedQueue()
        self._ticked = asyncio.Event()
        self._ticker = asyncio.create_task(self._run())
        self._ticker.add_done_callback(lambda _: self._ticked.set())

    async def send(self, data: bytes) -> None:
        """Queue bytes; while too many wait, so does the engine.

        Raises what ended the ticks, so that nobody fills a queue that nobody empties.
        """
        self._queue.push(data)
        await self._wait_until_at_most(MAX_BUFFER)

    async def end(self, data: bytes) -> None:
        """Queue the last bytes; wait for the final tick."""
        self._queue.push(data)
        self._queue.close()
        await self._ticker

    async def drain(self) -> None:
        """Wait until the queue is empty."""
        await self._wait_until_at_most(0)

    def close(self) -> None:
        """Stop the ticks and drop the reply's key."""
        self._ticker.cancel()
        self._sealer.wipe()

    async def _wait_until_at_most(self, waiting: int) -> None:
        while len(self._queue) > waiting and not self._ticker.done():
            self._ticked.clear()
            await self._ticked.wait()
        if self._ticker.done():
            self._ticker.result()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due, head, final = loop.time(), self._sealer.head(), False
        while not final:
            tick = self._queue.tick()
            final = tick.final
            record = self._sealer.paced_record(tick.data, final=final)
            await self._wire.write(head + record, last=final)
            self._ticked.set()
            # A late tick is not made up for: there is never more than one record per tick.
            due, head = max(due + TICK_SECONDS, loop.time()), b""
            await self._sleep(due - loop.time())

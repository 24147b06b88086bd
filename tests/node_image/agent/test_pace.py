"""node_image/agent/pace.py"""

import asyncio

import pytest

from node_image.agent.pace import MAX_BUFFER, LatencyOutlet, PacedOutlet
from openpcc.protocol.sealing import NodePrivateKey, Prefix, seal_request
from openpcc.protocol.sealing.pacing import TICK_SECONDS

TAG = 16


class Wire:
    """Keeps what was written."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.ended = False

    async def write(self, data: bytes, *, last: bool = False) -> None:
        self.parts.append(data)
        self.ended = last


class Ticks:
    """A sleep that lasts until the test says so."""

    def __init__(self) -> None:
        self._permits = asyncio.Semaphore(0)

    async def sleep(self, _: float) -> None:
        await self._permits.acquire()

    async def pass_by(self, count: int) -> None:
        for _ in range(count):
            self._permits.release()
            for _ in range(5):
                await asyncio.sleep(0)


@pytest.fixture(scope="module")
def key():
    return NodePrivateKey.generate()


@pytest.fixture
def exchange(key):
    sealed = seal_request([key.node_key], b"message", model="m", expires=60, max_output=0)
    unwrapped = Prefix.parse(sealed.body).unwrap(key)
    return unwrapped.seal_reply(), sealed.open_reply()


def test_latency_sends_each_flush_at_once_in_steps_of_512(exchange):
    sealer, opener = exchange
    wire = Wire()

    async def run():
        outlet = LatencyOutlet(sealer, wire)
        await outlet.send(b"x" * 3)
        await outlet.send(b"y" * 300)
        await outlet.send(b"z" * 511)
        await outlet.end(b"end")

    asyncio.run(run())
    sizes = [len(part) for part in wire.parts]
    assert sizes == [33 + 2 + 512 + TAG, 2 + 512 + TAG, 2 + 1024 + TAG, 1 + 512 + TAG]
    assert wire.ended
    said = [piece for part in wire.parts for piece in opener.feed(part)] + opener.finish()
    assert b"".join(said) == b"x" * 3 + b"y" * 300 + b"z" * 511 + b"end"
    assert opener.complete


def test_paced_sends_one_record_of_2048_bytes_per_tick_whatever_the_engine_does(exchange):
    sealer, opener = exchange
    wire = Wire()

    async def run():
        ticks = Ticks()
        outlet = PacedOutlet(sealer, wire, sleep=ticks.sleep)
        await ticks.pass_by(3)
        await outlet.send(b"x" * 5000)
        await ticks.pass_by(4)
        ending = asyncio.create_task(outlet.end(b"end"))
        await ticks.pass_by(100)
        await ending
        outlet.close()

    asyncio.run(run())
    sizes = [len(part) for part in wire.parts]
    assert len(sizes) == 20
    assert sizes == [33 + 2 + 2048 + TAG, *[2 + 2048 + TAG] * 18, 1 + 2048 + TAG]
    said = [piece for part in wire.parts for piece in opener.feed(part)] + opener.finish()
    assert b"".join(said) == b"x" * 5000 + b"end"


def test_paced_makes_the_engine_wait_when_it_is_too_fast(exchange):
    sealer, _ = exchange

    async def run():
        ticks = Ticks()
        outlet = PacedOutlet(sealer, Wire(), sleep=ticks.sleep)
        sending = asyncio.create_task(outlet.send(b"x" * (MAX_BUFFER + 3 * 2046)))
        await ticks.pass_by(1)
        assert not sending.done()
        await ticks.pass_by(3)
        assert sending.done()
        outlet.close()
        await asyncio.sleep(0)

    asyncio.run(run())


def test_a_closed_reply_has_no_final_record(exchange):
    sealer, opener = exchange
    wire = Wire()

    async def run():
        ticks = Ticks()
        outlet = PacedOutlet(sealer, wire, sleep=ticks.sleep)
        await outlet.send(b"partial")
        draining = asyncio.create_task(outlet.drain())
        await ticks.pass_by(2)
        await draining
        outlet.close()
        await ticks.pass_by(50)

    asyncio.run(run())
    assert not wire.ended
    assert b"".join(opener.feed(b"".join(wire.parts))) == b"partial"
    with pytest.raises(Exception, match="final"):
        opener.finish()


def test_a_broken_wire_does_not_leave_the_sender_waiting(exchange):
    sealer, _ = exchange

    class Broken:
        async def write(self, data: bytes, *, last: bool = False) -> None:
            raise ConnectionResetError

    async def run():
        outlet = PacedOutlet(sealer, Broken())
        with pytest.raises(ConnectionResetError):
            await outlet.send(b"x" * (MAX_BUFFER + 1))
        with pytest.raises(ConnectionResetError):
            await outlet.end(b"")

    asyncio.run(run())


def test_a_wire_that_takes_nothing_leaves_no_more_waiting_than_the_bound(exchange):
    sealer, _ = exchange

    class Stuck:
        async def write(self, data: bytes, *, last: bool = False) -> None:
            await asyncio.Event().wait()

    async def run():
        outlet = PacedOutlet(sealer, Stuck())
        given, piece = 0, b"x" * 4096

        async def give() -> None:
            nonlocal given
            while True:
                await outlet.send(piece)
                given += len(piece)

        giving = asyncio.create_task(give())
        await asyncio.sleep(0.05)
        assert given <= len(outlet._queue) + 2048 <= MAX_BUFFER + len(piece) + 2048
        giving.cancel()
        outlet.close()

    asyncio.run(run())


def test_a_late_tick_is_not_made_up_for(exchange):
    """A wire that was stuck for a second gets no burst afterwards: a burst would tell of it."""
    sealer, _ = exchange
    slept: list[float] = []

    class SlowOnce:
        written = 0

        async def write(self, data: bytes, *, last: bool = False) -> None:
            self.written += 1
            await asyncio.sleep(3 * TICK_SECONDS if self.written == 2 else 0)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0)

    async def run():
        outlet = PacedOutlet(sealer, SlowOnce(), sleep=sleep)
        await outlet.end(b"")

    asyncio.run(run())
    assert slept[1] <= 0  # the one that was due meanwhile goes at once, the others never
    assert slept[2] > TICK_SECONDS / 2  # and from there on in step again

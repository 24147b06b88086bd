import asyncio
from collections.abc import Callable, Coroutine

import pytest

from tests.transparency_log.server.logs import submission
from transparency_log.merkle import leaf_hash
from transparency_log.server import waiting
from transparency_log.server.sequence import Account
from transparency_log.server.waiting import (
    Added,
    BusyError,
    OverQuotaError,
    StoppedError,
    WaitingRoom,
)

ONE, TWO = (Account(name=name, entries_per_day=9, bytes_per_day=9) for name in ("one", "two"))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A room for four submissions, or for 40 bytes."""
    monkeypatch.setattr(waiting, "MAX_WAITING", 4)
    monkeypatch.setattr(waiting, "MAX_BYTES", 40)


def in_a_room(test: Callable[[WaitingRoom], Coroutine[None, None, None]]) -> Callable[[], None]:
    """Run a test in an event loop, with a room of two publishers."""

    async def run() -> None:
        await test(WaitingRoom(publishers=2))

    def wrapped() -> None:
        asyncio.run(run())

    wrapped.__name__ = test.__name__
    return wrapped


def sequence(room: WaitingRoom, indexes: list[int | None]) -> None:
    """Take what waits, and give it its indexes."""
    assert len(room.take()) == len(indexes)
    room.sequenced(indexes)


@in_a_room
async def test_one_publisher_cannot_keep_another_out(room: WaitingRoom) -> None:
    _ = room.enter(submission(b"a", ONE))
    _ = room.enter(submission(b"b", ONE))
    with pytest.raises(BusyError):
        _ = room.enter(submission(b"c", ONE))
    _ = room.enter(submission(b"c", TWO))


@in_a_room
async def test_bytes_are_bounded(room: WaitingRoom) -> None:
    _ = room.enter(submission(bytes(20), ONE))
    with pytest.raises(BusyError):
        _ = room.enter(submission(b"x", ONE))


@in_a_room
async def test_place_is_free_again_after_the_acknowledgement(room: WaitingRoom) -> None:
    first = room.enter(submission(b"a", ONE))
    second = room.enter(submission(b"b", ONE))
    sequence(room, [0, 1])
    assert room.unacknowledged == 2
    with pytest.raises(BusyError):
        _ = room.enter(submission(b"c", ONE))
    room.acknowledge(1)
    assert first.result() == Added(index=0, leaf_hash=leaf_hash(b"a"))
    assert not second.done()
    _ = room.enter(submission(b"c", ONE))


@in_a_room
async def test_place_over_the_quota_is_refused_and_freed(room: WaitingRoom) -> None:
    futures = [room.enter(submission(entry, ONE)) for entry in (b"a", b"b")]
    sequence(room, [None, None])
    for future in futures:
        with pytest.raises(OverQuotaError):
            future.result()
    _ = room.enter(submission(b"c", ONE))


@in_a_room
async def test_who_gave_up_is_not_sequenced_and_holds_a_place_until_then(
    room: WaitingRoom,
) -> None:
    for entry in (b"a", b"b"):
        _ = room.enter(submission(entry, ONE)).cancel()
    with pytest.raises(BusyError):  # its bytes are still here
        _ = room.enter(submission(b"c", ONE))
    assert room.take() == []
    _ = room.enter(submission(b"c", ONE))


@in_a_room
async def test_who_gave_up_after_sequencing_is_forgotten(room: WaitingRoom) -> None:
    future = room.enter(submission(b"a", ONE))
    sequence(room, [7])
    future.cancel()
    room.acknowledge(0)
    assert room.unacknowledged == 0


@in_a_room
async def test_batch_begins_with_the_first_entry(room: WaitingRoom) -> None:
    assert room.oldest is None
    _ = room.enter(submission(b"a", ONE))
    oldest = room.oldest
    await asyncio.sleep(0.01)
    _ = room.enter(submission(b"b", ONE))
    assert room.oldest == oldest
    assert room.arrived.is_set()
    room.take()
    assert not room.arrived.is_set()


@in_a_room
async def test_all_who_wait_learn_that_the_log_stops(room: WaitingRoom) -> None:
    futures = [room.enter(submission(b"a", ONE))]
    sequence(room, [0])
    futures.append(room.enter(submission(b"b", ONE)))
    room.take()
    futures.append(room.enter(submission(b"c", TWO)))
    room.end()
    for future in futures:
        with pytest.raises(StoppedError):
            future.result()
    with pytest.raises(StoppedError):
        _ = room.enter(submission(b"d", TWO))

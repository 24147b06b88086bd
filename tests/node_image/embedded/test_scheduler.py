import asyncio

import pytest

from node_image.embedded.errors import BusyError
from node_image.embedded.generation import Finish, Plan
from node_image.embedded.sampling import Sampling
from node_image.embedded.scheduler import STREAM_ROOM, EngineStoppedError, Scheduler

SAMPLING = Sampling(temperature=0.0)


@pytest.fixture
def scheduler(loaded):
    scheduler = Scheduler(loaded.model, loaded.service.tokens, active=2, queued=3)
    scheduler.start()
    yield scheduler
    scheduler.stop()


def plan(tokens: int, choices: int = 1) -> tuple[Plan, ...]:
    return (
        Plan(prompt=(100, 101), max_tokens=tokens, sampling=SAMPLING, ignore_end=True,
             choices=choices),
    )  # fmt: skip


async def read(stream):
    return [piece async for piece in stream.pieces()]


def test_a_full_stream_pauses_its_generation(scheduler):
    async def scene():
        unread = scheduler.submit(plan(4 * STREAM_ROOM))
        await read(scheduler.submit(plan(8 * STREAM_ROOM)))
        waiting, active = len(unread._pieces), scheduler.load[0]
        pieces = await read(unread)
        return waiting, active, pieces

    waiting, active, pieces = asyncio.run(scene())
    assert waiting == STREAM_ROOM
    assert active == 1
    assert sum(piece.tokens for piece in pieces) == 4 * STREAM_ROOM


def test_every_choice_comes_to_its_end(scheduler):
    pieces = asyncio.run(_submit_and_read(scheduler, plan(5, choices=3)))
    ended = {piece.index for piece in pieces if piece.finish is Finish.LENGTH}
    assert ended == {0, 1, 2}


async def _submit_and_read(scheduler, plans):
    return await read(scheduler.submit(plans))


def test_a_request_that_does_not_fit_the_queue_is_refused_whole(scheduler):
    async def scene():
        with pytest.raises(BusyError):
            scheduler.submit(plan(5, choices=4))
        return await read(scheduler.submit(plan(5, choices=3)))

    assert asyncio.run(scene())


def test_an_abandoned_request_leaves_its_place(scheduler):
    async def scene():
        streams = [scheduler.submit(plan(2000)) for _ in range(3)]
        for stream in streams:
            stream.abandon()
        await read(scheduler.submit(plan(5)))

    asyncio.run(scene())
    assert scheduler.load == (0, 0)


def test_stopping_breaks_off_what_runs_and_takes_no_more(scheduler):
    async def scene():
        stream = scheduler.submit(plan(2000))
        reading = asyncio.create_task(read(stream))
        await asyncio.sleep(0)
        scheduler.halt()
        with pytest.raises(EngineStoppedError):
            await reading
        with pytest.raises(BusyError):
            scheduler.submit(plan(5))

    asyncio.run(scene())
    assert not scheduler.alive


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_of_the_worker_leaves_nobody_waiting(scheduler, loaded, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    async def scene():
        monkeypatch.setattr(type(loaded.model), "forward", fail)
        with pytest.raises(EngineStoppedError):
            await read(scheduler.submit(plan(5)))

    asyncio.run(scene())
    assert not scheduler.alive

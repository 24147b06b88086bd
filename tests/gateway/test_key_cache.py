"""A relay fetches the gateway's keys once for everybody who asks."""

import asyncio
from typing import Any, cast

import pytest

from gateway.config import RelayConfig
from gateway.errors import UpstreamError
from gateway.outbound import Answer, Outbound
from gateway.relay import KeyCache

CONFIG = RelayConfig(listen="127.0.0.1:0", gateway="http://gateway.example", keys_cache=60)


class Gateway:
    """Answers when it is let, or not at all."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers: asyncio.Queue[Answer] = asyncio.Queue()

    async def fetch(self, *_: Any, **__: Any) -> Answer:
        self.asked += 1
        try:
            async with asyncio.timeout(0.05):
                return await self.answers.get()
        except TimeoutError as error:
            raise UpstreamError("no answer") from error


def cache(gateway: Gateway) -> KeyCache:
    return KeyCache(cast("Outbound", gateway), CONFIG)


def test_a_silent_gateway_keeps_nobody_waiting_for_others() -> None:
    async def ask() -> tuple[list[object], int]:
        gateway = Gateway()
        found = cache(gateway)
        said = await asyncio.gather(*(found.get() for _ in range(20)), return_exceptions=True)
        return list(said), gateway.asked

    said, asked = asyncio.run(ask())
    assert all(isinstance(one, UpstreamError) for one in said)
    assert asked == 1


@pytest.mark.parametrize("status", [200, 503])
def test_keys_are_fetched_once_and_refusals_are_not_kept(status: int) -> None:
    async def ask() -> tuple[bytes, int]:
        gateway = Gateway()
        found = cache(gateway)
        gateway.answers.put_nowait(Answer(status=status, headers={}, body=b"keys"))
        if status != 200:
            with pytest.raises(UpstreamError):
                await found.get()
            gateway.answers.put_nowait(Answer(status=200, headers={}, body=b"keys"))
        keys = [await found.get() for _ in range(3)]
        assert len(set(keys)) == 1
        return keys[0], gateway.asked

    assert asyncio.run(ask()) == (b"keys", 1 if status == 200 else 2)


def test_who_leaves_takes_nobody_with_him() -> None:
    async def ask() -> bytes:
        gateway = Gateway()
        found = cache(gateway)
        first = asyncio.create_task(found.get())
        second = asyncio.create_task(found.get())
        await asyncio.sleep(0)
        first.cancel()
        gateway.answers.put_nowait(Answer(status=200, headers={}, body=b"keys"))
        return await second

    assert asyncio.run(ask()) == b"keys"

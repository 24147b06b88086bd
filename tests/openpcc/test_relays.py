"""One relay a process, another only when it cannot be reached, and never all of them in turns."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from openpcc import relays
from openpcc.carrier import AsyncCarrier, Carrier
from openpcc.errors import ConfigurationError, GatewayError, TransportError
from openpcc.protocol import messages
from openpcc.relays import MAX_RELAYS, Relays
from tests.fakes.node import Exchange, FarEnd

KEYS = [("content-type", messages.OHTTP_KEYS)]
REPLY = [("content-type", messages.OHTTP_RESPONSE)]


async def serves(exchange: Exchange) -> None:
    keys = exchange.got.path == "/ohttp-keys"
    await exchange.answer(200, b"keys" if keys else b"reply", KEYS if keys else REPLY)


@pytest.fixture
def ends() -> Iterator[list[FarEnd]]:
    with ExitStack() as stack:
        yield [stack.enter_context(FarEnd(serves)) for _ in range(3)]


def closed() -> str:
    """Give an address where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def ordered(*urls: str) -> Relays:
    """Draw until the order is this one."""
    while (made := Relays(urls)).drawn != urls:
        pass
    return made


def post(carrier: Carrier) -> bytes:
    with carrier.exchange(b"request") as chunks:
        return b"".join(chunks)


async def post_async(choice: Relays) -> bytes:
    carrier = AsyncCarrier(choice, None)
    try:
        async with carrier.exchange(b"request") as chunks:
            return b"".join([chunk async for chunk in chunks])
    finally:
        await carrier.aclose()


def test_each_relay_is_drawn_alike():
    urls = [f"https://{number}.example" for number in range(4)]
    drawn = Counter(Relays(urls).current for _ in range(4000))
    # 1000 expected, a standard deviation of 27: seven of them, once in 10^11 runs
    assert all(abs(drawn[url] - 1000) < 190 for url in urls)


def test_a_process_has_one_choice_whoever_asks():
    urls = [f"https://{number}.example" for number in range(MAX_RELAYS)]
    first = relays.of_process(urls)
    assert all(relays.of_process(urls[::step]) is first for step in (1, -1))
    assert relays.of_process(urls[:2]) is not first


def test_two_processes_draw_anew():
    urls = [f"https://{number}.example" for number in range(MAX_RELAYS)]
    assert len({Relays(urls).current for _ in range(100)}) > 1


@pytest.mark.parametrize("urls", [[], ["a"] * 2, [str(number) for number in range(9)]])
def test_none_too_many_or_one_twice_is_refused(urls: list[str]):
    with pytest.raises(ConfigurationError, match="different relays"):
        Relays(urls)


def test_every_fetch_and_request_goes_the_same_way(ends: list[FarEnd]):
    choice = Relays([end.url for end in ends])
    fetching, asking = Carrier(choice, None), Carrier(choice, None)
    for _ in range(5):
        assert (fetching.keys(), post(asking)) == (b"keys", b"reply")
    fetching.close()
    asking.close()
    assert sorted(len(end.got) for end in ends) == [0, 0, 10]


def test_a_relay_that_cannot_be_reached_is_left_for_good(ends: list[FarEnd]):
    gone = closed()
    choice = ordered(gone, ends[0].url, ends[1].url)
    carrier = Carrier(choice, None)
    assert carrier.keys() == b"keys"
    assert choice.current == ends[0].url
    assert asyncio.run(post_async(choice)) == b"reply"  # the other carrier has moved with it
    assert [got.body for got in ends[0].got] == [b"", b"request"]
    assert ends[1].got == []
    carrier.close()


def test_an_awaiting_request_moves_on_and_is_sent_once(ends: list[FarEnd]):
    choice = ordered(closed(), ends[0].url)
    assert asyncio.run(post_async(choice)) == b"reply"
    assert [got.body for got in ends[0].got] == [b"request"]


def test_when_none_is_left_each_is_named_once():
    urls = (closed(), closed())
    choice = ordered(*urls)
    carrier = Carrier(choice, None)
    for fetch in (carrier.keys, lambda: post(carrier)):
        with pytest.raises(TransportError) as caught:
            fetch()
        assert [str(caught.value).count(f"relay {url}: connection refused") for url in urls] == [
            1,
            1,
        ]
    carrier.close()
    with pytest.raises(TransportError, match="connection refused"):
        asyncio.run(post_async(choice))


def test_relays_that_come_back_are_found_again(ends: list[FarEnd]):
    choice = ordered(closed(), ends[0].url)
    carrier = Carrier(choice, None)
    choice.leave(choice.current)
    choice.leave(choice.current)
    assert choice.current == choice.drawn[0]
    assert carrier.keys() == b"keys"
    carrier.close()


@pytest.mark.parametrize("refusal", ["page", "breaks"])
def test_a_relay_that_refuses_or_breaks_off_is_not_left(ends: list[FarEnd], refusal: str):
    """It was reached: a second try would be a second request, and the caller's to decide."""

    async def unwilling(exchange: Exchange) -> None:
        if refusal == "page":
            await exchange.answer(502, b"<html>", [("content-type", "text/html")])
        else:
            exchange.drop()

    ends[0].script = unwilling
    choice = ordered(ends[0].url, ends[1].url)
    carrier = Carrier(choice, None)
    for _ in range(3):
        with pytest.raises((GatewayError, TransportError)):
            post(carrier)
    carrier.close()
    assert choice.current == ends[0].url
    assert ends[1].got == []


def test_a_wait_that_we_cut_ourselves_blames_no_relay(ends: list[FarEnd]):
    choice = ordered(ends[0].url, ends[1].url)
    carrier = Carrier(choice, None)
    carrier.close()
    with pytest.raises(TransportError, match="closed"):
        carrier.keys()
    assert choice.current == ends[0].url


def test_many_threads_leave_a_relay_once(ends: list[FarEnd]):
    choice = ordered(closed(), ends[0].url, ends[1].url, ends[2].url)
    carrier = Carrier(choice, None)
    threads = [threading.Thread(target=carrier.keys) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    carrier.close()
    assert [len(end.got) for end in ends] == [8, 0, 0]

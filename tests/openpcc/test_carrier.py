"""What a relay may do to the carrier, on real sockets: nothing that lasts or leaves a mark."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from openpcc.carrier import AsyncCarrier, Carrier
from openpcc.errors import GatewayError, TransportError
from openpcc.protocol import messages
from tests.fakes.node import Exchange, FarEnd

KEYS = [("content-type", messages.OHTTP_KEYS)]


async def answers_keys(exchange: Exchange) -> None:
    await exchange.answer(200, b"keys", KEYS)


@pytest.fixture
def relay() -> Iterator[FarEnd]:
    with FarEnd(answers_keys) as far:
        yield far


@pytest.fixture
def carrier(relay: FarEnd) -> Iterator[Carrier]:
    opened = Carrier(relay.url, None)
    yield opened
    opened.close()


def post(carrier: Carrier) -> bytes:
    with carrier.exchange(b"request") as chunks:
        return b"".join(chunks)


async def post_async(relay: str) -> None:
    carrier = AsyncCarrier(relay, None)
    try:
        async with carrier.exchange(b"request") as chunks:
            async for _ in chunks:
                pass
    finally:
        await carrier.aclose()


async def drips_its_head(exchange: Exchange) -> None:
    await exchange.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        await exchange.write(b"x: y\r\n")
        await asyncio.sleep(0.02)


async def drips_its_body(exchange: Exchange) -> None:
    await exchange.start(messages.OHTTP_RESPONSE)
    while True:
        await exchange.chunk(b"x")
        await asyncio.sleep(0.02)


async def says_nothing(exchange: Exchange) -> None:
    await exchange.gone()


@pytest.mark.parametrize("script", [drips_its_head, drips_its_body, says_nothing])
def test_an_answer_fed_for_ever_ends_with_its_time(relay: FarEnd, carrier: Carrier, script):
    relay.script = script
    with carrier.limited(0.3):
        with pytest.raises(TransportError):
            post(carrier)
        with pytest.raises(TransportError, match="too long"):
            carrier.keys()  # the time is that of all fetches together
    relay.script = answers_keys
    with carrier.limited(30):
        assert carrier.keys() == b"keys"


async def drips_a_refusal(exchange: Exchange) -> None:
    await exchange.write(b"HTTP/1.1 503 X\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        await exchange.chunk(b"x")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("script", "bound"), [(drips_its_body, "LONGEST_REPLY"), (drips_a_refusal, "REFUSAL_TIME")]
)
def test_a_request_fed_for_ever_ends_too(
    relay: FarEnd, carrier: Carrier, monkeypatch: pytest.MonkeyPatch, script, bound: str
):
    """Each drop comes within the timeout, which counts between two of them."""
    monkeypatch.setattr(f"openpcc.carrier.{bound}", 0.2)
    relay.script = script
    with pytest.raises(TransportError, match="no end"):
        post(carrier)
    with pytest.raises(TransportError, match="no end"):
        asyncio.run(post_async(relay.url))


def test_closing_ends_a_wait_in_another_thread(relay: FarEnd, carrier: Carrier):
    asked = threading.Event()
    errors: list[TransportError] = []

    async def waits(exchange: Exchange) -> None:
        asked.set()
        await exchange.gone()

    def fetch() -> None:
        try:
            carrier.keys()
        except TransportError as error:
            errors.append(error)

    relay.script = waits
    thread = threading.Thread(target=fetch)
    thread.start()
    assert asked.wait(10)
    carrier.close()
    thread.join(10)
    assert len(errors) == 1
    with pytest.raises(TransportError, match="closed"):
        carrier.keys()


def test_a_relays_cookie_is_not_kept(relay: FarEnd, carrier: Carrier):
    async def marks(exchange: Exchange) -> None:
        await exchange.answer(200, b"keys", [*KEYS, ("set-cookie", "user=7; path=/")])

    relay.script = marks
    for _ in range(2):
        carrier.keys()
    assert [got.header("cookie") for got in relay.got] == [None, None]


def test_an_async_carrier_keeps_no_cookie_either(relay: FarEnd):
    async def marks(exchange: Exchange) -> None:
        fields = [("content-type", messages.OHTTP_RESPONSE), ("set-cookie", "user=7; path=/")]
        await exchange.answer(200, b"reply", fields)

    async def run() -> None:
        carrier = AsyncCarrier(relay.url, None)
        for _ in range(2):
            async with carrier.exchange(b"x") as chunks:
                assert b"".join([chunk async for chunk in chunks]) == b"reply"
        await carrier.aclose()
        with pytest.raises(TransportError, match="closed"):
            async with carrier.exchange(b"x"):
                pass

    relay.script = marks
    asyncio.run(run())
    assert [got.header("cookie") for got in relay.got] == [None, None]


def test_requests_differ_in_their_length_alone(relay: FarEnd, carrier: Carrier):
    for _ in range(2):
        carrier.keys()
    first, second = relay.got
    assert first.headers == second.headers
    assert first.header("user-agent") == "openpcc"


def test_no_proxy_is_taken_from_the_environment(relay: FarEnd, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    carrier = Carrier(relay.url, None)
    assert carrier.keys() == b"keys"
    carrier.close()


def test_a_redirect_is_not_followed(relay: FarEnd, carrier: Carrier):
    async def elsewhere(exchange: Exchange) -> None:
        await exchange.answer(307, b"", [("location", "/elsewhere")])

    relay.script = elsewhere
    with pytest.raises(GatewayError):
        carrier.keys()
    assert [got.path for got in relay.got] == ["/ohttp-keys"]


@pytest.mark.parametrize("kind", ["text/html", "", messages.OHTTP_RESPONSE + "; x=y"])
def test_a_page_is_not_a_reply(relay: FarEnd, carrier: Carrier, kind: str):
    async def page(exchange: Exchange) -> None:
        await exchange.answer(200, b"<html>", [("content-type", kind)] if kind else [])

    relay.script = page
    with pytest.raises(TransportError, match="is not"):
        post(carrier)
    with pytest.raises(TransportError, match="is not"):
        carrier.keys()


def test_a_problem_document_says_that_the_key_is_retired(relay: FarEnd, carrier: Carrier):
    async def problem(exchange: Exchange) -> None:
        await exchange.answer(422, b"{}", [("content-type", "application/problem+json")])

    relay.script = problem
    with pytest.raises(GatewayError) as caught:
        post(carrier)
    assert caught.value.code == "ohttp-key"


def test_an_endless_refusal_is_read_no_further_than_an_error_document(
    relay: FarEnd, carrier: Carrier
):
    async def endless(exchange: Exchange) -> None:
        await exchange.write(b"HTTP/1.1 500 X\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            await exchange.chunk(bytes(1000))
            await asyncio.sleep(0)

    relay.script = endless
    with pytest.raises(GatewayError) as caught:
        post(carrier)
    assert caught.value.code == "unknown"


def test_endless_keys_are_refused(relay: FarEnd, carrier: Carrier):
    async def endless(exchange: Exchange) -> None:
        await exchange.start(messages.OHTTP_KEYS)
        while True:
            await exchange.chunk(bytes(10000))
            await asyncio.sleep(0)

    relay.script = endless
    with pytest.raises(TransportError, match="exceed"):
        carrier.keys()


def test_a_relay_that_breaks_off_is_a_transport_error(relay: FarEnd, carrier: Carrier):
    async def breaks(exchange: Exchange) -> None:
        await exchange.start(messages.OHTTP_RESPONSE)
        await exchange.chunk(b"part")
        exchange.drop()

    relay.script = breaks
    with pytest.raises(TransportError, match="broke the connection; try again"):
        post(carrier)


@pytest.mark.parametrize(
    ("relay", "why"),
    [
        ("http://127.0.0.1:9", "connection refused"),
        ("http://localhost:9", "connection refused"),  # more than one address, perhaps
        ("https://relay.invalid", "its name is not known"),
    ],
)
def test_a_relay_that_is_not_there_is_named_with_reason_and_remedy(relay: str, why: str):
    carrier = Carrier(relay, None)
    with pytest.raises(TransportError, match=rf"^relay {relay}: {why}; check 'relay' in") as caught:
        carrier.keys()
    assert "\n" not in str(caught.value)
    carrier.close()
    with pytest.raises(TransportError, match=rf"^relay {relay}: {why}; check 'relay' in"):
        asyncio.run(post_async(relay))


def test_a_relay_without_tls_is_named_so():
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def answers() -> None:
            peer, _ = plain.accept()
            with peer:
                peer.recv(1 << 16)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answers)
        thread.start()
        carrier = Carrier(f"https://127.0.0.1:{plain.getsockname()[1]}", None)
        with pytest.raises(TransportError, match=r"it does not speak TLS 1\.3; check"):
            carrier.keys()
        carrier.close()
        thread.join()

"""What the gateway answers itself has few lengths: a relay must not know files by theirs."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import keys
from gateway.asgi import Message
from gateway.decapsulation import Decapsulation
from gateway.errors import CODES, RefusedError
from gateway.keys import KeyRing
from gateway.reply import Reply
from openpcc.protocol import bhttp, chunked_ohttp, messages
from openpcc.protocol.key_config import parse_configs


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    folder: Path = tmp_path_factory.mktemp("keys")
    keys.generate(folder, now=0)
    return keys.load((folder / keys.PRIVATE_NAME,))


class Exchange:
    """One request, and the bytes of its answer."""

    def __init__(self, ring: KeyRing) -> None:
        body, self._opener = chunked_ohttp.encapsulate(parse_configs(ring.public[0])[1], b"message")
        opening = Decapsulation(ring)
        opening.feed(body)
        self.wire = b""
        self.reply = Reply(opening.finish().context, self._send)

    async def _send(self, message: Message) -> None:
        self.wire += message.get("body", b"")

    def content(self) -> bytes:
        decoder = bhttp.ResponseDecoder()
        plain = [*self._opener.feed(self.wire), *self._opener.finish()]
        events = [event for one in plain for event in decoder.feed(one)] + decoder.finish()
        return b"".join(event.data for event in events if isinstance(event, bhttp.Content))


def answered(ring: KeyRing, content: bytes) -> int:
    exchange = Exchange(ring)
    asyncio.run(exchange.reply.whole(200, messages.OCTETS, content))
    assert exchange.content() == content
    return len(exchange.wire)


def test_bundles_of_neighbours_have_one_length(ring: KeyRing) -> None:
    """Their quotes are alike, their certificates differ by some bytes."""
    assert len({answered(ring, bytes(40_000 + more)) for more in range(0, 900, 60)}) == 1


def test_up_to_a_size_there_are_two_lengths_for_each_doubling(ring: KeyRing) -> None:
    assert len({answered(ring, bytes(size)) for size in range(0, 60_000, 500)}) == 9


def test_a_refusal_is_as_long_as_a_hint(ring: KeyRing) -> None:
    sizes = {answered(ring, b"{}")}
    for code in CODES:
        exchange = Exchange(ring)
        asyncio.run(exchange.reply.refuse(RefusedError(code)))
        sizes.add(len(exchange.wire))
    assert len(sizes) == 1


@given(size=st.integers(0, 200_000))
@settings(max_examples=25, deadline=None)
def test_padding_is_at_most_a_half(ring: KeyRing, size: int) -> None:
    assert answered(ring, bytes(size)) <= 1.51 * size + 4700

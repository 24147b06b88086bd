"""Chunked Oblivious HTTP, client against gateway, in pieces of every size."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openpcc.protocol import chunked_ohttp, ohttp
from openpcc.protocol.chunked_ohttp import ClientRequest, GatewayRequest
from openpcc.protocol.errors import (
    MalformedError,
    MisuseError,
    TruncatedError,
    UnknownKeyError,
    UnsealableError,
)
from openpcc.protocol.hpke import KEM_X25519, KEM_XWING

GATEWAY = ohttp.GatewayKey.generate(kem_id=KEM_X25519, key_id=1, algorithms=((1, 1), (1, 2)))
HEAD = GatewayRequest.head_size(GATEWAY)


def drain(opener, body, step=None):
    step = step or max(len(body), 1)
    pieces = []
    for at in range(0, len(body), step):
        pieces += opener.feed(body[at : at + step])
    return b"".join([*pieces, *opener.finish()])


def opened(body, step=None):
    request = GatewayRequest.open(GATEWAY, body[:HEAD])
    return request, drain(request, body[HEAD:], step)


def answered(request, chunks):
    sealer = request.seal_response()
    *first, last = chunks
    parts = [sealer.head(), *(sealer.seal(chunk) for chunk in first)]
    return b"".join([*parts, sealer.seal(last, final=True)])


@pytest.mark.parametrize("size", [0, 1, 16384, 16385, 50000])
def test_a_whole_message_goes_through(size):
    body, reply = chunked_ohttp.encapsulate(GATEWAY.config, bytes(size))
    request, message = opened(body)
    assert message == bytes(size)
    assert request.complete
    assert drain(reply, answered(request, [b"a", b"b"])) == b"ab"
    assert reply.complete


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 40), st.lists(st.binary(min_size=1, max_size=100), min_size=1, max_size=5))
def test_pieces_of_any_size_give_what_the_whole_gives(step, chunks):
    client = ClientRequest.create(GATEWAY.config, kdf=1, aead=2)
    *first, last = chunks
    body = client.head + b"".join(client.seal(chunk) for chunk in first)
    body += client.seal(last, final=True)
    request, message = opened(body, step)
    assert message == b"".join(chunks)
    response = answered(request, chunks)
    assert drain(client.open_response(), response, step) == message


def test_works_with_the_hybrid_kem():
    gateway = ohttp.GatewayKey.generate(kem_id=KEM_XWING, key_id=3, algorithms=((1, 2),))
    body, _ = chunked_ohttp.encapsulate(gateway.config, b"m")
    size = GatewayRequest.head_size(gateway)
    request = GatewayRequest.open(gateway, body[:size])
    assert drain(request, body[size:]) == b"m"
    assert request.enc == body[7:size]


def test_the_head_is_read_exactly():
    body, _ = chunked_ohttp.encapsulate(GATEWAY.config, b"m")
    with pytest.raises(TruncatedError):
        GatewayRequest.open(GATEWAY, body[: HEAD - 1])
    with pytest.raises(MalformedError):
        GatewayRequest.open(GATEWAY, body[: HEAD + 1])
    with pytest.raises(UnknownKeyError):
        GatewayRequest.open(GATEWAY, b"\x02" + body[1:HEAD])


def test_a_one_shot_request_is_not_a_chunked_one():
    """The labels differ, so neither form opens as the other."""
    body, _ = ohttp.encapsulate_request(GATEWAY.config, b"message")
    request = GatewayRequest.open(GATEWAY, body[:HEAD])
    with pytest.raises(UnsealableError):
        drain(request, b"\x00" + body[HEAD:])


@pytest.mark.parametrize("end", [0, 15, 16, 16 + 18])
def test_a_response_without_its_final_chunk_is_truncated(end):
    client = ClientRequest.create(GATEWAY.config)
    request = GatewayRequest.open(GATEWAY, client.head)
    response = answered(request, [b"a", b"b"])
    reply = client.open_response()
    with pytest.raises(TruncatedError):
        drain(reply, response[:end])
    assert not reply.complete


def test_another_clients_response_does_not_open():
    one, two = ClientRequest.create(GATEWAY.config), ClientRequest.create(GATEWAY.config)
    response = answered(GatewayRequest.open(GATEWAY, one.head), [b"a"])
    with pytest.raises(UnsealableError):
        drain(two.open_response(), response)


def test_one_request_has_one_response():
    client = ClientRequest.create(GATEWAY.config)
    request = GatewayRequest.open(GATEWAY, client.head)
    request.seal_response()
    client.open_response()
    for again in (request.seal_response, client.open_response):
        with pytest.raises(MisuseError):
            again()


def test_a_response_may_begin_before_the_request_ended():
    client = ClientRequest.create(GATEWAY.config)
    request = GatewayRequest.open(GATEWAY, client.head)
    reply = client.open_response()
    sealer = request.seal_response()
    assert request.feed(client.seal(b"q1")) == [b"q1"]
    assert reply.feed(sealer.head() + sealer.seal(b"a1")) == [b"a1"]
    assert request.feed(client.seal(b"q2", final=True)) == []
    assert request.finish() == [b"q2"]

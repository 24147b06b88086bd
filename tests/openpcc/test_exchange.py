"""One exchange as bytes: whatever is cut, swapped or refused on the way is an error by name."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openpcc.errors import DirectoryError, GatewayError, TruncatedReplyError
from openpcc.exchange import GatewayExchange, SealedExchange, carriage
from openpcc.protocol import bhttp, hpke, messages
from openpcc.protocol.key_config import KeyConfig
from openpcc.protocol.sealing import Unwrapped
from openpcc.trust import TrustedNode
from tests.fakes.memory_service import MemoryService, Node, seal_outer
from tests.fakes.world import NOW

Nodes = tuple[TrustedNode, ...]

REQUEST = bhttp.Request(
    method="POST", scheme="https", authority="demo.example", path="/v1/chat/completions",
    headers=(("content-type", messages.JSON),), content=b'{"model":"demo"}',
)  # fmt: skip
GET = bhttp.Request(method="GET", scheme="https", authority="demo.example", path="/service")


def exchange(service: MemoryService, nodes: Nodes) -> SealedExchange:
    return SealedExchange(service.gateway_key.config, nodes, REQUEST, model="demo", now=NOW)


def said(events: list[bhttp.Event]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, bhttp.Content))


def drain(one: SealedExchange | GatewayExchange, body: bytes, step: int = 1000) -> bytes:
    events = []
    for at in range(0, len(body), step):
        events += one.feed(body[at : at + step])
    return said(events + one.finish())


def outer(service: MemoryService, one: SealedExchange, response: bhttp.Response) -> bytes:
    """Answer with a response of the gateway's own."""
    _, sealer = service.decapsulate(one.body)
    return seal_outer(sealer, bhttp.encode_response(response))


@pytest.mark.parametrize("step", [1, 7, 1000, 10**6])
def test_an_honest_reply_is_read_in_pieces_of_any_size(
    talking: MemoryService, trusted_nodes: Nodes, step: int
):
    one = exchange(talking, trusted_nodes)
    assert one.serving is None
    assert drain(one, talking.respond(one.body), step) == b'{"hello":"world"}'
    assert one.serving in trusted_nodes


def test_the_relay_sees_one_size_for_every_short_prompt(
    talking: MemoryService, trusted_nodes: Nodes
):
    sizes = set()
    for content in (b"{}", b"{" + b" " * 500 + b"}"):
        request = bhttp.Request(
            method="POST", scheme="https", authority="demo.example", path=REQUEST.path,
            headers=REQUEST.headers, content=content,
        )  # fmt: skip
        one = SealedExchange(
            talking.gateway_key.config, trusted_nodes, request, model="demo", now=NOW
        )
        sizes.add(len(one.body))
    assert len(sizes) == 1


def test_a_reply_cut_at_any_outer_byte_is_an_error(talking: MemoryService, trusted_nodes: Nodes):
    one = exchange(talking, trusted_nodes)
    whole = talking.respond(one.body)
    for end in {0, 1, 16, 31, 32, 40, len(whole) // 2, len(whole) - 17, len(whole) - 1}:
        again = exchange(talking, trusted_nodes)
        body = talking.respond(again.body)
        with pytest.raises(TruncatedReplyError):
            drain(again, body[:end])


def test_a_reply_that_the_gateway_ends_early_is_an_error(
    talking: MemoryService, trusted_nodes: Nodes
):
    """The outer layer is whole and authentic; the node's reply inside lacks its end."""

    def respond(cut: int) -> None:
        def reply(node: Node, unwrapped: Unwrapped, message: bytes) -> bytes:
            whole = talking.inner(node, unwrapped, message)
            return whole[: len(whole) - cut]

        talking.reply = reply

    for cut in (1, 17, 400, 600, 1100):
        respond(cut)
        one = exchange(talking, trusted_nodes)
        with pytest.raises(TruncatedReplyError):
            drain(one, talking.respond(one.body))


def test_a_node_that_ends_its_message_early_is_an_error(
    talking: MemoryService, trusted_nodes: Nodes
):
    """Both seals are whole; the inner response stops before its trailers."""

    def reply(node: Node, unwrapped: Unwrapped, message: bytes) -> bytes:
        sealer, encoder = unwrapped.seal_reply(), bhttp.ResponseEncoder()
        data = encoder.head(200) + encoder.content(b"part")
        return sealer.head() + sealer.record(data, final=True)

    talking.reply = reply
    one = exchange(talking, trusted_nodes)
    with pytest.raises(TruncatedReplyError):
        drain(one, talking.respond(one.body))


@settings(deadline=None, max_examples=30)
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_changed_byte_never_passes(
    shared_service: MemoryService, trusted_nodes: Nodes, place: float, flip: int
):
    one = exchange(shared_service, trusted_nodes)
    body = bytearray(shared_service.respond(one.body))
    body[int(place * len(body))] ^= flip
    with pytest.raises(TruncatedReplyError):
        drain(one, bytes(body))


@settings(deadline=None, max_examples=30)
@given(st.binary(max_size=300))
def test_any_inner_bytes_are_a_truncated_reply(
    shared_service: MemoryService, trusted_nodes: Nodes, data: bytes
):
    one = exchange(shared_service, trusted_nodes)
    body = outer(shared_service, one, bhttp.Response(status=200, content=data))
    with pytest.raises(TruncatedReplyError):
        drain(one, body)


def test_the_reply_to_another_request_does_not_open(talking: MemoryService, trusted_nodes: Nodes):
    first, second = exchange(talking, trusted_nodes), exchange(talking, trusted_nodes)
    with pytest.raises(TruncatedReplyError):
        drain(second, talking.respond(first.body))


def test_the_inner_reply_to_another_request_does_not_open(
    talking: MemoryService, trusted_nodes: Nodes
):
    first, second = exchange(talking, trusted_nodes), exchange(talking, trusted_nodes)
    request, _ = talking.decapsulate(first.body)
    stolen = talking.sealed(request.content)
    with pytest.raises(TruncatedReplyError):
        drain(second, outer(talking, second, stolen))


def test_another_candidate_cannot_answer_in_the_serving_ones_name(
    talking: MemoryService, trusted_nodes: Nodes
):
    def reply(node: Node, unwrapped: Unwrapped, message: bytes) -> bytes:
        whole = talking.inner(node, unwrapped, message)
        return bytes([1 - whole[0]]) + whole[1:]

    talking.reply = reply
    one = exchange(talking, trusted_nodes)
    with pytest.raises(TruncatedReplyError):
        drain(one, talking.respond(one.body))


@pytest.mark.parametrize("index", [2, 255])
def test_a_reply_of_no_candidate_is_refused(
    talking: MemoryService, trusted_nodes: Nodes, index: int
):
    one = exchange(talking, trusted_nodes)
    body = outer(talking, one, bhttp.Response(status=200, content=bytes([index]) + bytes(100)))
    with pytest.raises(TruncatedReplyError):
        drain(one, body)
    assert one.serving is None


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (503, messages.encode_error("busy", "x"), "busy"),
        (422, messages.encode_error("unknown-key", "x"), "unknown-key"),
        (500, b"<html>", "unknown"),
        (404, b"", "unknown"),
        (502, messages.encode_error("busy", "x" * 5000), "unknown"),
        (400, b'{"error":{"code":"Do this now"}}', "unknown"),
        (201, messages.encode_error("busy", "x"), "busy"),
    ],
)
def test_a_refusal_outside_the_seal_is_the_gateways_word(
    talking: MemoryService, trusted_nodes: Nodes, status: int, body: bytes, code: str
):
    one = exchange(talking, trusted_nodes)
    answer = outer(talking, one, bhttp.Response(status=status, content=body))
    with pytest.raises(GatewayError) as caught:
        drain(one, answer)
    assert (caught.value.code, caught.value.status) == (code, status)
    assert one.serving is None


def test_an_endless_refusal_is_not_kept(talking: MemoryService, trusted_nodes: Nodes):
    one = exchange(talking, trusted_nodes)
    answer = outer(talking, one, bhttp.Response(status=500, content=bytes(10**6)))
    with pytest.raises(GatewayError):
        drain(one, answer)
    assert len(one._refusal) <= messages.MAX_ERROR + 1


def test_a_refusal_that_is_cut_is_no_refusal(talking: MemoryService, trusted_nodes: Nodes):
    one = exchange(talking, trusted_nodes)
    body = messages.encode_error("busy", "x")
    answer = outer(talking, one, bhttp.Response(status=503, content=body))
    with pytest.raises(TruncatedReplyError):
        drain(one, answer[:-1])


def test_nothing_opens_after_closing(talking: MemoryService, trusted_nodes: Nodes):
    one = exchange(talking, trusted_nodes)
    body = talking.respond(one.body)
    one.close()
    with pytest.raises(TruncatedReplyError):
        drain(one, body)


def test_a_long_reply_is_not_cut_by_the_limit_of_a_file(
    talking: MemoryService, trusted_nodes: Nodes
):
    one = exchange(talking, trusted_nodes)
    assert one._outer._decoder._reader._limits.content > 2**30
    assert one._response.decoder._reader._limits.content > 2**30
    plain = GatewayExchange(talking.gateway_key.config, GET)
    assert plain._decoder._reader._limits == bhttp.LIMITS


def test_a_key_nothing_can_be_encapsulated_to_is_named():
    key = KeyConfig(
        key_id=1, kem_id=hpke.KEM_X25519, public_key=bytes(32), algorithms=((1, 0x7777),)
    )
    with pytest.raises(DirectoryError, match="OHTTP key"):
        GatewayExchange(key, GET)


def test_a_model_the_nodes_do_not_serve_is_not_sealed(talking: MemoryService, trusted_nodes: Nodes):
    with pytest.raises(DirectoryError, match="does not name the model"):
        SealedExchange(talking.gateway_key.config, trusted_nodes, REQUEST, model="other", now=NOW)


def test_one_node_twice_is_not_sealed_to(talking: MemoryService, trusted_nodes: Nodes):
    with pytest.raises(DirectoryError):
        exchange(talking, (trusted_nodes[0], trusted_nodes[0]))


def test_a_files_end_must_be_authentic(talking: MemoryService):
    one = GatewayExchange(talking.gateway_key.config, GET)
    body = talking.respond(one.body)
    assert b"demo.example" in said(list(one.events([body])))
    again = GatewayExchange(talking.gateway_key.config, GET)
    body = talking.respond(again.body)
    with pytest.raises(TruncatedReplyError):
        list(again.events([body[:-1]]))


def test_the_carriage_tells_the_gateway_nothing_but_the_seal():
    carried = carriage(b"sealed", "demo.example")
    assert carried.path == "/sealed"
    assert carried.headers == (("content-type", messages.SEALED_REQUEST),)

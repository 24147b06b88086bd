"""A reply as the caller's library wants it, and the receipt that must be of this very exchange."""

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openpcc import answers
from openpcc.answers import Asked, Call, Options
from openpcc.errors import GatewayError, ReceiptError, TruncatedReplyError
from openpcc.protocol import bhttp, messages
from openpcc.protocol.sealing import Unwrapped
from openpcc.reply import Reply
from openpcc.trust import TrustedNode
from tests.fakes.memory_service import MemoryService, Node, seal_outer
from tests.fakes.world import NOW

Nodes = tuple[TrustedNode, ...]
ASKED = Asked(method="POST", target="/v1/chat/completions", content=b'{"model":"demo"}')


@pytest.fixture
def reply(talking: MemoryService, trusted_nodes: Nodes) -> Reply:
    return Reply(talking.gateway_key.config, trusted_nodes, call(), now=NOW)


def call() -> Call:
    prepared = answers.prepare(ASKED, Options(), "demo.example")
    assert isinstance(prepared, Call)
    return prepared


def ending_with(*trailers: tuple[str, str]) -> Callable[[Node, Unwrapped, bytes], bytes]:
    """Make a node whose reply is empty and ends with these trailers."""

    def made(node: Node, unwrapped: Unwrapped, message: bytes) -> bytes:
        sealer, encoder = unwrapped.seal_reply(), bhttp.ResponseEncoder()
        data = encoder.head(200) + encoder.end(trailers)
        return sealer.head() + sealer.record(data, final=True)

    return made


def read(reply: Reply, body: bytes) -> bytes:
    pieces = [piece for at in range(0, len(body), 100) for piece in reply.feed(body[at : at + 100])]
    return b"".join(pieces + reply.finish())


def breaking(service: MemoryService, **changes: Any) -> None:
    """Let the node's reply differ from an honest one in what is named."""

    def made(node: Node, unwrapped: Unwrapped, message: bytes) -> bytes:
        return service.inner(node, unwrapped, message, **changes)

    service.reply = made


def test_an_honest_reply_has_status_fields_content_and_receipt(
    talking: MemoryService, reply: Reply, trusted_nodes: Nodes
):
    assert read(reply, talking.respond(reply.body)) == b'{"hello":"world"}'
    assert reply.status == 200
    assert reply.headers == (("content-type", "application/json"),)
    assert reply.receipt is not None
    assert reply.receipt.completion_tokens == 4
    assert reply.node in trusted_nodes


EVENTS = (b'data: {"choices":[]}\n\n', b"data: [DONE]\n\n")


def test_the_last_event_of_a_stream_comes_with_the_authenticated_end(
    talking: MemoryService, reply: Reply
):
    """Callers leave at it: what they have by then must have been whole, and its receipt right."""
    breaking(talking, content=EVENTS)
    body = talking.respond(reply.body)
    before = [piece for at in range(len(body)) for piece in reply.feed(body[at : at + 1])]
    assert b"".join(before) == EVENTS[0]
    assert b"".join(reply.finish()) == EVENTS[1]
    assert reply.receipt is not None


def test_a_stream_with_a_wrong_receipt_never_shows_its_last_event(
    talking: MemoryService, reply: Reply
):
    breaking(talking, content=EVENTS, signer=Ed25519PrivateKey.generate())
    *body, last = talking.respond(reply.body)
    shown = [piece for byte in body for piece in reply.feed(bytes([byte]))]
    assert b"".join(shown) == EVENTS[0]
    reply.feed(bytes([last]))
    with pytest.raises(ReceiptError):
        reply.finish()


@pytest.mark.parametrize(
    ("claims", "what"),
    [
        ({"request": bytes(32)}, "request"),
        ({"response": bytes(32)}, "response"),
        ({"request_digest": bytes(32)}, "request digest"),
        ({"release": bytes(32)}, "release"),
        ({"binding": bytes(64)}, "binding"),
        ({"model": "another"}, "model"),
    ],
)
def test_a_receipt_of_anything_else_is_an_error(
    talking: MemoryService, reply: Reply, claims: dict[str, Any], what: str
):
    breaking(talking, **claims)
    with pytest.raises(ReceiptError, match=what):
        read(reply, talking.respond(reply.body))
    assert reply.receipt is None


def test_a_receipt_by_another_key_is_an_error(talking: MemoryService, reply: Reply):
    breaking(talking, signer=Ed25519PrivateKey.generate())
    with pytest.raises(ReceiptError, match="not signed"):
        read(reply, talking.respond(reply.body))


def test_the_receipt_of_another_candidate_is_an_error(talking: MemoryService, reply: Reply):
    def made(node: Node, unwrapped: Unwrapped, message: bytes) -> bytes:
        other = next(one for one in talking.nodes if one is not node)
        return talking.inner(node, unwrapped, message, signer=other.receipt_key)

    talking.reply = made
    with pytest.raises(ReceiptError, match="not signed"):
        read(reply, talking.respond(reply.body))


def test_the_receipt_of_an_earlier_reply_is_an_error(talking: MemoryService, trusted_nodes: Nodes):
    first, second = (
        Reply(talking.gateway_key.config, trusted_nodes[:1], call(), now=NOW) for _ in range(2)
    )
    read(first, talking.respond(first.body))
    earlier = talking.last_receipt
    talking.reply = ending_with((messages.RECEIPT, earlier))
    with pytest.raises(ReceiptError, match="is not that of this exchange"):
        read(second, talking.respond(second.body))


@pytest.mark.parametrize("value", ["", "not base64", "e30=", "A" * 40000])
def test_a_receipt_that_is_none_is_an_error(talking: MemoryService, reply: Reply, value: str):
    talking.reply = ending_with((messages.RECEIPT, value))
    with pytest.raises(ReceiptError):
        read(reply, talking.respond(reply.body))


def test_two_receipts_are_an_error(talking: MemoryService, reply: Reply):
    talking.reply = ending_with((messages.RECEIPT, "e30="), (messages.RECEIPT, "e30="))
    with pytest.raises(ReceiptError, match="more than one"):
        read(reply, talking.respond(reply.body))


def test_a_reply_without_a_receipt_says_so(talking: MemoryService, reply: Reply):
    breaking(talking, receipt=False)
    assert read(reply, talking.respond(reply.body)) == b'{"hello":"world"}'
    assert reply.receipt is None


def test_only_listed_fields_reach_the_caller(talking: MemoryService, reply: Reply):
    breaking(
        talking,
        headers=(
            ("content-type", "text/event-stream"),
            ("set-cookie", "a=b"),
            ("location", "https://elsewhere.example"),
            ("content-length", "3"),
            ("transfer-encoding", "chunked"),
            ("access-control-allow-origin", "*"),
            ("x-request-id", "7"),
        ),
    )
    read(reply, talking.respond(reply.body))
    assert [name for name, _ in reply.headers] == ["content-type", "x-request-id"]


def test_what_was_delivered_before_a_cut_is_partial(talking: MemoryService, reply: Reply):
    body = talking.respond(reply.body)
    delivered = reply.feed(body[: len(body) * 3 // 4])
    assert reply.status == 200
    assert b"".join(delivered)
    with pytest.raises(TruncatedReplyError):
        reply.finish()
    assert b'{"hello":"world"}'.startswith(b"".join(delivered))


def test_a_gateways_refusal_has_no_status_of_a_node(talking: MemoryService, reply: Reply):
    _, sealer = talking.decapsulate(reply.body)
    body = seal_outer(sealer, bhttp.encode_response(bhttp.Response(status=503)))
    with pytest.raises(GatewayError):
        read(reply, body)
    assert reply.status is None
    assert reply.node is None

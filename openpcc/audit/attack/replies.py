"""Attacks on what comes back: cut, forged and repeated replies, for a real client to refuse.

On the wire the whole client is the victim. As the gateway, which can open the outer layer and not
the inner, the attacker is an `Impostor` and the victim `openpcc.reply.Reply`, which a transport
feeds and believes.
"""

import json
from collections.abc import Callable
from dataclasses import replace

from openpcc import answers, paying
from openpcc.audit.attack.attempt import Attack, NotTriedError, Refused, SucceededError
from openpcc.audit.attack.hostile import Answer, Impostor
from openpcc.audit.attack.target import QUESTION, Target
from openpcc.audit.attack.wire import Wire
from openpcc.client import OpenPCC
from openpcc.errors import GatewayError, OpenPCCError, TruncatedReplyError
from openpcc.protocol import bhttp, messages, varint
from openpcc.reply import Reply
from openpcc.tokens.payment import Payment

CUT_AFTER = 24576
"""Bytes: more than one OHTTP chunk, so that something authentic has arrived before the cut."""

HEAD = 33
"""Bytes of a sealed reply before its first record: which candidate it is of, and a nonce."""

LONG = {"stream": True, "max_tokens": 256, "ignore_eos": True}
"""What makes a reply longer than that."""

Honest = Callable[[], bhttp.Response]


def cut_stream(target: Target) -> Refused:
    """Cut the wire inside a streamed reply."""
    delivered = 0

    def ask(client: OpenPCC, wire: Wire) -> None:
        nonlocal delivered
        wire.cut(CUT_AFTER)
        body = {"model": target.model, **QUESTION, **LONG}
        with client.http.stream("POST", "/v1/chat/completions", json=body) as response:
            for piece in response.iter_raw():
                delivered += len(piece)

    try:
        _on_the_wire(target, ask)
    except TruncatedReplyError as error:
        if not delivered:
            raise NotTriedError("nothing had arrived before the cut") from error
        words = f"{error} ({type(error).__name__} after {delivered} bytes)"
        return Refused(checks=(type(error).__name__,), words=words)
    raise SucceededError("a cut stream ended cleanly")


def _relay_code(target: Target) -> Refused:
    """Answer at the relay with what only a node may say."""

    def ask(client: OpenPCC, wire: Wire) -> None:
        wire.forge(409, "replayed")
        client.http.post("/v1/chat/completions", json={"model": target.model, **QUESTION})

    try:
        _on_the_wire(target, ask)
    except GatewayError as error:
        return Refused.by_client(error)
    raise SucceededError("the client took the relay's code for the node's answer")


def _cut_reply(target: Target) -> Refused:
    def answer(_: bhttp.Request, honest: Honest) -> bhttp.Response:
        genuine = honest()
        return replace(genuine, content=genuine.content[: len(genuine.content) // 2])

    return _fed(target, answer, "half a reply was taken for a whole one")


def _edited_reply(target: Target) -> Refused:
    def answer(_: bhttp.Request, honest: Honest) -> bhttp.Response:
        genuine = honest()
        content = bytearray(genuine.content)
        content[_first_tag(genuine.content)] ^= 1
        return replace(genuine, content=bytes(content))

    return _fed(target, answer, "an altered reply was taken for the node's")


def _forged_reply(target: Target) -> Refused:
    forged = bhttp.encode_response(bhttp.Response(status=200, content=b'{"choices":[]}'))

    def answer(_: bhttp.Request, _honest: Honest) -> bhttp.Response:
        return bhttp.Response(status=200, content=bytes(HEAD) + forged)

    return _fed(target, answer, "the gateway's own words were taken for the node's")


def _gateway_code(target: Target) -> Refused:
    body = messages.encode_error("replayed", "forged")

    def answer(_: bhttp.Request, _honest: Honest) -> bhttp.Response:
        return bhttp.Response(status=409, content=body)

    return _fed(target, answer, "the client took the gateway's code for the node's answer")


def _replayed_reply(target: Target) -> Refused:
    kept: list[bhttp.Response] = []

    def answer(_: bhttp.Request, honest: Honest) -> bhttp.Response:
        kept.append(honest())
        return kept[0]

    _honest(target, answer)
    return _fed(target, answer, "an older reply was taken for the answer", checked=True)


def _first_tag(reply: bytes) -> int:
    """Find the last byte of the first record's tag."""
    size = varint.size_of(reply[HEAD])
    length, _ = varint.decode(reply[HEAD : HEAD + size])
    return HEAD + size + length - 1


def _fed(target: Target, answer: Answer, gained: str, *, checked: bool = False) -> Refused:
    """Let a client take what the hostile gateway answers; it must refuse."""
    if not checked and not target.was_served:
        _honest(target, lambda _, honest: honest())
        target.note_served()
    try:
        _exchange(target, answer)
    except NotTriedError:
        raise
    except OpenPCCError as error:
        return Refused.by_client(error)
    raise SucceededError(gained)


def _honest(target: Target, answer: Answer) -> None:
    try:
        status = _exchange(target, answer).status
    except NotTriedError:
        raise
    except OpenPCCError as error:
        raise NotTriedError(f"an honest exchange failed: {error}") from error
    if status != 200:
        raise NotTriedError(f"an honest request was answered with {status}")


def _exchange(target: Target, answer: Answer) -> Reply:
    """Send one request through a hostile gateway; give the reply as the client knows it."""
    impostor = Impostor(target.carrier, target.snapshot.keys, answer)
    question = json.dumps({"model": target.model, **QUESTION, "stream": True})
    call = answers.Call(model=target.model, request=target.question(content=question))

    def make(payment: Payment | None) -> Reply:
        return Reply(impostor.config, target.nodes[:1], call, now=target.now(), payment=payment)

    reply = target.pay(make)
    try:
        with impostor.exchange(reply.body) as chunks:
            for chunk in chunks:
                reply.feed(chunk)
        reply.finish()
    finally:
        paying.settle(reply, target.purse)
        reply.close()
    return reply


def _on_the_wire(target: Target, ask: Callable[[OpenPCC, Wire], None]) -> None:
    """Let a whole client look, honestly, and then ask."""
    if target.relay.startswith("https:"):
        raise NotTriedError("the way to this relay is TLS, and nobody on it can do more than cut")
    purse = target.require_purse()
    wire = Wire(target.relay)
    try:
        with OpenPCC(target.new_config(relay=wire.url)) as client:
            try:
                client.transport.book.refresh(target.now())
            except OpenPCCError as error:
                raise NotTriedError(f"an honest look failed: {error}") from error
            client.transport.purse = purse
            try:
                ask(client, wire)
            finally:
                client.transport.purse = None  # it is the target's to close
    finally:
        wire.close()


CUT_STREAM = Attack(
    name="cut-stream",
    tried="the wire is cut inside a streamed reply",
    by="client",
    checks=("TruncatedReplyError",),
    run=cut_stream,
)

ATTACKS = (
    CUT_STREAM,
    Attack(
        name="cut-reply",
        tried="the gateway ends a reply, cleanly in its own layer, before the node's last record",
        by="client",
        checks=("the node's reply ended before its end",),
        run=_cut_reply,
    ),
    Attack(
        name="edited-reply",
        tried="the gateway alters one bit of a node's reply",
        by="client",
        checks=("the node's reply is not authentic",),
        run=_edited_reply,
    ),
    Attack(
        name="forged-reply",
        tried="the gateway answers in the node's place",
        by="client",
        checks=("the node's reply is not authentic",),
        run=_forged_reply,
    ),
    Attack(
        name="replayed-reply",
        tried="the gateway answers with the node's reply to an earlier request",
        by="client",
        checks=("the node's reply is not authentic",),
        run=_replayed_reply,
    ),
    Attack(
        name="gateway-code",
        tried="the gateway forges a node's refusal from outside the seal",
        by="client",
        checks=("no node confirms it",),
        run=_gateway_code,
    ),
    Attack(
        name="relay-code",
        tried="the relay forges a node's refusal from outside the seal",
        by="client",
        checks=("no node confirms it",),
        run=_relay_code,
    ),
)

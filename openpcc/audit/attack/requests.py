"""Attacks on what is sent: genuine sealed requests, altered or repeated, against gateway and nodes.

A sealed request that is served has a sealed reply and status 200 outside; that is how success is
told, whatever the reply says.
"""

import json
from collections.abc import Callable
from dataclasses import replace

from openpcc import clock
from openpcc.audit.attack.attempt import (
    Attack,
    NotAskedError,
    NotTriedError,
    Refused,
    SucceededError,
)
from openpcc.audit.attack.hostile import CutExchange
from openpcc.audit.attack.letters import Alter
from openpcc.audit.attack.sending import baseline, code, honest, post, refused, send
from openpcc.audit.attack.target import Target
from openpcc.exchange import GatewayExchange, carriage
from openpcc.protocol import bhttp, hpke
from openpcc.protocol.sealing import MIN_OUTPUT, Header, SealedRequest
from openpcc.tokens.payment import Payment, tokens_for

WRAP_TAG = 48
"""Bytes of a wrap behind its encapsulation."""

FIRST_CHUNK = 4 + 16384 + 16
"""Bytes of a chunk of the largest size: its length, one record, a tag."""

OLD = 600
"""Seconds ago that an expired request was sealed."""

AHEAD = 300
"""Seconds ahead at which one is sealed that could be replayed longer than nodes remember."""


def _replay_at_gateway(target: Target) -> Refused:
    """Repeat a reading: a sealed request the node would refuse as well, and hide who did."""
    request = bhttp.Request(
        method="GET", scheme="https", authority=target.config.policy.service, path="/service"
    )
    exchange = GatewayExchange(target.snapshot.keys, request)
    with target.carrier.exchange(exchange.body) as chunks:
        for _ in chunks:
            pass  # served; its keys are kept to open the answer to the replay
    return refused(send(target, exchange))


def _replay_at_node(target: Target) -> Refused:
    if target.terms is not None:
        raise NotAskedError(
            "where requests are paid the gateway refuses it before a node sees it: "
            "attack.token-second-reply"
        )
    return refused(post(target, honest(target, target.seal(target.nodes[:1]))))


def _moved_wraps(target: Target) -> Refused:
    baseline(target)
    return refused(post(target, target.seal(alter=_moved)))


def _moved(sealed: SealedRequest, _: Payment | None) -> bytes:
    header = sealed.header
    if header.k < 2:
        raise NotTriedError("it needs two nodes of one suite")
    step = header.suite.kem.enc_size + WRAP_TAG
    start, end = header.size, header.prefix_size
    wraps = [sealed.body[at : at + step] for at in range(start, end, step)]
    moved = b"".join(wraps[1:] + wraps[:1])
    return sealed.body[:start] + moved + sealed.body[end:]


def _header_edit(target: Target) -> Refused:
    """Edit every member that the seal covers, one at a time; each must be refused."""
    baseline(target)
    codes = {}
    for name, edit in EDITS.items():
        count = _price(target) if name == BUDGET else 1
        named = OTHERS if name == TOKENS and target.terms is not None else None
        try:
            letter = target.seal(alter=_edited(edit), count=count, named=named)
        except _SameError:
            continue
        answer = post(target, letter)
        if answer.status == 200:
            raise SucceededError(f"a request with another {name} was served")
        codes[name] = code(answer)
    other = {name: code for name, code in codes.items() if code != "unsealable"}
    if other:
        raise NotTriedError(f"refused for other reasons: {other}")
    return Refused(checks=("unsealable",), words=f"each of {', '.join(codes)}")


class _SameError(NotTriedError):
    """There is nothing to edit: one candidate has no order, and an unpaid request no tokens."""


def _edited(edit: Callable[[Header, Payment | None], Header]) -> Alter:
    def alter(sealed: SealedRequest, payment: Payment | None) -> bytes:
        edited = edit(sealed.header, payment)
        if edited == sealed.header:
            raise _SameError("nothing is altered")
        return edited.encode() + sealed.body[sealed.header.size :]

    return alter


def _price(target: Target) -> int:
    """Give what the edited budget costs: the gateway must have no reason of its own to refuse."""
    if target.terms is None:
        return 1
    return tokens_for(2 * MIN_OUTPUT, output=target.terms.output)


def _suite_edit(target: Target) -> Refused:
    baseline(target)
    return refused(post(target, target.seal(alter=_other_suite)))


def _other_suite(sealed: SealedRequest, _: Payment | None) -> bytes:
    other = {hpke.KEM_XWING: hpke.KEM_X25519}.get(sealed.header.suite.kem_id, hpke.KEM_XWING)
    return sealed.body[:1] + other.to_bytes(2, "big") + sealed.body[3:]


def _expired(target: Target) -> Refused:
    baseline(target)
    return refused(post(target, target.seal(now=clock.now() - OLD)))


def _far_expiry(target: Target) -> Refused:
    baseline(target)
    return refused(post(target, target.seal(now=clock.now() + AHEAD)))


def _cut_request(target: Target) -> Refused:
    baseline(target)
    long = json.dumps({"model": target.model, "prompt": "x" * FIRST_CHUNK})
    question = target.question(path="/v1/completions", content=long)
    return refused(post(target, target.seal(request=question, alter=_cut)))


def _cut(sealed: SealedRequest, _: Payment | None) -> bytes:
    return sealed.body[: sealed.header.prefix_size + FIRST_CHUNK]


def _cut_envelope(target: Target) -> Refused:
    baseline(target)
    letter = target.seal()
    request = carriage(letter.body, target.config.policy.service, letter.fields)
    return refused(post(target, letter, CutExchange(target.snapshot.keys, request)))


def _foreign_service(target: Target) -> Refused:
    baseline(target)
    letter = target.seal()
    request = carriage(letter.body, "other.invalid", letter.fields)
    return refused(post(target, letter, GatewayExchange(target.snapshot.keys, request)))


BUDGET, TOKENS = "budget", "tokens"

OTHERS = bytes(31) + b"\x01"
"""A digest of tokens that are not those which pay."""


EDITS: dict[str, Callable[[Header, Payment | None], Header]] = {
    "expiry": lambda one, _: replace(one, expires=one.expires + 60),
    BUDGET: lambda one, _: replace(one, max_output=2 * one.max_output or MIN_OUTPUT),
    TOKENS: lambda one, paid: replace(one, token_digest=paid.token_digest) if paid else one,
    "request id": lambda one, _: replace(one, request_id=bytes(32)),
    "model": lambda one, _: replace(one, model_id=bytes(32)),
    "order": lambda one, _: replace(one, node_key_ids=one.node_key_ids[::-1]),
    "candidate": lambda one, _: replace(one, node_key_ids=(*one.node_key_ids[:-1], bytes(32))),
}
"""Members of the header, and how each is altered to something that by itself is acceptable."""


REPLAY_GATEWAY = Attack(
    name="replay-gateway",
    tried="a relay sends the same bytes twice",
    by="gateway",
    checks=("replayed",),
    run=_replay_at_gateway,
)

REPLAY_NODE = Attack(
    name="replay-node",
    tried="a gateway gives a node the same sealed request twice, in another envelope",
    by="node",
    checks=("replayed",),
    run=_replay_at_node,
)

ATTACKS = (
    REPLAY_GATEWAY,
    REPLAY_NODE,
    Attack(
        name="moved-wraps",
        tried="the wrapped keys of a sealed request change places among its candidates",
        by="node",
        checks=("unsealable",),
        run=_moved_wraps,
    ),
    Attack(
        name="header-edit",
        tried="a gateway edits the header of a sealed request, one member at a time",
        by="node",
        checks=("unsealable",),
        run=_header_edit,
    ),
    Attack(
        name="suite-edit",
        tried="a gateway writes another suite into the header of a sealed request",
        by="gateway or node",
        checks=("unsealable", "truncated"),
        run=_suite_edit,
    ),
    Attack(
        name="expired-request",
        tried="a sealed request is kept back and sent after its expiry",
        by="gateway",
        checks=("expired",),
        run=_expired,
    ),
    Attack(
        name="far-expiry",
        tried="a request is sealed whose expiry lies further ahead than its replay is remembered",
        by="gateway",
        checks=("expired",),
        run=_far_expiry,
    ),
    Attack(
        name="cut-request",
        tried="a sealed request is cut before its last record",
        by="node",
        checks=("truncated",),
        run=_cut_request,
    ),
    Attack(
        name="cut-envelope",
        tried="a relay cuts the encapsulated request before its end",
        by="gateway",
        checks=("truncated",),
        run=_cut_envelope,
    ),
    Attack(
        name="foreign-service",
        tried="a request for another service is sent through this one's gateway",
        by="gateway",
        checks=("not-found",),
        run=_foreign_service,
    ),
)

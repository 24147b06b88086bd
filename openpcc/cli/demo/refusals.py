"""Five things that must not work, tried against the running service.

Each function does the deed with the client's own code and gives what refused it. An attack that
succeeds raises `DemoFailedError`, and the demonstration ends with exit code 1.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from attestation.result import Report
from openpcc import clock, trust
from openpcc.carrier import Carrier
from openpcc.cli.demo.cutter import Cutter
from openpcc.cli.demo.keys import SERVICE
from openpcc.cli.demo.stack import MODEL, DemoStack
from openpcc.client import OpenPCC
from openpcc.errors import (
    DirectoryError,
    OpenPCCError,
    RefusedError,
    TruncatedReplyError,
)
from openpcc.exchange import GatewayExchange, carriage
from openpcc.lookup import Snapshot
from openpcc.protocol import bhttp, messages

MIRROR_AGE = 1.5
"""Seconds: the gateway copies the log's checkpoint for one, and a client asks the gateway."""

CUT_AFTER = 24576
"""Bytes: more than one OHTTP chunk, so that something authentic has arrived before the cut."""

QUESTION = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello."}]}


class DemoFailedError(OpenPCCError):
    """Something that must be refused was not."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """What was tried, who refused it, and in which words."""

    tried: str
    by: str
    words: str


def unlisted_release(stack: DemoStack) -> Refusal:
    """Log a status without the release (a revocation), look with a fresh client, list it again."""
    stack.publish_status([])
    time.sleep(MIRROR_AGE)
    try:
        with OpenPCC(stack.write_client("revocation", stack.relay.listening)) as client:
            client.transport.book.refresh(clock.now())
            raise DemoFailedError("nodes of a revoked release were accepted")
    except DirectoryError as error:
        if not error.reports:
            raise
        words = _failed(error.reports[0])
    finally:
        stack.publish_status([stack.release])
        time.sleep(MIRROR_AGE)
    return Refusal(tried="a release that is not listed any more", by="client", words=words)


def flipped_bit(client: OpenPCC) -> Refusal:
    """Flip one bit of a genuine quote, and judge the evidence again."""
    snapshot = _snapshot(client)
    judged = snapshot.judged[MODEL][0]
    bundle = bytearray(judged.bundle)
    place = bundle.index(b'"quote":"') + 200
    bundle[place] = ord("A") if bundle[place] != ord("A") else ord("B")
    try:
        trust.establish(
            bytes(bundle),
            leaf=judged.leaf,
            now=clock.now(),
            policy=client.transport.config.policy,
            view=snapshot.view,
            consistency=None,
            newest={},
        )
    except RefusedError as error:
        words = _failed(error.report)
        return Refusal(tried="one altered character in the evidence", by="client", words=words)
    raise DemoFailedError("altered evidence was accepted")


def replayed_request(client: OpenPCC) -> list[Refusal]:
    """Send one request twice: the same outer bytes, then the same sealed request anew."""
    config, snapshot = client.transport.config, _snapshot(client)
    node = next(row.node for row in snapshot.judged[MODEL] if row.node is not None)
    message = bhttp.encode_request(_chat())
    sealed = trust.seal([node], message, model=MODEL, now=clock.now())
    carrier = Carrier(config.relay, config.ca)
    try:
        first = GatewayExchange(snapshot.keys, carriage(sealed.body, SERVICE))
        with carrier.exchange(first.body) as chunks:
            _drain(chunks)  # served; its keys are kept to open the answer to the replay
        again = _refused(carrier, first)
        anew = _refused(carrier, GatewayExchange(snapshot.keys, carriage(sealed.body, SERVICE)))
    finally:
        carrier.close()
    return [
        Refusal(tried="the same bytes again", by="gateway", words=again),
        Refusal(tried="the same sealed request in a new envelope", by="node", words=anew),
    ]


def cut_stream(stack: DemoStack) -> Refusal:
    """Cut the wire inside a streamed reply."""
    address = urlsplit(stack.relay.listening)
    cutter = Cutter(address.hostname or "", address.port or 0)
    delivered = 0
    try:
        with OpenPCC(stack.write_client("cut", cutter.url)) as client:
            client.transport.book.refresh(clock.now())
            cutter.arm(CUT_AFTER)
            body = QUESTION | {"stream": True, "max_tokens": 256, "ignore_eos": True}
            with client.http.stream("POST", "/v1/chat/completions", json=body) as response:
                for piece in response.iter_raw():
                    delivered += len(piece)
            raise DemoFailedError("a cut stream ended cleanly")
    except TruncatedReplyError as error:
        words = f"{error} ({type(error).__name__} after {delivered} bytes)"
    finally:
        cutter.close()
    return Refusal(tried="a stream cut before its end", by="client", words=words)


def _failed(report: Report) -> str:
    return report.failed[0].refusal


def _snapshot(client: OpenPCC) -> Snapshot:
    snapshot = client.transport.book.snapshot
    if snapshot is None:
        raise DemoFailedError("the client has not looked at the service")
    return snapshot


def _chat() -> bhttp.Request:
    return bhttp.Request(
        method="POST",
        scheme="https",
        authority=SERVICE,
        path="/v1/chat/completions",
        headers=(("content-type", messages.JSON),),
        content=(
            b'{"model":"demo","max_tokens":8,"messages":[{"role":"user","content":"Say hello."}]}'
        ),
    )


def _drain(chunks: Iterable[bytes]) -> None:
    for _ in chunks:
        pass


def _refused(carrier: Carrier, exchange: GatewayExchange) -> str:
    """Send what must be refused as a replay; give the code that came."""
    status, body = 0, b""
    with carrier.exchange(exchange.body) as chunks:
        for event in exchange.events(chunks):
            if isinstance(event, bhttp.Head):
                status = event.status
            if isinstance(event, bhttp.Content):
                body += event.data[: messages.MAX_ERROR]
    code = messages.decode_error(body)
    if status != 409 or code is None:
        raise DemoFailedError(f"a replay was answered with {status}")
    return code

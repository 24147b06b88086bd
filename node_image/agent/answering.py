"""Runs one opened request on the engine and sends what comes, sealed, until its end.

From here on every error is a sealed reply: a refusal of step 5, an engine that does not answer. An
engine that breaks off in mid-reply leaves the reply without its final record; so does one that
finds no end.
"""

import asyncio

from node_image.agent.clock import Clock
from node_image.agent.engine import Engine, EngineReply, EngineRequest
from node_image.agent.errors import EngineError, InnerRefusal
from node_image.agent.pace import LatencyOutlet, Outlet, PacedOutlet, Wire
from node_image.agent.policy import Admitted
from node_image.agent.receipts import Exchange
from node_image.agent.reply import EVENT_STREAM, BrokenOffError, Reply, engine_failed
from node_image.agent.unsealing import Opened
from node_image.agent.usage import DocumentUsage, StreamUsage, TokenCounts, UsageReader
from openpcc.protocol.errors import MisuseError

THREAD_FROM = 2**20
"""Bytes of content from which parsing goes to a thread, so that other streams do not wait for
it."""

LONGEST_REPLY = 4 * 3600.0
"""Seconds a reply may take, whatever it does: 2^18 tokens at 20 a second fit in. Dummies would keep
a paced reply alive for ever, and a reader who takes little holds a place. It also keeps `paced`
far from the 2^24 records that one key may seal: 288,000 ticks."""

NOTHING = TokenCounts(prompt=0, completion=0)


async def answer(opened: Opened, *, engine: Engine, wire: Wire, clock: Clock) -> None:
    """Answer one request.

    Raises:
        BrokenOffError: the engine failed in mid-reply, or the reply had no end; the wire is to be
            left without one.
    """
    outlet: Outlet = (PacedOutlet if opened.preferences.paced else LatencyOutlet)(
        opened.sealer, wire
    )
    reply = Reply(outlet, salt=opened.sealer.receipt_salt)
    try:
        async with asyncio.timeout(LONGEST_REPLY):
            match opened.verdict:
                case InnerRefusal() as refusal:
                    await reply.refuse(refusal)
                case Admitted() as admitted:
                    await _run(admitted, opened, reply, engine=engine, clock=clock)
    except (TimeoutError, MisuseError) as error:  # MisuseError: the key has sealed all it may
        raise BrokenOffError("the reply did not come to its end") from error
    finally:
        outlet.close()


async def _run(
    admitted: Admitted, opened: Opened, reply: Reply, *, engine: Engine, clock: Clock
) -> None:
    request = EngineRequest(method=admitted.method, path=admitted.path, body=admitted.body)
    try:
        async with engine.forward(request) as engine_reply:
            counts = await _pass_on(engine_reply, admitted, reply)
            status = engine_reply.status
    except EngineError as error:
        if not reply.begun:
            return await reply.refuse(engine_failed())
        await reply.break_off()
        raise BrokenOffError("the engine broke off") from error
    signed = opened.preferences.receipt and 200 <= status < 300

    def receipt(response: bytes) -> str | None:
        # Counts the engine did not give are not guessed: such a reply ends without a receipt.
        if not signed or counts is None:
            return None
        exchange = Exchange(
            request=opened.request_hash,
            response=response,
            request_digest=opened.request_digest,
            engine_version=engine.capabilities().version,
            tokens=counts,
        )
        return opened.epoch.sign(exchange, issued=clock.wall())

    return await reply.end(receipt)


async def _pass_on(answer: EngineReply, admitted: Admitted, reply: Reply) -> TokenCounts | None:
    """Send the engine's answer on as it comes; give the counts it told."""
    usage: UsageReader
    streams = admitted.stream and answer.content_type.startswith(EVENT_STREAM)
    usage = StreamUsage(strip=admitted.strip_usage) if streams else DocumentUsage()
    reply.head(answer.status, answer.content_type)
    size = 0
    async for data in answer.chunks:
        size += len(data)
        await reply.content(usage.feed(data))
    # A stream keeps one event at most; a document is parsed whole.
    large = size > THREAD_FROM and not streams
    await reply.content(await asyncio.to_thread(usage.finish) if large else usage.finish())
    return usage.counts if admitted.generates else NOTHING

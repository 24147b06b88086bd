"""The node's service address: sealed requests, and the evidence for whoever wants to send some.

    POST /sealed         what the node is for
    GET  /evidence       the newest bundle
    PUT  /beacon         a cosigned checkpoint, for the next epoch
    PUT  /endorsements   what to staple to bundles from now on
    POST /challenge      a bundle over an auditor's nonce

Everything here comes from the host or through it, so nothing is trusted: a false beacon or
endorsement makes evidence that clients refuse, no more. The order of a sealed request's checks is
that of the sealing sheet; before them stand the checks that cost nothing: room, size, media type.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from node_image.agent import asgi, unsealing
from node_image.agent.answering import THREAD_FROM, answer
from node_image.agent.asgi import CallerGoneError, Receive, Scope, Send
from node_image.agent.clock import Clock
from node_image.agent.drain import Drain
from node_image.agent.engine import Engine
from node_image.agent.errors import EvidenceError, NotReadyError
from node_image.agent.evidence import MAX_BEACON, MAX_ENDORSEMENTS
from node_image.agent.identity import Identity
from node_image.agent.replay import ReplaySet
from node_image.agent.reply import BrokenOffError
from node_image.agent.telemetry import Outcome, Telemetry
from openpcc.protocol import messages
from openpcc.protocol.errors import BusyError, MalformedError, ProtocolError

Handler = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one node takes at a time; see `Settings`."""

    max_requests: int
    max_request_bytes: int


class Node:
    """The ASGI application."""

    def __init__(
        self,
        *,
        identity: Identity,
        replay: ReplaySet,
        engine: Engine,
        model: str,
        limits: Limits,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._identity = identity
        self._replay = replay
        self._engine = engine
        self._model = model
        self._limits = limits
        self._clock = clock
        self._telemetry = telemetry
        self._in_flight = 0
        self.drain = Drain(clock)
        self._routes: dict[str, tuple[str, Handler]] = {
            "/sealed": ("POST", self._sealed),
            "/evidence": ("GET", self._evidence),
            "/beacon": ("PUT", self._beacon),
            "/endorsements": ("PUT", self._endorsements),
            "/challenge": ("POST", self._challenge),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        method, handler = self._routes.get(scope["path"], ("", None))
        if handler is None:
            return await asgi.refuse(send, 404, "not-found", "no such resource")
        if scope["method"] != method:
            return await asgi.refuse(send, 405, "method", f"only {method} is answered here")
        try:
            await handler(scope, receive, send)
        except ProtocolError as error:
            await asgi.refuse(send, error.status, error.code, str(error))
        except (NotReadyError, EvidenceError) as error:
            await asgi.refuse(send, 503, "not-ready", str(error))
        except CallerGoneError:
            pass
        return None

    def waiting(self) -> str | None:
        """Say what the node waits for before it can serve; None when it is ready."""
        if self.drain.leaving:
            return "its end"
        if self._identity.admitted.is_set() and not self._engine.ready:
            return "the engine"
        return self._identity.waiting()

    async def _sealed(self, scope: Scope, receive: Receive, send: Send) -> None:
        outcome: Outcome = "cancelled"
        try:
            with self._place():
                opened = await self._open(scope, receive)
                work = answer(
                    opened, engine=self._engine, wire=asgi.SealedBody(send), clock=self._clock
                )
                await asgi.while_connected(work, receive)
            outcome = "answered"
        except BrokenOffError:
            outcome = "broken"  # The answer stays without its end.
        except ProtocolError as error:
            outcome = error.code  # type: ignore[assignment] # the codes are listed in Outcome
            raise
        finally:
            self._telemetry.request(outcome)

    async def _open(self, scope: Scope, receive: Receive) -> unsealing.Opened:
        if asgi.header(scope, b"content-type") != messages.SEALED_REQUEST.encode():
            raise MalformedError(f"the content type is not {messages.SEALED_REQUEST}")
        body = await asgi.read_body(scope, receive, limit=self._limits.max_request_bytes)
        taken = unsealing.take(
            body, keys=self._identity, replay=self._replay, now=self._clock.wall()
        )
        prefix_cache = self._engine.capabilities().prefix_cache
        if len(body) < THREAD_FROM:
            return taken.open(body, model=self._model, prefix_cache=prefix_cache)
        return await asyncio.to_thread(
            taken.open, body, model=self._model, prefix_cache=prefix_cache
        )

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Hold one of the places; refuse before anything is read when all are taken."""
        if self._in_flight >= self._limits.max_requests or not self._engine.ready:
            raise BusyError("no room at present; try another node")
        self._in_flight += 1
        self._telemetry.in_flight.inc()
        try:
            yield
        finally:
            self._in_flight -= 1
            self._telemetry.in_flight.dec()

    async def _evidence(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.drain.leaving:
            raise NotReadyError("this node is leaving and is not to be listed")
        bundle = self._identity.evidence()
        self.drain.shown()
        machine = (messages.MACHINE.encode(), self._identity.machine.hex().encode())
        await asgi.respond(send, 200, messages.EVIDENCE, bundle, machine)

    async def _beacon(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._identity.put_beacon(await asgi.read_body(scope, receive, limit=MAX_BEACON))
        await asgi.done(send)

    async def _endorsements(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await asgi.read_body(scope, receive, limit=MAX_ENDORSEMENTS)
        self._identity.put_endorsements(body)
        await asgi.done(send)

    async def _challenge(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await asgi.read_body(scope, receive, limit=messages.CHALLENGE_SIZE)
        bundle = await self._identity.challenge(messages.Challenge.parse(body))
        await asgi.respond(send, 200, messages.EVIDENCE, bundle)

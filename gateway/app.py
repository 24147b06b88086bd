"""The gateway's data path, in the order of the sealing sheet (Carriage, Gateway).

1. decapsulate   chunked OHTTP, whole and within its limit; failing here is answered in the open
2. replay        the outer request is entered, or refused; from here answers are encapsulated
3. route         Binary HTTP; the service is the only authority, and few paths exist
4. check         step 1 of what a node does, all but the live key: form, suite, expiry
5. admit         what it pays with, where admission is by tokens: `token_gate`
6. forward       the unchanged sealed bytes to one candidate
7. begin         the payment is taken; one that cannot be taken gets no byte of the reply
8. reply         back as a stream

The gateway reads candidates, model, budget and expiry from the sealed header; content it cannot
read. It keeps and logs nothing of a request but the hash in its replay store.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gateway import asgi
from gateway.asgi import Receive, Scope, Send
from gateway.challenges import Challenger
from gateway.decapsulation import (
    KEY_PROBLEM,
    PROBLEM,
    Decapsulation,
    Opened,
    outer_limit,
)
from gateway.errors import (
    BrokenReplyError,
    ClientGoneError,
    KeyRefusedError,
    RefusedError,
    UpstreamError,
    refusal,
)
from gateway.forwarding import Forwarder
from gateway.keys import KeyRing
from gateway.mirror import Mirror, Origins
from gateway.replay import ReplayStore
from gateway.replica import Replica
from gateway.reply import Reply
from gateway.telemetry import Telemetry
from gateway.token_gate import Gate
from openpcc.protocol import bhttp, messages
from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.payment import RECLAIM_MEDIA_TYPE
from openpcc.protocol.sealing import Prefix, check_header


class Buffered:
    """Bytes of requests and of files on their way that are held at one time, within a bound."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    def take(self, size: int) -> None:
        """Count bytes that are now held.

        Raises:
            RefusedError: `busy`; holding them would pass the bound.
        """
        if self._held + size > self._limit:
            raise RefusedError("busy")
        self._held += size

    def release(self, size: int) -> None:
        """Count bytes that are no longer held."""
        self._held -= size


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """The ASGI application; every part is given, so tests and programs build it alike."""

    service: str
    keys: KeyRing
    max_request: int
    replay: ReplayStore
    replica: Replica
    gate: Gate
    forwarder: Forwarder
    challenger: Challenger
    mirror: Mirror
    origins: Origins
    buffered: Buffered
    telemetry: Telemetry
    clock: Callable[[], float]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one outer request."""
        match scope["method"], scope["path"]:
            case "POST", "/":
                with self.telemetry.in_flight.track_inprogress():
                    await self._exchange(scope, receive, send)
            case "GET", "/ohttp-keys":
                self.telemetry.request("keys", "ok")
                await asgi.respond(send, 200, messages.OHTTP_KEYS, self.replica.ohttp_keys)
            case _, "/" | "/ohttp-keys":
                await self._refuse_openly(send, RefusedError("method"))
            case _:
                await self._refuse_openly(send, RefusedError("not-found"))

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        held = Held(self.buffered)
        try:
            opened = await self._decapsulate(scope, receive, held)  # 1
            async with asgi.cancelled_by(asgi.gone(receive)):
                await self._answer(opened, Reply(opened.context, send), held)
        except KeyRefusedError:
            self.telemetry.request("exchange", "ohttp-key")
            await asgi.respond(send, 422, PROBLEM, KEY_PROBLEM)
        except RefusedError as error:
            await self._refuse_openly(send, error)
        except ClientGoneError:
            self.telemetry.request("exchange", "gone")
        finally:
            held.release()

    async def _refuse_openly(self, send: Send, error: RefusedError) -> None:
        self.telemetry.request("exchange", error.code)
        await asgi.refuse(send, error)

    async def _decapsulate(self, scope: Scope, receive: Receive, held: "Held") -> Opened:
        if asgi.header(scope, b"content-type") != messages.OHTTP_REQUEST.encode():
            raise RefusedError("unsupported")
        decapsulation = Decapsulation(self.keys)
        async for part in asgi.body_parts(receive, outer_limit(self.max_request)):
            held.take(len(part))
            decapsulation.feed(part)
        return decapsulation.finish()

    async def _answer(self, opened: Opened, reply: Reply, held: "Held") -> None:
        """Answer inside the encapsulation; what breaks after its start is cut, not ended."""
        route = Route()
        try:
            await self.replay.add(opened.entry)  # 2
            request = bhttp.decode_request(opened.message)
            await self._route(request, reply, route, held)  # 3
            code = "ok"
        except BrokenReplyError:
            code = "upstream"
        except (RefusedError, UpstreamError, ProtocolError) as error:
            refused = _refused(error)
            code = refused.code
            if not reply.started:
                await reply.refuse(refused)
        self.telemetry.request(route.name, code)

    async def _route(
        self, request: bhttp.Request, reply: Reply, route: "Route", held: "Held"
    ) -> None:
        if (request.scheme, request.authority) != ("https", self.service):
            raise RefusedError("not-found")
        if request.path == "/sealed":
            route.name = "sealed"
            _require(request, "POST")
            return await self._sealed(request, reply)
        if request.path == "/challenge":
            route.name = "challenge"
            _require(request, "POST")
            return await self._challenge(request, reply, held)
        if request.path == "/tokens":
            route.name = "tokens"
            _require(request, "POST")
            return await self._tokens(request, reply)
        if request.path == "/service":
            route.name = "service"
            _require(request, "GET")
            hint = self.replica.publication.service_hint()
            return await reply.whole(200, messages.JSON, hint)
        file = self.origins.find(request.path, sequence=self.replica.publication.sequence)
        route.name = file.route
        _require(request, "GET")
        content = await self.mirror.get(file)
        held.take(len(content))  # for as long as the client takes to read it
        return await reply.whole(200, file.kind, content)

    async def _sealed(self, request: bhttp.Request, reply: Reply) -> None:
        if bhttp.get(request.headers, "content-type") != messages.SEALED_REQUEST:
            raise RefusedError("unsupported")
        prefix = self._check(request.content)  # 4
        payment = await self.gate.admit(request.headers, prefix)  # 5
        candidates = self.replica.routes.candidates(prefix.header.node_key_ids)
        async with self.forwarder.reply(candidates, request.content) as node:  # 6
            await payment.begin()  # 7
            await reply.head(200, messages.SEALED_RESPONSE)  # 8
            async for part in node.parts():
                await reply.content(part)
        await reply.end()

    async def _tokens(self, request: bhttp.Request, reply: Reply) -> None:
        """Give back the tokens of a request that came to nothing."""
        if bhttp.get(request.headers, "content-type") != RECLAIM_MEDIA_TYPE:
            raise RefusedError("unsupported")
        await reply.whole(200, messages.OCTETS, await self.gate.reclaim(request.content))

    async def _challenge(self, request: bhttp.Request, reply: Reply, held: "Held") -> None:
        """Ask the node that has the key for evidence over an auditor's nonce."""
        if bhttp.get(request.headers, "content-type") != messages.OCTETS:
            raise RefusedError("unsupported")
        challenge = messages.Challenge.parse(request.content)
        found = self.replica.routes.candidates([challenge.key_id])
        if not found:
            raise RefusedError("unknown-key")
        ((url, node),) = found.items()
        bundle = await self.challenger.ask(url, challenge, server_name=node.server_name)
        held.take(len(bundle))  # for as long as the auditor takes to read it
        await reply.whole(200, messages.EVIDENCE, bundle)

    def _check(self, body: bytes) -> Prefix:
        """Check what a node checks first, all but that one key is its own.

        Raises:
            ProtocolError: not a sealed request, too large, or not of now.
        """
        prefix = Prefix.parse(body, limit=self.max_request)
        check_header(prefix.header, self.clock())
        return prefix


class Held:
    """What one request holds of the common bound."""

    def __init__(self, buffered: Buffered) -> None:
        self._buffered = buffered
        self._size = 0

    def take(self, size: int) -> None:
        """See `Buffered.take`."""
        self._buffered.take(size)
        self._size += size

    def release(self) -> None:
        """Give everything back."""
        self._buffered.release(self._size)
        self._size = 0


class Route:
    """The name an exchange is counted under, once it is known."""

    name = "other"


def _require(request: bhttp.Request, method: str) -> None:
    if request.method != method:
        raise RefusedError("method")


def _refused(error: RefusedError | UpstreamError | ProtocolError) -> RefusedError:
    match error:
        case RefusedError():
            return error
        case ProtocolError():
            return refusal(error)
        case _:
            return RefusedError("upstream")

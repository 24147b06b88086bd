"""The relay: carries opaque requests to one gateway, so that the gateway sees no client address.

Out of a request it takes the content alone; of the answer it passes status, content and one of a
few media types. Every other header is dropped both ways, and all clients share one pool of
connections. Nothing is buffered, and a gateway stream that breaks breaks the client's stream as
well: it is never given a clean end. The relay knows the client's address and writes it nowhere.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from gateway import asgi, tls_files
from gateway.asgi import Receive, Scope, Send
from gateway.config import RelayConfig
from gateway.config_file import load
from gateway.errors import (
    CODES,
    ClientGoneError,
    ConfigurationError,
    RefusedError,
    UpstreamError,
)
from gateway.outbound import Outbound
from gateway.serving import run
from gateway.telemetry import Telemetry
from openpcc.protocol import messages

POOL_KEEP_ALIVE = 30.0
"""Seconds; the gateway keeps idle connections longer (`serving.KEEP_ALIVE`)."""

MAX_KEYS = 1 << 16
"""Bytes of the key configs."""

PROBLEM = "application/problem+json"

PASSED_TYPES = frozenset({messages.OHTTP_RESPONSE, messages.OHTTP_KEYS, messages.ERROR, PROBLEM})
"""Media types an answer may have. A free choice would let the gateway mark clients."""

PASSED_STATUS = frozenset({200} | {status for status, _ in CODES.values()})
"""Statuses an answer may have: those of docs/formats.md, section 9."""

REQUEST_HEADERS = {
    "content-type": messages.OHTTP_REQUEST,
    messages.INCREMENTAL[0]: messages.INCREMENTAL[1],
}
"""All headers of a forwarded request: fixed, so that none can tell clients apart."""


class Relay:
    """The program `openpcc-relay`."""

    def __init__(self, config: RelayConfig) -> None:
        self._config = config
        self._outbound = Outbound(
            connect_timeout=config.connect_timeout,
            reply_timeout=config.reply_timeout,
            keep_alive=POOL_KEEP_ALIVE,
            ca=config.ca,
        )
        self._keys = KeyCache(self._outbound, config)
        self.telemetry = Telemetry("relay")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the pool open."""
        async with self._outbound:
            yield

    def ready(self) -> bool:
        """Say yes: a relay needs nothing but its configuration."""
        return True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        route = {"/": "exchange", "/ohttp-keys": "keys"}.get(scope["path"], "other")
        started = _Started(send)
        try:
            with self.telemetry.in_flight.track_inprogress():
                await self._route(route, scope, receive, started)
            code = "ok"
        except RefusedError as error:
            code = error.code
        except (UpstreamError, aiohttp.ClientError):
            code = "upstream"
        except ClientGoneError:
            code = "gone"
        self.telemetry.request(route, code)
        if code not in ("ok", "gone") and not started:
            await asgi.refuse(send, RefusedError(code))

    async def _route(self, route: str, scope: Scope, receive: Receive, send: "_Started") -> None:
        match route, scope["method"]:
            case "exchange", "POST":
                await self._exchange(scope, receive, send)
            case "keys", "GET":
                await asgi.respond(send, 200, messages.OHTTP_KEYS, await self._keys.get())
            case "other", _:
                raise RefusedError("not-found")
            case _:
                raise RefusedError("method")

    async def _exchange(self, scope: Scope, receive: Receive, send: "_Started") -> None:
        if asgi.header(scope, b"content-type") != messages.OHTTP_REQUEST.encode():
            raise RefusedError("unsupported")
        upload = Upload(receive, self._config.max_request)
        async with asgi.cancelled_by(upload.departure()):
            try:
                await self._forward(upload, send)
            except aiohttp.ClientError:
                if upload.failure is not None:  # the library wraps what our own iterator raised
                    raise upload.failure from None
                raise

    async def _forward(self, upload: "Upload", send: "_Started") -> None:
        async with self._outbound.request(
            "POST", f"{self._config.gateway}/", headers=REQUEST_HEADERS, body=upload.parts()
        ) as response:
            kind = response.headers.get("content-type", "")
            if kind not in PASSED_TYPES or response.status not in PASSED_STATUS:
                raise UpstreamError("the gateway answered with another media type or status")
            await asgi.start(send, response.status, (asgi.content_type(kind), *asgi.INCREMENTAL))
            async for data in response.content.iter_any():
                await asgi.part(send, data)
        await asgi.part(send, b"", last=True)


class Upload:
    """A request body on its way through, and the watch on the client after its last byte."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._read = asyncio.Event()
        self.failure: RefusedError | ClientGoneError | None = None

    async def parts(self) -> AsyncIterator[bytes]:
        """Give the parts; raising out of here makes the client library cut the upload."""
        try:
            async for data in asgi.body_parts(self._receive, self._limit):
                yield data
        except (RefusedError, ClientGoneError) as error:
            self.failure = error
            raise
        self._read.set()

    async def departure(self) -> None:
        """Return when the client has left after its last byte."""
        await self._read.wait()
        await asgi.gone(self._receive)


class KeyCache:
    """The gateway's key configs, fetched at most once in a while whoever asks.

    Everybody who asks meanwhile waits for one fetch, and for no other after it: a gateway that says
    nothing keeps each of them as long as it keeps one.
    """

    def __init__(self, outbound: Outbound, config: RelayConfig) -> None:
        self._outbound = outbound
        self._url = f"{config.gateway}/ohttp-keys"
        self._lifetime = config.keys_cache
        self._fetching: asyncio.Task[bytes] | None = None
        self._fetched = -config.keys_cache
        self._keys = b""

    async def get(self) -> bytes:
        """Give the configs.

        Raises:
            UpstreamError: those at hand are too old, and the gateway does not give them.
        """
        if self._keys and time.monotonic() < self._fetched + self._lifetime:
            return self._keys
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch())
        return await asyncio.shield(self._fetching)

    async def _fetch(self) -> bytes:
        answer = await self._outbound.fetch("GET", self._url, limit=MAX_KEYS)
        if answer.status != 200:
            raise UpstreamError("the gateway has no key configs")
        self._keys, self._fetched = answer.body, time.monotonic()
        return self._keys


class _Started:
    """Remembers whether an answer has begun: after that an error can only cut it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._began = False

    def __bool__(self) -> bool:
        return self._began

    async def __call__(self, message: asgi.Message) -> None:
        self._began = True
        await self._send(message)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `openpcc-relay`."""
    parser = argparse.ArgumentParser(prog="openpcc-relay", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--config", type=Path, required=True, help="TOML file")
    parser.add_argument("--check-config", action="store_true", help="read the file and leave")
    options = parser.parse_args(arguments)
    try:
        config = load(options.config, RelayConfig, tls_files.server)
        program = Relay(config)
        if not options.check_config:
            run(program, config)
    except ConfigurationError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"openpcc-relay: {line}\n")
        sys.exit(2)

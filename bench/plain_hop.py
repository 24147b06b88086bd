"""One hop in plain text: what a relay, gateway or node costs before any of them protects anything.

    plain_hop.py UPSTREAM        "http://host:port", or "unix:PATH" for an engine's socket

The same parts as the real hops and none of their work: uvicorn as `gateway.serving` runs it (its
settings are used, not repeated), raw ASGI, an aiohttp pool as `gateway.outbound` has it, bodies
passed on both ways as they come.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from gateway import asgi
from gateway.asgi import Receive, Scope, Send
from gateway.config import ServerConfig
from gateway.outbound import SKIPPED
from gateway.serving import run
from gateway.telemetry import Telemetry

HOP_HEADERS = frozenset({"connection", "transfer-encoding", "content-length"})
MAX_BODY = 1 << 26


class PlainHop:
    """A streaming proxy."""

    def __init__(self, upstream: str) -> None:
        """Forward to `upstream`; the pool opens with `running`."""
        self._socket = upstream.removeprefix("unix:") if upstream.startswith("unix:") else None
        self._base = "http://upstream" if self._socket else upstream
        self.telemetry = Telemetry("relay")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the pool open."""
        connector: aiohttp.BaseConnector = (
            aiohttp.UnixConnector(self._socket, limit=0)
            if self._socket
            else aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
        )
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=SKIPPED,
            read_bufsize=1 << 16,
        ) as self._session:
            yield

    def ready(self) -> bool:
        """Say yes."""
        return True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, and its answer back."""
        kind = asgi.header(scope, b"content-type") or b"application/octet-stream"
        async with self._session.request(
            scope["method"],
            self._base + scope["path"],
            headers={"content-type": kind.decode()},
            data=asgi.body_parts(receive, MAX_BODY),
        ) as response:
            fields = [
                (name.lower().encode(), value.encode())
                for name, value in response.headers.items()
                if name.lower() not in HOP_HEADERS
            ]
            await asgi.start(send, response.status, fields)
            async for data in response.content.iter_any():
                await asgi.part(send, data)
        await asgi.part(send, b"", last=True)


if __name__ == "__main__":
    run(PlainHop(sys.argv[1]), ServerConfig(listen="127.0.0.1:0"))

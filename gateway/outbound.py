"""Outgoing HTTP: one shared pool per program, bounded reads, nothing added to a request.

No cookies, no redirects, no proxy settings from the environment, no decompression: what goes out is
what the caller gives, and what comes in is bytes. Library errors become ours here.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from gateway.errors import ConfigurationError, UpstreamError

SKIPPED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""Headers that the library would add by itself."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A whole answer, read within its limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Outbound:
    """A connection pool, open while the program runs. All clients share it."""

    def __init__(
        self, *, connect_timeout: float, reply_timeout: float, keep_alive: float, ca: Path | None
    ) -> None:
        self._timeout = aiohttp.ClientTimeout(
            total=None,
            connect=2 * connect_timeout,  # with the name's address and TLS, which may hang as well
            sock_connect=connect_timeout,
            sock_read=reply_timeout,
        )
        self._keep_alive = keep_alive
        self._tls = client_tls(ca)

    async def __aenter__(self) -> Self:
        """Open the pool."""
        # limit=0: the bound is the server's own, on requests; a pool limit would queue streams.
        connector = aiohttp.TCPConnector(limit=0, ssl=self._tls, keepalive_timeout=self._keep_alive)
        self.session = aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            auto_decompress=False,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=SKIPPED,
            read_bufsize=1 << 16,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the pool and its connections."""
        await self.session.close()

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: aiohttp.payload.Payload | bytes | AsyncIterator[bytes] | None = None,
        server_name: str = "",
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request; the block reads the reply. Leaving it early closes the connection.

        `server_name` is what the certificate has to name; empty: the URL's host.

        Raises:
            aiohttp.ClientError: as the library has it, for callers that tell failures apart.
        """
        response = await self.session.request(
            method,
            url,
            headers=headers,
            data=body,
            allow_redirects=False,
            server_hostname=server_name or None,
        )
        try:
            yield response
        finally:
            if response.content.at_eof():
                response.release()
            else:
                response.close()

    async def fetch(
        self,
        method: str,
        url: str,
        *,
        limit: int,
        within: float = 30.0,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        server_name: str = "",
    ) -> Answer:
        """Send a request and read the whole answer.

        Raises:
            UpstreamError: not reached, broken off, too slow, or longer than `limit`.
        """
        try:
            async with asyncio.timeout(within):
                async with self.request(
                    method, url, headers=headers, body=body, server_name=server_name
                ) as response:
                    data = await read_bounded(response, limit)
                    return Answer(status=response.status, headers=response.headers, body=data)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UpstreamError(f"no answer from the next hop ({type(error).__name__})") from error


async def read_bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Read a whole body of at most `limit` bytes.

    Raises:
        UpstreamError: it is longer.
    """
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > limit:
            raise UpstreamError(f"the answer is longer than {limit} bytes")
        parts.append(part)
    return b"".join(parts)


def client_tls(ca: Path | None) -> ssl.SSLContext:
    """Trust the system's roots, and `ca` beside them.

    Raises:
        ConfigurationError: `ca` cannot be read.
    """
    context = ssl.create_default_context()
    if ca is not None:
        try:
            context.load_verify_locations(cafile=ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"{ca}: no certificate in PEM; give the root's file"
            ) from error
    return context

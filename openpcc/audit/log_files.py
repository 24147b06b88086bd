"""Fetches a log's public files within bounds; decides nothing about what they say.

What a log, or whoever stands before it, could try, and what answers it:

- a file without end      no more is read than a genuine one may have
- one fed drop by drop    every file has so many seconds in all, headers and retries included
- many such               all files together have so many seconds; an audit goes on another time
- a page of somebody's    another media type is refused by name, before its bytes are looked at
- a redirect              is not followed: what is audited is the log that was named

asyncio is used for one thing: its timeout ends a wait wherever it is, in a name, a handshake, a
header or a body. Calls block.
"""

import asyncio
import ssl
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import httpx

from openpcc import clock
from openpcc.errors import ConfigurationError
from transparency_log.errors import FetchError, NotFoundError

FILE_SECONDS = 60.0
"""Seconds for one file; the longest bundle of a genuine log is 17 MB."""

SILENCE = httpx.Timeout(15.0, connect=10.0)
"""Seconds between two pieces of an answer."""

TRIES = 3
"""Times a file is asked for where the connection broke; a log may be restarted."""

PAUSE = 0.5
"""Seconds between them."""

TYPES = {"checkpoint": "text/plain"}
"""Media types other than a tile's (tlog-tiles, "Serving")."""

TILE_TYPE = "application/octet-stream"
"""Of tiles; static hosts serve anything as that, or say nothing."""


class UnreachableError(FetchError):
    """Nobody answered at all; nothing is said about the log."""


class OutOfTimeError(FetchError):
    """The time this audit was given is over; the log may be as it should."""


class LogFiles:
    """The public files of a log at an address. Use it in a `with`."""

    def __init__(
        self,
        url: str,
        *,
        seconds: float,
        file_seconds: float = FILE_SECONDS,
        ca: Path | None = None,
    ) -> None:
        self._url = checked(url)
        self._file_seconds = file_seconds
        self._end = clock.ticks() + seconds
        self._runner = asyncio.Runner()
        # No redirects, no proxy and no credentials from the surroundings.
        self._http = httpx.AsyncClient(
            verify=_tls(ca), timeout=SILENCE, trust_env=False, follow_redirects=False
        )

    def __enter__(self) -> "LogFiles":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runner.run(self._http.aclose())
        self._runner.close()

    def fetch(self, path: str, limit: int) -> bytes:
        """Read a file, as a `transparency_log.client.Fetch`.

        Raises:
            NotFoundError: the log says that it has no such file.
            UnreachableError: no connection.
            OutOfTimeError: the time for all files is over.
            FetchError: anything else but the file, in time and size.
        """
        left = self._end - clock.ticks()
        if left <= 0:
            raise OutOfTimeError(f"{path}: the time for this audit is over")
        seconds = min(left, self._file_seconds)
        try:
            return self._runner.run(self._within(path, limit, seconds))
        except TimeoutError as error:
            if seconds < self._file_seconds:
                raise OutOfTimeError(f"{path}: the time for this audit is over") from error
            raise FetchError(f"{path}: not served within {seconds:.0f} s") from error

    async def _within(self, path: str, limit: int, seconds: float) -> bytes:
        async with asyncio.timeout(seconds):
            for _ in range(TRIES - 1):
                try:
                    return await self._ask(path, limit)
                except httpx.TransportError:
                    await asyncio.sleep(PAUSE)
            try:
                return await self._ask(path, limit)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                raise UnreachableError(f"{path}: no connection to {self._url}") from error
            except httpx.TransportError as error:
                raise FetchError(f"{path}: {_broken(error)}") from error

    async def _ask(self, path: str, limit: int) -> bytes:
        headers = {"accept-encoding": "identity"}
        async with self._http.stream("GET", f"{self._url}/{path}", headers=headers) as answer:
            if answer.status_code == 404:
                raise NotFoundError(f"{path}: the log has no such file")
            if answer.status_code != 200:
                raise FetchError(f"{path}: the log answered {answer.status_code}")
            _expect(answer, path)
            body = bytearray()
            async for chunk in answer.aiter_raw():
                body += chunk
                if len(body) > limit:
                    raise FetchError(f"{path}: more than the {limit} bytes a genuine one has")
            return bytes(body)


def checked(url: str) -> str:
    """Check the address of a log: https, or http, as everything that is read is verified.

    Raises:
        ConfigurationError: anything else, or with a user, a query or a fragment.
    """
    try:
        parts = urlsplit(url)
        extra = parts.username or parts.password or parts.query or parts.fragment
        usable = parts.hostname and not extra and parts.scheme in ("https", "http")
        _ = parts.port
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError("the log's URL must be https or http, and bare; correct --log")
    return url.rstrip("/")


def _tls(ca: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca is not None:
        try:
            context.load_verify_locations(cafile=str(ca))
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"{ca}: not a PEM file of root certificates") from error
    return context


def _expect(answer: httpx.Response, path: str) -> None:
    found = answer.headers.get("content-type", TILE_TYPE).partition(";")[0].strip().lower()
    if found not in (TYPES.get(path, TILE_TYPE), TILE_TYPE):
        raise FetchError(f"{path}: served as {found[:64]!r}, not as a file of a log")
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise FetchError(f"{path}: served in an encoding that nobody asked for")


def _broken(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "the log began to answer, or took the connection, and fell silent"
    return "the log broke the connection"

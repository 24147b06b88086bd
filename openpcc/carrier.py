"""Carries bodies between this client and its relay; decides nothing.

One connection pool, one fixed set of fields, no cookies, no redirects, no proxy from the
environment: a request differs from another client's in its length alone. Where there are several
relays, a fetch tries each at most once, and only as long as no connection could be made.

Timeouts count between two pieces of an answer, so whoever feeds it drop by drop could hold a reader
for ever. `Carrier.limited` bounds what a series of fetches takes in all: when the time is over, the
sockets are shut down, which ends a wait at once, wherever in connecting or reading it is.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import (
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from pathlib import Path

import httpx

from openpcc import clock
from openpcc.connections import Sockets, no_cookies, reason, tls
from openpcc.errors import GatewayError, TransportError
from openpcc.protocol import messages
from openpcc.relays import Relays

FIELDS = {
    "accept": "*/*",
    "accept-encoding": "identity",
    "user-agent": "openpcc",
}
POST_FIELDS = {"content-type": messages.OHTTP_REQUEST, "incremental": "?1"}

TIMEOUT = httpx.Timeout(connect=10.0, read=600.0, write=60.0, pool=60.0)
"""Seconds. Reading is long: a model may think for minutes before its first byte."""

LIMITS = httpx.Limits(max_connections=256, max_keepalive_connections=64)
ADDRESS = "check 'relay' in the configuration"
UNREACHED = (httpx.ConnectError, httpx.ConnectTimeout)
"""No connection, or no TLS on it: nothing was sent, and another relay may be tried."""

MAX_KEYS = 65536
"""Bytes of the gateway's key configs; more is not read."""

LONGEST_REPLY = 4 * 3600 + 900
"""Seconds from an answer's head to its last byte. A node cuts a reply after four hours; whoever
feeds one drop by drop, each within the timeout, would hold a caller for years."""

REFUSAL_TIME = 30
"""Seconds in which the text of a refusal has to come."""


class Carrier:
    """The blocking carrier. Safe to share between threads, but for `limited`."""

    def __init__(self, relay: str | Relays, ca: Path | None) -> None:
        self._relays = _choice(relay)
        self._client = httpx.Client(
            verify=tls(ca),
            timeout=TIMEOUT,
            limits=LIMITS,
            headers=FIELDS,
            cookies=no_cookies(),
            trust_env=False,
        )
        self._sockets = Sockets()

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Let everything that is fetched inside take so many seconds together, and no more.

        For one thread at a time: it cuts every connection of this carrier.
        """
        with self._sockets.limited(seconds):
            yield

    def keys(self) -> bytes:
        """Fetch the gateway's key configs, unverified.

        Raises:
            TransportError: no answer, or not a list of keys.
        """
        with self._sent(lambda relay: self._request("GET", f"{relay}/ohttp-keys")) as (
            response,
            _,
        ):
            if response.status_code != 200:
                raise _refusal(response, _start(response.iter_raw()))
            _expect(response, messages.OHTTP_KEYS)
            return _bounded(response.iter_raw())

    @contextmanager
    def exchange(self, body: bytes) -> Iterator[Iterator[bytes]]:
        """Post an encapsulated request; give the encapsulated response as it arrives.

        Raises:
            GatewayError: relay or gateway refused, with their code.
            TransportError: the relay did not answer, or broke off.
        """
        with self._sent(lambda relay: self._request("POST", relay, body)) as (response, relay):
            if response.status_code != 200:
                raise _refusal(response, _start(response.iter_raw()))
            _expect(response, messages.OHTTP_RESPONSE)
            yield _chunks(response, relay)

    @contextmanager
    def _sent(
        self, request: Callable[[str], httpx.Request]
    ) -> Iterator[tuple[httpx.Response, str]]:
        """Send to the relay in use, or to the next while none is reached; give what came whence."""
        with ExitStack() as stack:
            relay, response = self._reached(request)
            stack.callback(response.close)
            stack.enter_context(_translated(relay))
            yield response, relay

    def _reached(self, request: Callable[[str], httpx.Request]) -> tuple[str, httpx.Response]:
        unreached: dict[str, httpx.HTTPError] = {}
        for _ in range(len(self._relays)):
            self._sockets.refuse_late()
            relay = self._relays.current
            try:
                with _translated(relay, passing=UNREACHED):
                    return relay, self._client.send(request(relay), stream=True)
            except UNREACHED as error:
                self._sockets.refuse_late()  # cut by ourselves: it says nothing of the relay
                unreached[relay] = error
                self._relays.leave(relay)
        raise _none_reached(unreached) from next(iter(unreached.values()))

    def _request(self, method: str, url: str, body: bytes | None = None) -> httpx.Request:
        return self._client.build_request(
            method,
            url,
            content=body,
            headers=None if body is None else POST_FIELDS,
            extensions=self._sockets.watched,
        )

    def close(self) -> None:
        """Cut what is under way, in whatever thread, and close the pool."""
        self._sockets.end()
        self._client.close()


class AsyncCarrier:
    """The awaiting carrier."""

    def __init__(self, relay: str | Relays, ca: Path | None) -> None:
        self._relays = _choice(relay)
        self._client = httpx.AsyncClient(
            verify=tls(ca),
            timeout=TIMEOUT,
            limits=LIMITS,
            headers=FIELDS,
            cookies=no_cookies(),
            trust_env=False,
        )
        self._ended = False

    @asynccontextmanager
    async def exchange(self, body: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
        """Post an encapsulated request; give the encapsulated response as it arrives.

        Raises:
            GatewayError: relay or gateway refused, with their code.
            TransportError: the relay did not answer, or broke off.
        """
        if self._ended:
            raise TransportError("the connections are closed")
        async with AsyncExitStack() as stack:
            relay, response = await self._reached(body)
            stack.push_async_callback(response.aclose)
            stack.enter_context(_translated(relay))
            if response.status_code != 200:
                raise _refusal(response, await _astart(response.aiter_raw()))
            _expect(response, messages.OHTTP_RESPONSE)
            yield _achunks(response, relay)

    async def _reached(self, body: bytes) -> tuple[str, httpx.Response]:
        unreached: dict[str, httpx.HTTPError] = {}
        for _ in range(len(self._relays)):
            relay = self._relays.current
            request = self._client.build_request("POST", relay, content=body, headers=POST_FIELDS)
            try:
                with _translated(relay, passing=UNREACHED):
                    return relay, await self._client.send(request, stream=True)
            except UNREACHED as error:
                unreached[relay] = error
                self._relays.leave(relay)
        raise _none_reached(unreached) from next(iter(unreached.values()))

    async def aclose(self) -> None:
        """Close the pool."""
        self._ended = True
        await self._client.aclose()


def _choice(relay: str | Relays) -> Relays:
    return Relays((relay,)) if isinstance(relay, str) else relay


def _chunks(response: httpx.Response, relay: str) -> Iterator[bytes]:
    end = clock.ticks() + LONGEST_REPLY
    with _translated(relay):
        for chunk in response.iter_raw():
            _refuse_after(end)
            yield chunk


async def _achunks(response: httpx.Response, relay: str) -> AsyncIterator[bytes]:
    end = clock.ticks() + LONGEST_REPLY
    with _translated(relay):
        async for chunk in response.aiter_raw():
            _refuse_after(end)
            yield chunk


def _refuse_after(end: float) -> None:
    if clock.ticks() > end:
        raise TransportError("the answer has no end; it was cut")


@contextmanager
def _translated(relay: str, *, passing: tuple[type[httpx.HTTPError], ...] = ()) -> Iterator[None]:
    """Turn the library's errors into ours, but for those that say that another may be tried."""
    try:
        yield
    except passing:
        raise
    except httpx.HTTPError as error:
        raise TransportError(_why(relay, error)) from error


def _none_reached(unreached: Mapping[str, httpx.HTTPError]) -> TransportError:
    """Say of each relay why it was not reached."""
    return TransportError("; ".join(_why(relay, why) for relay, why in unreached.items()))


def _why(relay: str, error: httpx.HTTPError) -> str:
    why, remedy = reason(error, address=ADDRESS)
    return f"relay {relay}: {why}; {remedy}"


def _refusal(response: httpx.Response, body: bytes) -> GatewayError:
    """Read the code of an answer other than 200; the text beside it is not for programs."""
    if response.headers.get("content-type") == "application/problem+json":
        return GatewayError("ohttp-key", response.status_code)
    return GatewayError(messages.decode_error(body) or "unknown", response.status_code)


def _expect(response: httpx.Response, media_type: str) -> None:
    """Refuse anything but the media type: a relay's page is not a reply."""
    if response.headers.get("content-type") != media_type:
        raise TransportError(f"the relay's answer is not {media_type}; {ADDRESS}")


def _start(chunks: Iterator[bytes]) -> bytes:
    """Read as much as an error document may have."""
    data, end = b"", clock.ticks() + REFUSAL_TIME
    for chunk in chunks:
        _refuse_after(end)
        data += chunk
        if len(data) > messages.MAX_ERROR:
            break
    return data


async def _astart(chunks: AsyncIterator[bytes]) -> bytes:
    data, end = b"", clock.ticks() + REFUSAL_TIME
    async for chunk in chunks:
        _refuse_after(end)
        data += chunk
        if len(data) > messages.MAX_ERROR:
            break
    return data


def _bounded(chunks: Iterator[bytes]) -> bytes:
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > MAX_KEYS:
            raise TransportError(f"the gateway's keys exceed {MAX_KEYS} bytes")
    return bytes(data)

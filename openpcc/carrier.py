"""Carries bodies between this client and its relay; decides nothing.

One connection pool, one fixed set of fields, no cookies, no redirects, no proxy from the
environment: a request differs from another client's in its length alone.
"""

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx

from openpcc.errors import ConfigurationError, GatewayError, TransportError
from openpcc.protocol import messages

FIELDS = {
    "accept": "*/*",
    "accept-encoding": "identity",
    "user-agent": "openpcc",
}
POST_FIELDS = {"content-type": messages.OHTTP_REQUEST, "incremental": "?1"}

TIMEOUT = httpx.Timeout(connect=10.0, read=600.0, write=60.0, pool=60.0)
"""Seconds. Reading is long: a model may think for minutes before its first byte."""

LIMITS = httpx.Limits(max_connections=256, max_keepalive_connections=64)
MAX_KEYS = 65536
"""Bytes of the gateway's key configs; more is not read."""


class Carrier:
    """The blocking carrier."""

    def __init__(self, relay: str, ca: Path | None) -> None:
        self._relay = relay
        self._client = httpx.Client(
            verify=_tls(ca), timeout=TIMEOUT, limits=LIMITS, headers=FIELDS, trust_env=False
        )

    def keys(self) -> bytes:
        """Fetch the gateway's key configs, unverified.

        Raises:
            TransportError: no answer, or not a list of keys.
        """
        with _translated(), self._client.stream("GET", f"{self._relay}/ohttp-keys") as response:
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
        with (
            _translated(),
            self._client.stream("POST", self._relay, content=body, headers=POST_FIELDS) as response,
        ):
            if response.status_code != 200:
                raise _refusal(response, _start(response.iter_raw()))
            _expect(response, messages.OHTTP_RESPONSE)
            yield _chunks(response)

    def close(self) -> None:
        """Close the pool."""
        self._client.close()


class AsyncCarrier:
    """The awaiting carrier."""

    def __init__(self, relay: str, ca: Path | None) -> None:
        self._relay = relay
        self._client = httpx.AsyncClient(
            verify=_tls(ca), timeout=TIMEOUT, limits=LIMITS, headers=FIELDS, trust_env=False
        )

    @asynccontextmanager
    async def exchange(self, body: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
        """Post an encapsulated request; give the encapsulated response as it arrives.

        Raises:
            GatewayError: relay or gateway refused, with their code.
            TransportError: the relay did not answer, or broke off.
        """
        with _translated():
            async with self._client.stream(
                "POST", self._relay, content=body, headers=POST_FIELDS
            ) as response:
                if response.status_code != 200:
                    raise _refusal(response, await _astart(response.aiter_raw()))
                _expect(response, messages.OHTTP_RESPONSE)
                yield _achunks(response)

    async def aclose(self) -> None:
        """Close the pool."""
        await self._client.aclose()


def _tls(ca: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if ca is not None:
        try:
            context.load_verify_locations(cafile=str(ca))
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"{ca}: not a PEM file of root certificates") from error
    return context


def _chunks(response: httpx.Response) -> Iterator[bytes]:
    with _translated():
        yield from response.iter_raw()


async def _achunks(response: httpx.Response) -> AsyncIterator[bytes]:
    with _translated():
        async for chunk in response.aiter_raw():
            yield chunk


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except httpx.HTTPError as error:
        raise TransportError(f"the relay did not answer: {type(error).__name__}") from error


def _refusal(response: httpx.Response, body: bytes) -> GatewayError:
    """Read the code of an answer other than 200; the text beside it is not for programs."""
    if response.headers.get("content-type") == "application/problem+json":
        return GatewayError("ohttp-key", response.status_code)
    return GatewayError(messages.decode_error(body) or "unknown", response.status_code)


def _expect(response: httpx.Response, media_type: str) -> None:
    """Refuse anything but the media type: a relay's page is not a reply."""
    if response.headers.get("content-type") != media_type:
        raise TransportError(f"the relay's answer is not {media_type}")


def _start(chunks: Iterator[bytes]) -> bytes:
    """Read as much as an error document may have."""
    data = b""
    for chunk in chunks:
        data += chunk
        if len(data) > messages.MAX_ERROR:
            break
    return data


async def _astart(chunks: AsyncIterator[bytes]) -> bytes:
    data = b""
    async for chunk in chunks:
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

"""The outer request: chunked OHTTP in, one Binary HTTP message out.

Pure: bytes in, values or errors out. What fails before the message is whole is the relay's or the
client's affair in the open (422 `ohttp-key`, 400, 413); later errors go inside the encapsulation.
"""

from dataclasses import dataclass, field

from gateway.errors import KeyRefusedError, RefusedError
from gateway.keys import KeyRing
from gateway.replay import entry_of
from openpcc.protocol.chunked_ohttp import GatewayRequest
from openpcc.protocol.errors import (
    ProtocolError,
    TruncatedError,
    UnknownKeyError,
    UnsealableError,
    UnsupportedError,
)

PROBLEM = "application/problem+json"

KEY_PROBLEM = (
    b'{"type":"https://iana.org/assignments/http-problem-types#ohttp-key",'
    b'"title":"key is not accepted here, or the request does not open; fetch the keys again"}'
)
"""The answer of RFC 9458, section 5.3, to a key that is not accepted."""

OVERHEAD = 1 << 20
"""Bytes an outer request may have beyond a sealed one: 64 tokens with proofs, Binary HTTP, padding
to 4096, chunk frames (18 bytes for each 16384), the encapsulation. All are under 256 KiB."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A whole outer request.

    Attributes:
        message: the Binary HTTP message, padding included.
        entry: its name in the replay store.
        context: what seals the response.
    """

    message: bytes = field(repr=False)
    entry: bytes
    context: GatewayRequest = field(repr=False)


class Decapsulation:
    """Opens one outer request as it arrives."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._head = b""
        self._request: GatewayRequest | None = None
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Take bytes.

        Raises:
            KeyRefusedError: a key that is not ours, or a chunk that does not open.
            RefusedError: `malformed`.
        """
        try:
            if self._request is None:
                self._head += data
                data = self._open_head()
            if self._request is not None:
                self._parts += self._request.feed(data)
        except ProtocolError as error:
            raise _translate(error) from error

    def finish(self) -> Opened:
        """Take the end of the body.

        Raises:
            KeyRefusedError: the final chunk does not open.
            RefusedError: `truncated`.
        """
        try:
            if self._request is None:
                raise TruncatedError("OHTTP request: shorter than its encapsulation")
            self._parts += self._request.finish()
        except ProtocolError as error:
            raise _translate(error) from error
        return Opened(
            message=b"".join(self._parts),
            entry=entry_of(self._head[0], self._request.enc),
            context=self._request,
        )

    def _open_head(self) -> bytes:
        """Open the head once it is there; give what follows it."""
        if not self._head:
            return b""
        key = self._keys.accepted.get(self._head[0])
        if key is None:
            raise UnknownKeyError("OHTTP request: no key of this id")
        size = GatewayRequest.head_size(key)
        if len(self._head) < size:
            return b""
        rest, self._head = self._head[size:], self._head[:size]
        self._request = GatewayRequest.open(key, self._head)
        return rest


def _translate(error: ProtocolError) -> KeyRefusedError | RefusedError:
    match error:
        case UnknownKeyError() | UnsupportedError() | UnsealableError():
            return KeyRefusedError()
        case TruncatedError():
            return RefusedError("truncated")
        case _:
            return RefusedError("malformed")


def outer_limit(max_request: int) -> int:
    """Give the most bytes of an outer request around a sealed one of `max_request`."""
    return max_request + OVERHEAD

"""One exchange through relay and gateway, as bytes in and bytes out; no sockets, no clock.

    inner request  > Binary HTTP > sealed to k nodes > Binary HTTP, padded > chunked OHTTP > relay
    inner events   < Binary HTTP < sealed reply      < Binary HTTP         < chunked OHTTP < relay

`GatewayExchange` is the outer half alone: it asks for what the gateway itself may know (directory,
evidence, log). `SealedExchange` adds the seal. Both are fed with what came off the wire and
finished once. Whatever they return is authenticated; an end that was not authenticated is an error.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from openpcc import receipts
from openpcc.errors import (
    DirectoryError,
    GatewayError,
    TokenRefusedError,
    TruncatedReplyError,
)
from openpcc.protocol import bhttp, chunked_ohttp, messages
from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.ohttp import KeyConfig
from openpcc.protocol.sealing import NO_TOKENS
from openpcc.trust import TrustedNode, seal

if TYPE_CHECKING:
    from openpcc.tokens.payment import Payment

STREAMED = replace(bhttp.LIMITS, content=2**40)
"""A streamed reply is handed on piece by piece; the number of chunks under one key bounds it. The
usual limit would cut a paced reply, which is mostly padding, after half an hour."""


class GatewayExchange:
    """A request that the gateway answers itself.

    Raises:
        DirectoryError: the gateway's key cannot be used.
    """

    def __init__(
        self, keys: KeyConfig, request: bhttp.Request, *, limits: bhttp.Limits = bhttp.LIMITS
    ) -> None:
        message = bhttp.encode_request(request, pad_to=messages.OUTER_PADDING)
        try:
            self.body, self._opener = chunked_ohttp.encapsulate(keys, message)
        except ProtocolError as error:
            raise DirectoryError("unavailable", f"the gateway's OHTTP key: {error}") from error
        self._decoder = bhttp.ResponseDecoder(limits=limits)

    def feed(self, data: bytes) -> list[bhttp.Event]:
        """Take bytes of the encapsulated response.

        Raises:
            TruncatedReplyError: they are not the next bytes of an authentic response.
        """
        try:
            events: list[bhttp.Event] = []
            for chunk in self._opener.feed(data):
                events += self._decoder.feed(chunk)
        except ProtocolError as error:
            raise TruncatedReplyError("the gateway's reply is not authentic") from error
        return events

    def finish(self) -> list[bhttp.Event]:
        """Take the end of the stream.

        Raises:
            TruncatedReplyError: the authenticated end had not come.
        """
        try:
            last = [event for chunk in self._opener.finish() for event in self._decoder.feed(chunk)]
            return last + self._decoder.finish()
        except ProtocolError as error:
            raise TruncatedReplyError("the gateway's reply ended before its end") from error

    def events(self, chunks: Iterable[bytes]) -> Iterator[bhttp.Event]:
        """Give the events of a whole stream, its end included. Raises as `feed` and `finish`."""
        for chunk in chunks:
            yield from self.feed(chunk)
        yield from self.finish()


class SealedExchange:
    """A request sealed to verified nodes, and the reply of whichever of them served it.

    `body` is what is sent: the sealed request in a fresh encapsulation. `repeat` makes another one
    of the same sealed bytes, which nodes and gateway know to be the same request.
    """

    def __init__(
        self,
        keys: KeyConfig,
        nodes: Sequence[TrustedNode],
        request: bhttp.Request,
        *,
        model: str,
        now: int,
        payment: "Payment | None" = None,
    ) -> None:
        self._message = bhttp.encode_request(request)
        self._sealed = seal(
            nodes,
            self._message,
            model=model,
            now=now,
            max_output=0 if payment is None else payment.max_output,
            token_digest=NO_TOKENS if payment is None else payment.token_digest,
        )
        self._nodes = tuple(nodes)
        self._keys = keys
        paid = () if payment is None else payment.fields(self._sealed.request_digest)
        self._carriage = carriage(self._sealed.body, request.authority, paid)
        self.repeat()

    def repeat(self) -> None:
        """Encapsulate the same sealed bytes anew; what was fed before is forgotten."""
        self._outer = GatewayExchange(self._keys, self._carriage, limits=STREAMED)
        self._status: int | None = None
        self._refusal = bytearray()
        self._opener = self._sealed.open_reply()
        self._response = _Response(lambda: self._opener.receipt_salt or b"")
        self.body = self._outer.body

    @property
    def request_digest(self) -> bytes:
        """The digest that tokens pay for and receipts name."""
        return self._sealed.request_digest

    @property
    def expires(self) -> int:
        """When the sealed request expires, Unix seconds."""
        return self._sealed.header.expires

    def feed(self, data: bytes) -> list[bhttp.Event]:
        """Take bytes off the wire; return what the node said with them.

        Raises:
            TruncatedReplyError: they are not the next bytes of an authentic reply.
        """
        return self._inner(self._outer.feed(data))

    def finish(self) -> list[bhttp.Event]:
        """Take the end of the stream.

        Raises:
            GatewayError: this was a refusal from outside the seal; of tokens, a TokenRefusedError.
            TruncatedReplyError: the node's authenticated end had not come.
        """
        events = self._inner(self._outer.finish())
        if self._status != 200:
            raise gateway_error(bytes(self._refusal), self._status or 502)
        try:
            for piece in self._opener.finish():
                events += self._response.feed(piece)
            return events + self._response.decoder.finish()
        except ProtocolError as error:
            raise TruncatedReplyError("the node's reply ended before its end") from error

    @property
    def serving(self) -> TrustedNode | None:
        """The node that answers; None until its first bytes came."""
        index = self._opener.index
        return None if index is None else self._nodes[index]

    def check_receipt(self, receipt: receipts.Receipt) -> None:
        """Hold a verified receipt against this exchange.

        Raises:
            ReceiptError: it is another exchange's, or of another response.
        """
        receipts.check_exchange(
            receipt,
            request_digest=self._sealed.request_digest,
            request=receipts.request_hash(self._opener.receipt_salt or b"", self._message),
            response=self._response.digest(),
        )

    def close(self) -> None:
        """Forget every key of this exchange; what has not come by now never will."""
        self._sealed.wipe()
        self._opener.wipe()

    def _inner(self, outer: Iterable[bhttp.Event]) -> list[bhttp.Event]:
        events: list[bhttp.Event] = []
        for event in outer:
            match event:
                case bhttp.Head():
                    self._status = event.status
                case bhttp.Content() if self._status == 200:
                    events += self._unseal(event.data)
                case bhttp.Content():
                    room = messages.MAX_ERROR + 1 - len(self._refusal)
                    self._refusal += event.data[:room]
                case _:
                    pass
        return events

    def _unseal(self, data: bytes) -> list[bhttp.Event]:
        try:
            pieces = self._opener.feed(data)
            return [event for piece in pieces for event in self._response.feed(piece)]
        except ProtocolError as error:
            raise TruncatedReplyError("the node's reply is not authentic") from error


class _Response:
    """Decodes the inner response and digests it for the receipt, as far as its trailers."""

    def __init__(self, salt: Callable[[], bytes]) -> None:
        self.decoder = bhttp.ResponseDecoder(limits=STREAMED)
        self._salt = salt
        self._hasher: hashlib._Hash | None = None
        self._fed = 0

    def feed(self, piece: bytes) -> list[bhttp.Event]:
        """Decode a piece; whatever of it comes before the trailers belongs to the digest."""
        if self._hasher is None:
            self._hasher = receipts.response_hasher(self._salt())
        ended_before = self.decoder.trailers_at is not None
        events = self.decoder.feed(piece)
        if not ended_before:
            end = self.decoder.trailers_at
            self._hasher.update(piece if end is None else piece[: end - self._fed])
        self._fed += len(piece)
        return events

    def digest(self) -> bytes:
        """Give the digest; complete once the trailers came."""
        hasher = self._hasher or receipts.response_hasher(self._salt())
        return hasher.digest()


def carriage(body: bytes, authority: str, paid: bhttp.Fields = ()) -> bhttp.Request:
    """Wrap a sealed request, and the tokens that pay for it, as the request inside OHTTP."""
    return bhttp.Request(
        method="POST",
        scheme="https",
        authority=authority,
        path="/sealed",
        headers=(("content-type", messages.SEALED_REQUEST), *paid),
        content=body,
    )


def gateway_error(document: bytes, status: int) -> GatewayError:
    """Read what the gateway refused with; the text beside the code is not for programs."""
    code = messages.decode_error(document) or "unknown"
    kind = TokenRefusedError if code.startswith("token-") else GatewayError
    return kind(code, status)

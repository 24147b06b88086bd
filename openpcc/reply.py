"""The reply to one sealed request, as the caller's HTTP library wants it: status, fields, content.

Fed with bytes off the wire, it returns content as soon as it is authentic, but the last event of a
stream only with the end (`last_event`). When the end has come it holds the receipt against the
exchange; a receipt that is present but wrong is an error.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from attestation import strict_json
from openpcc import receipts
from openpcc.answers import Call
from openpcc.errors import ReceiptError, TruncatedReplyError
from openpcc.exchange import SealedExchange
from openpcc.last_event import LastEvent
from openpcc.protocol import bhttp, messages
from openpcc.protocol.ohttp import KeyConfig

if TYPE_CHECKING:
    from openpcc.receipts import Receipt
    from openpcc.tokens.payment import Payment
    from openpcc.trust import TrustedNode

FORWARDED = frozenset(
    {
        "content-encoding",
        "content-type",
        "openai-processing-ms",
        "retry-after",
        "x-request-id",
        "x-should-retry",
    }
)
"""Fields of a node's reply that reach the caller's library: a closed list. Not cookies, redirects
or what browsers obey; nor the length, which is known when the content has ended and not before."""


class Reply:
    """One request and its reply.

    Attributes:
        body: what to send to the relay.
        paid: whether tokens pay for it.
        fed: whether any byte came back.
        status: HTTP status the node gave; None until it came.
        headers: the node's response fields.
        receipt: the verified receipt. None if there was none: a node signs none for an error, for
            a reply whose tokens it could not count, or after its epoch's receipt key was erased.
        receipt_document: its signed bytes, to be kept; empty if there was none.
    """

    def __init__(
        self,
        keys: KeyConfig,
        nodes: "Sequence[TrustedNode]",
        call: Call,
        *,
        now: int,
        payment: "Payment | None" = None,
    ) -> None:
        """Seal a request.

        Args:
            keys: the gateway's.
            nodes: the candidates, in the order they stand in the header.
            call: what to ask.
            now: to seal at.
            payment: the tokens that pay for it; None with open admission.

        Raises:
            DirectoryError: see `openpcc.trust.seal`.
        """
        self._exchange = SealedExchange(
            keys, nodes, call.request, model=call.model, now=now, payment=payment
        )
        self.paid = payment is not None
        self._begin()

    def _begin(self) -> None:
        self.body = self._exchange.body
        self.fed = False
        self.status: int | None = None
        self.headers: tuple[tuple[str, str], ...] = ()
        self.receipt: Receipt | None = None
        self.receipt_document = b""
        self._last = LastEvent()

    def repeat(self) -> None:
        """Make another body of the same sealed bytes, after a try that came to nothing.

        See docs/decisions/0017: the same request at its nodes, and paid with the same tokens.
        """
        self._exchange.repeat()
        self._begin()

    @property
    def request_digest(self) -> bytes:
        """The digest of the sealed request, which its tokens pay for."""
        return self._exchange.request_digest

    @property
    def expires(self) -> int:
        """When the sealed request expires, Unix seconds."""
        return self._exchange.expires

    @property
    def node(self) -> "TrustedNode | None":
        """The verified node that answers; None until its first bytes came."""
        return self._exchange.serving

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes off the wire; return content (an empty piece says: the status came).

        Raises:
            TruncatedReplyError: the bytes are not authentic.
        """
        self.fed = True
        return self._pieces(self._exchange.feed(data))

    def finish(self) -> list[bytes]:
        """Take the end of the stream.

        Raises:
            GatewayError: a refusal from outside the seal.
            TruncatedReplyError: the authenticated end had not come.
            ReceiptError: the receipt is not this exchange's, or not the serving node's.
        """
        pieces = self._pieces(self._exchange.finish())
        if self.status is None:
            raise TruncatedReplyError("the node's reply has no status")
        return [*pieces, self._last.finish()]

    def close(self) -> None:
        """Forget every key of this exchange."""
        self._exchange.close()

    def _pieces(self, events: Sequence[bhttp.Event]) -> list[bytes]:
        pieces = []
        for event in events:
            match event:
                case bhttp.Head():
                    self.status = event.status
                    self.headers = tuple(h for h in event.headers if h[0] in FORWARDED)
                    pieces.append(b"")
                case bhttp.Content():
                    shown = self._last.feed(event.data)
                    pieces += [shown] if shown else []
                case bhttp.Trailers():
                    self._trailers(event.fields)
                case _:
                    pass
        return pieces

    def _trailers(self, fields: Sequence[tuple[str, str]]) -> None:
        values = [value for name, value in fields if name == messages.RECEIPT]
        node = self._exchange.serving
        if not values or node is None:
            return
        if len(values) > 1:
            raise ReceiptError("the reply has more than one receipt")
        receipt = receipts.verify(values[0], node.receipt_key)
        receipts.check_node(
            receipt, release=node.report.release, binding=node.binding, models=node.models
        )
        self._exchange.check_receipt(receipt)
        self.receipt, self.receipt_document = receipt, strict_json.b64decode(values[0])

"""A request as it is sent: sealed by a client or altered after that, and what pays for it.

A proof is made over what is sent, not over what was sealed. So the gateway has no reason to refuse
an altered request for its payment, and the row shows what the check that it is about does.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from openpcc.protocol import sealing
from openpcc.protocol.bhttp import Fields
from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.payment import CarriedToken, token_fields
from openpcc.tokens.held import HeldToken
from openpcc.tokens.payment import Payment

Alter = Callable[[sealing.SealedRequest, Payment | None], bytes]
"""Gives the bytes that are sent in place of a sealed request's."""

Carry = Callable[[HeldToken, bytes], CarriedToken]
"""Proves that a token pays for the request of a digest, or pretends to."""


@dataclass(frozen=True, kw_only=True)
class Letter:
    """What is sent.

    Attributes:
        sealed: as the client sealed it; opens the reply.
        body: as it is sent.
        request_digest: of what is sent.
        tokens: what it pays with; none with open admission.
        fields: the field lines that carry them.
    """

    sealed: sealing.SealedRequest = field(repr=False)
    body: bytes = field(repr=False)
    request_digest: bytes
    tokens: tuple[HeldToken, ...] = field(default=(), repr=False)
    fields: Fields = field(default=(), repr=False)

    @property
    def expires(self) -> int:
        """When it expires, Unix seconds."""
        return self.sealed.header.expires


def as_sealed(sealed: sealing.SealedRequest, _: Payment | None) -> bytes:
    """Alter nothing."""
    return sealed.body


def write(
    sealed: sealing.SealedRequest,
    payment: Payment | None,
    *,
    alter: Alter = as_sealed,
    carry: Carry = HeldToken.pay,
) -> Letter:
    """Write what is sent, and pay for it."""
    body = alter(sealed, payment)
    digest = _digest(body) or sealed.request_digest
    tokens = () if payment is None else payment.tokens
    return Letter(
        sealed=sealed,
        body=body,
        request_digest=digest,
        tokens=tokens,
        fields=_fields(tokens, digest, carry),
    )


def _digest(body: bytes) -> bytes | None:
    """Give the digest as the gateway will compute it; None: it will refuse the form before."""
    try:
        return sealing.Prefix.parse(body).request_digest
    except ProtocolError:
        return None


def _fields(tokens: Iterable[HeldToken], digest: bytes, carry: Carry) -> Fields:
    return token_fields(carry(one, digest) for one in tokens)

"""How tokens travel inside OHTTP: with a request that they pay for, and when asked back.

docs/formats.md, 11. With a request, one field line for each token, in the order of the header's
token digest:

    openpcc-token: base64(token(354) ‖ pk(32) ‖ signature(64))

Asked back, the body of `POST /tokens` (`application/vnd.openpcc.token-reclaim`), and its answer:

    request digest(32) ‖ 1 to 64 times (token(354) ‖ pk(32) ‖ signature(64))
    one byte for each token: 0 free, 1 spent, 2 not yet

The signatures are those of `sealing.redemption`. Nothing is checked here but the form.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from openpcc.protocol.bhttp import Fields
from openpcc.protocol.errors import MalformedError
from openpcc.protocol.privacypass import TOKEN_SIZE
from openpcc.protocol.sealing.redemption import MAX_TOKENS, PROOF_SIZE

PAYMENT_FIELD = "openpcc-token"
RECLAIM_MEDIA_TYPE = "application/vnd.openpcc.token-reclaim"

CARRIED_SIZE = TOKEN_SIZE + PROOF_SIZE
DIGEST_SIZE = 32

MAX_RECLAIM = DIGEST_SIZE + MAX_TOKENS * CARRIED_SIZE
"""Bytes of a whole request for tokens back."""


class Reclaimed(IntEnum):
    """What became of a token that is asked back; the numbers travel."""

    FREE = 0
    SPENT = 1
    PENDING = 2


@dataclass(frozen=True, kw_only=True)
class CarriedToken:
    """A token and its holder's proof, or what pretends to be them."""

    token: bytes = field(repr=False)
    proof: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Write both."""
        return self.token + self.proof

    @staticmethod
    def parse(data: bytes) -> "CarriedToken":
        """Read both.

        Raises:
            MalformedError: another length.
        """
        if len(data) != CARRIED_SIZE:
            raise MalformedError(f"token and proof: expected {CARRIED_SIZE} bytes")
        return CarriedToken(token=data[:TOKEN_SIZE], proof=data[TOKEN_SIZE:])


def token_fields(carried: Iterable[CarriedToken]) -> Fields:
    """Write the field lines of a request's tokens."""
    return tuple((PAYMENT_FIELD, base64.b64encode(one.encode()).decode()) for one in carried)


def carried_tokens(fields: Fields) -> tuple[CarriedToken, ...]:
    """Read the tokens of a request, in the order of their lines. Names are in lower case.

    Raises:
        MalformedError: a line has another form than the one accepted spelling.
    """
    return tuple(_carried(value) for name, value in fields if name == PAYMENT_FIELD)


@dataclass(frozen=True, kw_only=True)
class Reclaim:
    """A request for the tokens of one request that came to nothing."""

    request_digest: bytes
    tokens: tuple[CarriedToken, ...] = field(repr=False)

    def encode(self) -> bytes:
        """Write the body of `POST /tokens`."""
        return self.request_digest + b"".join(one.encode() for one in self.tokens)

    @staticmethod
    def parse(body: bytes) -> "Reclaim":
        """Read the body of `POST /tokens`.

        Raises:
            MalformedError: not a digest and 1 to 64 tokens.
        """
        count, rest = divmod(len(body) - DIGEST_SIZE, CARRIED_SIZE)
        if rest or not 1 <= count <= MAX_TOKENS:
            raise MalformedError(f"reclaim: expected a digest and 1 to {MAX_TOKENS} tokens")
        starts = range(DIGEST_SIZE, len(body), CARRIED_SIZE)
        return Reclaim(
            request_digest=body[:DIGEST_SIZE],
            tokens=tuple(CarriedToken.parse(body[at : at + CARRIED_SIZE]) for at in starts),
        )


def encode_reclaimed(outcomes: Iterable[Reclaimed]) -> bytes:
    """Write the answer of `POST /tokens`."""
    return bytes(outcomes)


def parse_reclaimed(body: bytes, count: int) -> tuple[Reclaimed, ...]:
    """Read the answer of `POST /tokens` for `count` tokens.

    Raises:
        MalformedError: another length, or a byte without meaning.
    """
    if len(body) != count or not set(body) <= {one.value for one in Reclaimed}:
        raise MalformedError("reclaim: expected one byte of 0 to 2 for each token")
    return tuple(Reclaimed(one) for one in body)


def _carried(value: str) -> CarriedToken:
    if len(value) != 4 * ((CARRIED_SIZE + 2) // 3):
        raise MalformedError("token field: another length")
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError("token field: not base64") from error
    if base64.b64encode(data).decode() != value:
        raise MalformedError("token field: not canonical base64")
    return CarriedToken.parse(data)

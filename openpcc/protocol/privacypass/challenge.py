"""What a token is made for: `TokenChallenge` (RFC 9577, section 2.1.1).

    token_type(2) ‖ issuer_name<1..2^16-1> ‖ redemption_context<0..32> ‖ origin_info<0..2^16-1>

Lengths have 2, 1 and 2 bytes. A redemption context is 32 bytes or absent; origin_info lists
host names with commas, and empty means that a token may be redeemed at any origin. Example:

    0002 000e 6973737565722e6578616d706c65 00 000e 6f726967696e2e6578616d706c65
         issuer.example                       origin.example
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from openpcc.protocol.errors import MalformedError, TokenChallengeError, UnsupportedError

TOKEN_TYPE = 0x0002
"""Blind RSA, 2048 bits (RFC 9578, section 8.2.2): the one type that is issued and accepted."""

CONTEXT_SIZE = 32
MAX_NAME = 2**16 - 1
MAX_CHALLENGE = 2 + 2 + MAX_NAME + 1 + CONTEXT_SIZE + 2 + MAX_NAME


@dataclass(frozen=True, kw_only=True)
class TokenChallenge:
    """One challenge; one value has one encoding.

    Attributes:
        issuer_name: the issuer's server name.
        redemption_context: 32 bytes that narrow a token further; empty means no narrowing.
        origin_info: where the token may be redeemed; empty means anywhere.

    Raises:
        MalformedError: a field that cannot be written.
    """

    issuer_name: str
    redemption_context: bytes = b""
    origin_info: tuple[str, ...] = ()
    token_type: int = TOKEN_TYPE

    def __post_init__(self) -> None:
        if not 0 <= self.token_type < 2**16:
            raise MalformedError("token challenge: the type is a 16-bit number")
        if not self.issuer_name:
            raise MalformedError("token challenge: the issuer has no name")
        if any(not name or "," in name for name in self.origin_info):
            raise MalformedError("token challenge: an origin name is empty or holds a comma")
        for text in (self.issuer_name, ",".join(self.origin_info)):
            if not text.isascii() or len(text) > MAX_NAME:
                raise MalformedError(f"token challenge: names are ASCII, at most {MAX_NAME} bytes")
        if len(self.redemption_context) not in (0, CONTEXT_SIZE):
            raise MalformedError(f"token challenge: a context has 0 or {CONTEXT_SIZE} bytes")

    def encode(self) -> bytes:
        """Write the challenge."""
        issuer, origins = self.issuer_name.encode(), ",".join(self.origin_info).encode()
        return (
            self.token_type.to_bytes(2, "big")
            + len(issuer).to_bytes(2, "big")
            + issuer
            + bytes([len(self.redemption_context)])
            + self.redemption_context
            + len(origins).to_bytes(2, "big")
            + origins
        )

    @staticmethod
    def parse(data: bytes) -> "TokenChallenge":
        """Read a challenge that fills `data`.

        Raises:
            UnsupportedError: another token type: to be ignored, it may be there for greasing.
            MalformedError: not a challenge.
        """
        if not 2 <= len(data) <= MAX_CHALLENGE:
            raise MalformedError(f"token challenge: 2 to {MAX_CHALLENGE} bytes are accepted")
        if int.from_bytes(data[:2], "big") != TOKEN_TYPE:
            raise UnsupportedError("token challenge: only token type 0x0002 is used here")
        issuer, rest = _vector(data[2:], 2)
        context, rest = _vector(rest, 1)
        origins, rest = _vector(rest, 2)
        if rest:
            raise MalformedError("token challenge: bytes are left over")
        return TokenChallenge(
            issuer_name=_text(issuer),
            redemption_context=context,
            origin_info=tuple(_text(origins).split(",")) if origins else (),
        )

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the challenge: how a token names it."""
        return hashlib.sha256(self.encode()).digest()

    def check_origin(self, origin: str) -> None:
        """Check that a token made for this challenge may be redeemed at `origin`.

        Raises:
            TokenChallengeError: the origin is not listed.
        """
        names = [name.lower() for name in self.origin_info]
        if names and origin.lower() not in names:
            raise TokenChallengeError("the challenge is for other origins")


def _vector(data: bytes, width: int) -> tuple[bytes, bytes]:
    """Split off what stands behind a length of `width` bytes."""
    end = width + int.from_bytes(data[:width], "big")
    if len(data) < end:
        raise MalformedError("token challenge: cut short")
    return data[width:end], data[end:]


def _text(data: bytes) -> str:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError as error:
        raise MalformedError("token challenge: names are ASCII") from error

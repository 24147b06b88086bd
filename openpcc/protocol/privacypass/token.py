"""Tokens of type 0x0002 and their verification (RFC 9577, section 2.2; RFC 9578, section 6).

    token_type(2) ‖ nonce(32) ‖ challenge_digest(32) ‖ token_key_id(32) ‖ authenticator(256)

354 bytes; the authenticator is an RSASSA-PSS signature of the 98 before it. What is left to others:
which keys are accepted at what time, the holder's proof, and the spent set, which comes last so
that garbage cannot fill it.

    1. type           another type is not read further
    2. challenge      made for this origin
    3. key            issued under a key that is accepted now
    4. authenticator  the issuer's signature
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from openpcc.protocol import blind_rsa
from openpcc.protocol.errors import (
    MalformedError,
    SignatureError,
    TokenChallengeError,
    TokenForgedError,
    TokenKeyError,
    TokenTypeError,
)
from openpcc.protocol.privacypass.challenge import TOKEN_TYPE
from openpcc.protocol.privacypass.issuer_key import IssuerKey

VARIANT = blind_rsa.PSS_DETERMINISTIC
"""How type 0x0002 signs (RFC 9578, section 6)."""

NONCE_SIZE = 32
KEY_ID_SIZE = 32
INPUT_SIZE = 2 + NONCE_SIZE + 32 + KEY_ID_SIZE
AUTHENTICATOR_SIZE = 256
TOKEN_SIZE = INPUT_SIZE + AUTHENTICATOR_SIZE


def token_input(
    *, nonce: bytes, challenge_digest: bytes, key_id: bytes, token_type: int = TOKEN_TYPE
) -> bytes:
    """Write what an authenticator signs.

    Raises:
        MalformedError: a field is not 32 bytes.
    """
    if {len(nonce), len(challenge_digest), len(key_id)} != {32}:
        raise MalformedError("token: nonce, challenge digest and key id have 32 bytes each")
    return token_type.to_bytes(2, "big") + nonce + challenge_digest + key_id


@dataclass(frozen=True, kw_only=True)
class Token:
    """The fields of a token. Nothing about it is checked: `verify_token` does that."""

    nonce: bytes
    challenge_digest: bytes
    key_id: bytes
    authenticator: bytes = field(repr=False)

    @staticmethod
    def parse(data: bytes) -> "Token":
        """Read a token that fills `data`.

        Raises:
            TokenTypeError: another token type.
            MalformedError: another length.
        """
        if len(data) >= 2 and int.from_bytes(data[:2], "big") != TOKEN_TYPE:
            raise TokenTypeError("expected token type 0x0002")
        if len(data) != TOKEN_SIZE:
            raise MalformedError(f"token: expected {TOKEN_SIZE} bytes")
        return Token(
            nonce=data[2:34],
            challenge_digest=data[34:66],
            key_id=data[66:INPUT_SIZE],
            authenticator=data[INPUT_SIZE:],
        )

    @property
    def input(self) -> bytes:
        """What the authenticator signs."""
        return token_input(
            nonce=self.nonce, challenge_digest=self.challenge_digest, key_id=self.key_id
        )

    def encode(self) -> bytes:
        """Write the token."""
        return self.input + self.authenticator


@dataclass(frozen=True, kw_only=True)
class VerifiedToken:
    """A token that `verify_token` accepted: what the holder's proof and the spent set need."""

    key_id: bytes
    nonce: bytes


def verify_token(
    token: bytes, *, keys: Mapping[bytes, IssuerKey], challenge_digest: bytes
) -> VerifiedToken:
    """Verify a token against the accepted keys, by id, and the origin's challenge.

    Whether it was spent before, and whether its holder is the one who sends it, is not known here.

    Raises:
        MalformedError: not as long as a token.
        TokenTypeError, TokenChallengeError, TokenKeyError, TokenForgedError: see the steps above.
    """
    parsed = Token.parse(token)  # 1
    if parsed.challenge_digest != challenge_digest:  # 2
        raise TokenChallengeError("the token was made for another challenge")
    key = keys.get(parsed.key_id)  # 3
    if key is None:
        raise TokenKeyError("the token's issuer key is not accepted")
    try:
        blind_rsa.verify(VARIANT, key.rsa, parsed.input, parsed.authenticator)  # 4
    except SignatureError as error:
        raise TokenForgedError from error
    return VerifiedToken(key_id=parsed.key_id, nonce=parsed.nonce)

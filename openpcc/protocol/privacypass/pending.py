"""A token between request and answer, as a value that a wallet can store (RFC 9578, section 6).

    version(1) = 01 ‖ size(2) ‖ issuer key(size) ‖ nonce(32) ‖ challenge_digest(32)
                    ‖ blinded_msg(256) ‖ inverse(256)

921 bytes with exponent 65537. Stored before the request is sent, it lets a client that was killed
send the same bytes again and finish. It says all that is needed: the issuer's directory may have
moved on meanwhile. The inverse links the token to its request, so the wallet keeps it encrypted and
drops it when the token is there.
"""

from dataclasses import dataclass, field
from functools import cached_property

from openpcc.protocol import blind_rsa
from openpcc.protocol.errors import MalformedError, UnsupportedError
from openpcc.protocol.privacypass.issuance import BLINDED_SIZE, TokenRequest
from openpcc.protocol.privacypass.issuer_key import MAX_SPKI, IssuerKey
from openpcc.protocol.privacypass.token import NONCE_SIZE, VARIANT, token_input

VERSION = 1

FIELD_SIZES = (NONCE_SIZE, 32, BLINDED_SIZE, BLINDED_SIZE)
"""Bytes of what follows the issuer key."""


@dataclass(frozen=True, kw_only=True)
class PendingToken:
    """A token that is asked for and not yet there.

    Attributes:
        key: the issuer key that is asked.
        challenge_digest: what the token is made for.
        nonce: commits to the holder's key.
        blinded: what is sent, the same bytes at every attempt.
        inverse: undoes the blinding; who has it can link the token to its request.

    Raises:
        MalformedError: a field has another length or range.
    """

    key: IssuerKey
    challenge_digest: bytes
    nonce: bytes
    blinded: bytes
    inverse: int = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.blinded) != BLINDED_SIZE or not 0 < self.inverse < self.key.n:
            raise MalformedError("pending token: a number does not fit the key")
        self.token_input  # noqa: B018 - refuses the other fields' lengths

    @staticmethod
    def begin(*, key: IssuerKey, challenge_digest: bytes, nonce: bytes) -> "PendingToken":
        """Start a token: blind its input with fresh randomness.

        Raises:
            MalformedError: nonce or digest are not 32 bytes, or the key is no RSA key.
        """
        to_sign = token_input(nonce=nonce, challenge_digest=challenge_digest, key_id=key.id)
        blinded = blind_rsa.blind(VARIANT, key.rsa, to_sign)
        return PendingToken._of(key, challenge_digest, nonce, blinded)

    @staticmethod
    def begin_with(
        *, key: IssuerKey, challenge_digest: bytes, nonce: bytes, salt: bytes, r: int
    ) -> "PendingToken":
        """Start a token with given randomness; only published vectors should know it."""
        to_sign = token_input(nonce=nonce, challenge_digest=challenge_digest, key_id=key.id)
        blinded = blind_rsa.blind_with(key.rsa, to_sign, salt=salt, r=r)
        return PendingToken._of(key, challenge_digest, nonce, blinded)

    @staticmethod
    def _of(
        key: IssuerKey, challenge_digest: bytes, nonce: bytes, blinded: blind_rsa.Blinded
    ) -> "PendingToken":
        return PendingToken(
            key=key,
            challenge_digest=challenge_digest,
            nonce=nonce,
            blinded=blinded.message,
            inverse=blinded.inverse,
        )

    @cached_property
    def token_input(self) -> bytes:
        """What the issuer will have signed."""
        return token_input(
            nonce=self.nonce, challenge_digest=self.challenge_digest, key_id=self.key.id
        )

    @property
    def request(self) -> TokenRequest:
        """What is sent to the issuer."""
        return TokenRequest(truncated_key_id=self.key.truncated_id, blinded=self.blinded)

    def finalize(self, signature: bytes) -> bytes:
        """Unblind the issuer's answer and give the token, if its signature verifies.

        Raises:
            MalformedError: the answer has another length.
            SignatureError: it does not verify; this value stays as good as it was.
        """
        return self.token_input + blind_rsa.finalize(
            VARIANT, self.key.rsa, self.token_input, signature, self.inverse
        )

    def encode(self) -> bytes:
        """Write it for the wallet. Secret: see the module."""
        spki = self.key.spki
        head = bytes([VERSION]) + len(spki).to_bytes(2, "big") + spki
        inverse = self.inverse.to_bytes(BLINDED_SIZE, "big")
        return head + self.nonce + self.challenge_digest + self.blinded + inverse

    @staticmethod
    def parse(data: bytes) -> "PendingToken":
        """Read what `encode` wrote.

        Raises:
            UnsupportedError: another version wrote it.
            MalformedError: it is damaged.
        """
        if data[:1] != bytes([VERSION]):
            raise UnsupportedError("pending token: written by another version")
        end = 3 + int.from_bytes(data[1:3], "big")
        if end > 3 + MAX_SPKI or len(data) != end + sum(FIELD_SIZES):
            raise MalformedError("pending token: another length")
        fields, at = [], end
        for size in FIELD_SIZES:
            fields.append(data[at : at + size])
            at += size
        nonce, challenge_digest, blinded, inverse = fields
        return PendingToken(
            key=IssuerKey.parse(data[3:end]),
            challenge_digest=challenge_digest,
            nonce=nonce,
            blinded=blinded,
            inverse=int.from_bytes(inverse, "big"),
        )

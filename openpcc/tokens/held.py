"""One token and the key of its holder: what a row of the wallet holds. Pure.

token(354) ‖ holder key(32)         a token that can be spent
holder key(32) ‖ pending(921…)      one that is asked for, its blinding included
"""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openpcc.protocol import sealing
from openpcc.protocol.errors import MalformedError
from openpcc.protocol.payment import CarriedToken
from openpcc.protocol.privacypass import TOKEN_SIZE, IssuerKey, PendingToken, Token

SEED_SIZE = 32


@dataclass(frozen=True, kw_only=True)
class HeldToken:
    """A token that this wallet can spend, because it has the key that the nonce commits to."""

    token: bytes = field(repr=False)
    seed: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Write it for the wallet. Secret."""
        return self.token + self.seed

    @classmethod
    def parse(cls, data: bytes) -> "HeldToken":
        """Read what `encode` wrote.

        Raises:
            ProtocolError: it is damaged, or the two parts do not belong together.
        """
        if len(data) != TOKEN_SIZE + SEED_SIZE:
            raise MalformedError("held token: another length")
        held = cls(token=data[:TOKEN_SIZE], seed=data[TOKEN_SIZE:])
        if Token.parse(held.token).nonce != _nonce(held._key):
            raise MalformedError("held token: of another holder")
        return held

    def pay(self, request_digest: bytes) -> CarriedToken:
        """Prove that this token pays for one request."""
        proof = sealing.redemption_proof(self._key, request_digest)
        return CarriedToken(token=self.token, proof=proof)

    def ask_back(self, request_digest: bytes) -> CarriedToken:
        """Prove that its holder wants it back from one request."""
        proof = sealing.reclaim_proof(self._key, request_digest)
        return CarriedToken(token=self.token, proof=proof)

    @property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


@dataclass(frozen=True, kw_only=True)
class AskedToken:
    """A token that is asked for and not yet there."""

    seed: bytes = field(repr=False)
    pending: PendingToken = field(repr=False)

    @classmethod
    def begin(cls, key: IssuerKey, challenge_digest: bytes) -> "AskedToken":
        """Make a holder's key and blind what commits to it."""
        holder = Ed25519PrivateKey.generate()
        pending = PendingToken.begin(
            key=key, challenge_digest=challenge_digest, nonce=_nonce(holder)
        )
        return cls(seed=holder.private_bytes_raw(), pending=pending)

    def encode(self) -> bytes:
        """Write it for the wallet. Secret."""
        return self.seed + self.pending.encode()

    @classmethod
    def parse(cls, data: bytes) -> "AskedToken":
        """Read what `encode` wrote.

        Raises:
            ProtocolError: it is damaged, or the two parts do not belong together.
        """
        seed = data[:SEED_SIZE]
        if len(seed) != SEED_SIZE:
            raise MalformedError("asked token: another length")
        pending = PendingToken.parse(data[SEED_SIZE:])
        if pending.nonce != _nonce(Ed25519PrivateKey.from_private_bytes(seed)):
            raise MalformedError("asked token: of another holder")
        return cls(seed=seed, pending=pending)

    def finish(self, signature: bytes) -> HeldToken:
        """Take the issuer's answer.

        Raises:
            ProtocolError: it is not its signature; this value stays as good as it was.
        """
        return HeldToken(token=self.pending.finalize(signature), seed=self.seed)


def _nonce(holder: Ed25519PrivateKey) -> bytes:
    return sealing.holder_nonce(holder.public_key().public_bytes_raw())

"""The keys of one epoch, from making to erasure.

Private keys live here and nowhere else. `erase` drops them whatever streams are open: a stream
needs only its own reply key. What Python can promise about memory is said at `NodePrivateKey`.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from node_image.agent.receipts import Exchange, Service, sign
from openpcc.protocol.hpke import KEM_X25519, KEM_XWING
from openpcc.protocol.sealing import NodePrivateKey

OFFERED = (KEM_XWING, KEM_X25519)
"""The node's order of preference. X25519 serves clients whose policy names it; others ignore it."""

ERASURE_MARGIN = 300
"""Seconds between `not_after` and erasure: a request sealed at the last moment may still come."""


@dataclass(kw_only=True)
class EpochKeys:
    """The private keys; empty once erased."""

    sealing: tuple[NodePrivateKey, ...] = field(repr=False)
    receipt: Ed25519PrivateKey | None = field(repr=False)
    cache: bytes | None = field(repr=False)

    @classmethod
    def generate(cls) -> "EpochKeys":
        """Make fresh keys; the key ids of the configs count from 1."""
        sealing = tuple(
            NodePrivateKey.generate(kem_id=kem_id, key_id=number)
            for number, kem_id in enumerate(OFFERED, start=1)
        )
        return cls(
            sealing=sealing, receipt=Ed25519PrivateKey.generate(), cache=secrets.token_bytes(32)
        )

    def receipt_public(self) -> bytes:
        """Give the public receipt key."""
        assert self.receipt is not None  # noqa: S101 - asked for before erasure only
        return self.receipt.public_key().public_bytes_raw()

    def erase(self) -> None:
        """Drop them all."""
        for key in self.sealing:
            key.erase()
        self.sealing, self.receipt, self.cache = (), None, None


class Epoch:
    """One epoch: its keys, when they end, and what its receipts say.

    Attributes:
        number: counts the epochs of this boot.
        renew_at: on the monotonic clock, when the next epoch is due.
        erase_at: on the monotonic clock, when the keys go.
    """

    def __init__(
        self,
        *,
        number: int,
        keys: EpochKeys,
        service: Service,
        renew_at: float,
        erase_at: float,
    ) -> None:
        self.number = number
        self.renew_at = renew_at
        self.erase_at = erase_at
        self._service = service
        self._keys = keys

    @property
    def not_before(self) -> int:
        """Unix seconds."""
        return self._service.not_before

    @property
    def not_after(self) -> int:
        """Unix seconds."""
        return self._service.not_after

    def find(self, ids: Sequence[bytes]) -> NodePrivateKey | None:
        """Give the live key that is named first."""
        named = {key.id: key for key in self._keys.sealing}
        return next((named[one] for one in ids if one in named), None)

    @property
    def cache_key(self) -> bytes:
        """The secret that salts the engine's prefix cache.

        After erasure a fresh one per call, so that a request which opened just before shares with
        nobody.
        """
        return self._keys.cache or secrets.token_bytes(32)

    def sign(self, exchange: Exchange, *, issued: int) -> str | None:
        """Write a receipt; None once the receipt key is erased: the stream outlived its epoch."""
        if self._keys.receipt is None:
            return None
        return sign(self._keys.receipt, self._service, exchange, issued=issued)

    def erase(self) -> None:
        """Drop the private keys."""
        self._keys.erase()

"""The Diffie-Hellman groups under DHKEM and the hybrids: NIST curves, X25519, X448.

Keys are raw: scalars of fixed size, points uncompressed or as 32 and 56 bytes. The library checks
that a point is on its curve and refuses an all-zero secret; a refusal here is `MalformedError`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from openpcc.protocol.errors import MalformedError


class Group(ABC):
    """A group in which two parties agree on a secret. Sizes are in bytes."""

    scalar_size: int
    element_size: int

    @abstractmethod
    def generate(self) -> Any:
        """Make a fresh private key."""

    @abstractmethod
    def load_private(self, raw: bytes) -> Any:
        """Parse a scalar."""

    @abstractmethod
    def load_public(self, raw: bytes) -> Any:
        """Parse an element."""

    @abstractmethod
    def private_bytes(self, private: Any) -> bytes:
        """Write a scalar."""

    @abstractmethod
    def public_bytes(self, private: Any) -> bytes:
        """Write the element that belongs to a private key."""

    @abstractmethod
    def exchange(self, private: Any, public: Any) -> bytes:
        """Agree on a secret; for NIST curves the X coordinate."""


@dataclass(frozen=True)
class NISTCurve(Group):
    """P-256, P-384 or P-521; points are 04 ‖ X ‖ Y and nothing else."""

    curve: ec.EllipticCurve
    scalar_size: int
    element_size: int

    def generate(self) -> Any:
        """Make a fresh private key."""
        return ec.generate_private_key(self.curve)

    def load_private(self, raw: bytes) -> Any:
        """Parse a scalar of 1 to order - 1."""
        scalar = int.from_bytes(raw, "big")
        if len(raw) != self.scalar_size or not 0 < scalar < self.curve.group_order:
            raise MalformedError(f"not a private key of {self.curve.name}")
        return ec.derive_private_key(scalar, self.curve)

    def load_public(self, raw: bytes) -> Any:
        """Parse an uncompressed point."""
        if len(raw) != self.element_size or raw[0] != 4:
            raise MalformedError(f"not an uncompressed point of {self.curve.name}")
        try:
            return ec.EllipticCurvePublicKey.from_encoded_point(self.curve, raw)
        except ValueError as error:
            raise MalformedError(f"not a point of {self.curve.name}") from error

    def private_bytes(self, private: Any) -> bytes:
        """Write a scalar."""
        return int(private.private_numbers().private_value).to_bytes(self.scalar_size, "big")

    def public_bytes(self, private: Any) -> bytes:
        """Write the point that belongs to a private key."""
        point = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return bytes(point)

    def exchange(self, private: Any, public: Any) -> bytes:
        """Agree on the X coordinate."""
        return bytes(private.exchange(ec.ECDH(), public))


@dataclass(frozen=True)
class Montgomery(Group):
    """X25519 or X448 (RFC 7748)."""

    private_key: type[x25519.X25519PrivateKey] | type[x448.X448PrivateKey]
    public_key: type[x25519.X25519PublicKey] | type[x448.X448PublicKey]
    scalar_size: int
    element_size: int

    def generate(self) -> Any:
        """Make a fresh private key."""
        return self.private_key.generate()

    def load_private(self, raw: bytes) -> Any:
        """Parse a scalar; any bytes of the right number are one."""
        if len(raw) != self.scalar_size:
            raise MalformedError(f"expected a private key of {self.scalar_size} bytes")
        return self.private_key.from_private_bytes(raw)

    def load_public(self, raw: bytes) -> Any:
        """Parse an element; any bytes of the right number are one."""
        if len(raw) != self.element_size:
            raise MalformedError(f"expected a public key of {self.element_size} bytes")
        return self.public_key.from_public_bytes(raw)

    def private_bytes(self, private: Any) -> bytes:
        """Write a scalar."""
        return bytes(private.private_bytes_raw())

    def public_bytes(self, private: Any) -> bytes:
        """Write the element that belongs to a private key."""
        return bytes(private.public_key().public_bytes_raw())

    def exchange(self, private: Any, public: Any) -> bytes:
        """Agree on a secret, which must not be all zero."""
        try:
            return bytes(private.exchange(public))
        except ValueError as error:
            raise MalformedError("the public key is of low order") from error


P256 = NISTCurve(ec.SECP256R1(), 32, 65)
P384 = NISTCurve(ec.SECP384R1(), 48, 97)
P521 = NISTCurve(ec.SECP521R1(), 66, 133)
X25519 = Montgomery(x25519.X25519PrivateKey, x25519.X25519PublicKey, 32, 32)
X448 = Montgomery(x448.X448PrivateKey, x448.X448PublicKey, 56, 56)

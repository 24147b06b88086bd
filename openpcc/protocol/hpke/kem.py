"""What a key encapsulation mechanism gives to HPKE: keys, encapsulation, decapsulation.

`PublicKey` and `PrivateKey` are parsed once and used many times; their serialised forms are those
of RFC 9180, section 7.1, and of draft-ietf-hpke-pq (a private key is then its seed).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

P256 = 0x0010
P384 = 0x0011
P521 = 0x0012
X25519 = 0x0020
X448 = 0x0021
MLKEM768 = 0x0041
MLKEM1024 = 0x0042
MLKEM768_P256 = 0x0050
MLKEM1024_P384 = 0x0051
XWING = 0x647A


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """A serialised key pair."""

    private: bytes = field(repr=False)
    public: bytes


@dataclass(frozen=True, kw_only=True)
class Encapsulation:
    """A fresh shared secret and the bytes that carry it to the holder of the private key."""

    enc: bytes
    shared_secret: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class PublicKey:
    """A checked public key: its KEM, its bytes, and the library's object."""

    kem: "KEM" = field(repr=False)
    raw: bytes
    loaded: Any = field(repr=False, compare=False)

    @staticmethod
    def load(kem_id: int, raw: bytes) -> "PublicKey":
        """Parse a key of the KEM with this id.

        Raises:
            UnsupportedError: there is no such KEM here.
            MalformedError: wrong length, or not a key.
        """
        from openpcc.protocol.hpke import registry  # it builds on this module

        return registry.by_id(kem_id).load_public(raw)

    def encapsulate(self) -> Encapsulation:
        """Make a fresh shared secret for the holder of the private key."""
        return self.kem.encapsulate(self)


@dataclass(frozen=True, kw_only=True)
class PrivateKey:
    """A checked private key with its public half; it does not hold its serialised form."""

    kem: "KEM" = field(repr=False)
    public: PublicKey
    loaded: Any = field(repr=False, compare=False)

    @staticmethod
    def load(kem_id: int, raw: bytes) -> "PrivateKey":
        """Parse a key of the KEM with this id.

        Raises:
            UnsupportedError: there is no such KEM here.
            MalformedError: wrong length, or not a key.
        """
        from openpcc.protocol.hpke import registry  # it builds on this module

        return registry.by_id(kem_id).load_private(raw)

    def decapsulate(self, enc: bytes) -> bytes:
        """Recover the shared secret.

        Raises:
            MalformedError: `enc` is not an encapsulation of this KEM.
        """
        return self.kem.decapsulate(enc, self)


@dataclass(frozen=True, kw_only=True)
class KEM(ABC):
    """One mechanism of the HPKE registry: Nsecret, Nenc, Npk, Nsk in bytes."""

    id: int
    secret_size: int
    enc_size: int
    public_size: int
    private_size: int

    @property
    def suite_id(self) -> bytes:
        """Give the id that enters the KEM's own labels."""
        return b"KEM" + self.id.to_bytes(2, "big")

    @abstractmethod
    def generate(self) -> KeyPair:
        """Make a fresh key pair."""

    @abstractmethod
    def derive_key_pair(self, ikm: bytes) -> KeyPair:
        """Derive a key pair from input keying material (RFC 9180, section 7.1.3)."""

    @abstractmethod
    def load_public(self, raw: bytes) -> PublicKey:
        """Parse a public key.

        Raises:
            MalformedError: wrong length, or not a key.
        """

    @abstractmethod
    def load_private(self, raw: bytes) -> PrivateKey:
        """Parse a private key.

        Raises:
            MalformedError: wrong length, or not a key.
        """

    @abstractmethod
    def encapsulate(self, public: PublicKey) -> Encapsulation:
        """Make a fresh shared secret."""

    @abstractmethod
    def decapsulate(self, enc: bytes, private: PrivateKey) -> bytes:
        """Recover a shared secret."""

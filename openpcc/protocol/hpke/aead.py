"""Ciphers of HPKE (RFC 9180, section 7.3) and the counter both directions of every stream use.

A `Sealer` or `Opener` owns one key: message i goes under `base_nonce XOR i`. The cipher object is
made once and used for all messages. A failed open leaves the counter where it was.
"""

from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from openpcc.protocol.errors import HPKEError, UnsealableError, UnsupportedError

AES_128_GCM = 0x0001
AES_256_GCM = 0x0002
CHACHA20_POLY1305 = 0x0003
EXPORT_ONLY = 0xFFFF

NONCE_SIZE = 12
TAG_SIZE = 16
MAX_SEQUENCE = 2 ** (8 * NONCE_SIZE) - 1
"""RFC 9180, section 5.2: at this number a context is used up."""

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, kw_only=True)
class AEAD:
    """One cipher: its class in the library and the size of its key."""

    id: int
    cipher: type[AESGCM] | type[ChaCha20Poly1305] | None
    key_size: int

    @property
    def nonce_size(self) -> int:
        """Give Nn; an export-only suite has no nonce."""
        return NONCE_SIZE if self.cipher else 0


_AEADS = {
    AES_128_GCM: AEAD(id=AES_128_GCM, cipher=AESGCM, key_size=16),
    AES_256_GCM: AEAD(id=AES_256_GCM, cipher=AESGCM, key_size=32),
    CHACHA20_POLY1305: AEAD(id=CHACHA20_POLY1305, cipher=ChaCha20Poly1305, key_size=32),
    EXPORT_ONLY: AEAD(id=EXPORT_ONLY, cipher=None, key_size=0),
}


def by_id(aead_id: int) -> AEAD:
    """Give the cipher of a registered id.

    Raises:
        UnsupportedError: there is none here.
    """
    try:
        return _AEADS[aead_id]
    except KeyError as error:
        raise UnsupportedError(f"AEAD 0x{aead_id:04x} is not supported") from error


class _Counter:
    """A key, its base nonce and the number of messages done."""

    def __init__(self, aead: AEAD, key: bytes, base_nonce: bytes) -> None:
        self._cipher = aead.cipher(key) if aead.cipher else None
        self._base = int.from_bytes(base_nonce, "big")
        self._sequence = 0

    @property
    def sequence(self) -> int:
        """Give the number of the next message."""
        return self._sequence

    def wipe(self) -> None:
        """Drop the only reference to the key; the counter then refuses every message."""
        self._cipher = None

    def _next(self) -> tuple[AESGCM | ChaCha20Poly1305, bytes]:
        if self._cipher is None:
            raise HPKEError("this context has no key: it only exports, or was wiped")
        if self._sequence >= MAX_SEQUENCE:
            raise HPKEError("this key has sealed its last message")
        return self._cipher, (self._base ^ self._sequence).to_bytes(NONCE_SIZE, "big")


class Sealer(_Counter):
    """Seals message after message."""

    def seal(self, aad: bytes, plaintext: Buffer) -> bytes:
        """Seal the next message.

        Raises:
            HPKEError: there is no key, or it is used up.
        """
        cipher, nonce = self._next()
        sealed = cipher.encrypt(nonce, plaintext, aad)
        self._sequence += 1
        return sealed


class Opener(_Counter):
    """Opens message after message, in the order they were sealed."""

    def open(self, aad: bytes, sealed: Buffer) -> bytes:
        """Open the next message.

        Raises:
            UnsealableError: the tag failed; the counter has not moved.
            HPKEError: there is no key, or it is used up.
        """
        cipher, nonce = self._next()
        try:
            plaintext = cipher.decrypt(nonce, sealed, aad)
        except InvalidTag as error:
            raise UnsealableError from error
        self._sequence += 1
        return plaintext

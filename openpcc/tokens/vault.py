"""How rows of the wallet are encrypted, and known to be whole.

    salt(32) ‖ AES-256-GCM(key, nonce = 00…00, row)        keystore
    key  = HKDF-SHA256(wallet key, salt, "openpcc wallet row v1" 00 ‖ wallet id ‖ kind)
    name = HKDF-SHA256(wallet key, digest, "openpcc wallet name v1" 00 ‖ wallet id)

The salt is fresh for every row, so every key is used once and the nonce can be fixed: no number of
rows makes two of them meet. Where there is no keystore there is no place for a key that the rows
are not in as well; they then stand in the clear behind a digest that finds damage, and the file's
mode is their protection.

A request is looked up by its name: its digest, which the gateway knows, would say whose it was.
"""

import hashlib
import secrets
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from openpcc.errors import WalletError

LABEL = b"openpcc wallet row v1\x00"
NAME_LABEL = b"openpcc wallet name v1\x00"
SALT_SIZE = 32
KEY_SIZE = 32
ONE_USE_NONCE = bytes(12)


class Vault(Protocol):
    """Closes rows and opens them."""

    def close(self, kind: bytes, row: bytes) -> bytes:
        """Give what is stored."""
        ...

    def open(self, kind: bytes, stored: bytes) -> bytes:
        """Give the row again.

        Raises:
            WalletError: `damaged`: another kind of row, another wallet's, or not what was stored.
        """
        ...

    def name(self, digest: bytes) -> bytes:
        """Give what a request is looked up by; always the same."""
        ...


class KeyVault:
    """Rows encrypted under the wallet's key."""

    def __init__(self, key: bytes, wallet_id: bytes) -> None:
        self._key = key
        self._id = wallet_id

    def close(self, kind: bytes, row: bytes) -> bytes:
        """See `Vault`."""
        salt = secrets.token_bytes(SALT_SIZE)
        return salt + self._cipher(kind, salt).encrypt(ONE_USE_NONCE, row, None)

    def open(self, kind: bytes, stored: bytes) -> bytes:
        """See `Vault`."""
        salt, closed = stored[:SALT_SIZE], stored[SALT_SIZE:]
        try:
            return self._cipher(kind, salt).decrypt(ONE_USE_NONCE, closed, None)
        except InvalidTag as error:
            raise damaged() from error

    def name(self, digest: bytes) -> bytes:
        """See `Vault`."""
        return HKDF(SHA256(), KEY_SIZE, digest, NAME_LABEL + self._id).derive(self._key)

    def _cipher(self, kind: bytes, salt: bytes) -> AESGCM:
        info = LABEL + self._id + kind
        return AESGCM(HKDF(SHA256(), KEY_SIZE, salt, info).derive(self._key))


class OpenVault:
    """Rows in the clear, with a digest against damage; the file's mode protects them."""

    def __init__(self, wallet_id: bytes) -> None:
        self._id = wallet_id

    def close(self, kind: bytes, row: bytes) -> bytes:
        """See `Vault`."""
        return self._digest(kind, row) + row

    def open(self, kind: bytes, stored: bytes) -> bytes:
        """See `Vault`."""
        digest, row = stored[:32], stored[32:]
        if digest != self._digest(kind, row):
            raise damaged()
        return row

    def name(self, digest: bytes) -> bytes:
        """See `Vault`."""
        return hashlib.sha256(NAME_LABEL + self._id + digest).digest()

    def _digest(self, kind: bytes, row: bytes) -> bytes:
        return hashlib.sha256(LABEL + self._id + kind + row).digest()


def damaged() -> WalletError:
    """Say that a row is not what was written."""
    return WalletError(
        "damaged", "a row is damaged; 'openpcc wallet check' counts them and can drop them"
    )

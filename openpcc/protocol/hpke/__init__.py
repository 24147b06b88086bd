"""Hybrid public key encryption (RFC 9180, draft-ietf-hpke-pq) on the library's primitives.

The modules, from below:

    groups                 Diffie-Hellman groups
    kdf, aead              key derivation, ciphers
    kem                    what a key encapsulation mechanism gives
    dhkem, mlkem, hybrid   the mechanisms, listed in `registry`
    context                seal, open, export
    suite                  setup in four modes
"""

from openpcc.protocol.errors import HPKEError
from openpcc.protocol.hpke import aead, kdf, kem
from openpcc.protocol.hpke.context import RecipientContext, SenderContext
from openpcc.protocol.hpke.kem import Encapsulation, KeyPair, PrivateKey, PublicKey
from openpcc.protocol.hpke.registry import generate_key_pair
from openpcc.protocol.hpke.suite import Suite

KEM_X25519 = kem.X25519
KEM_XWING = kem.XWING
KDF_HKDF_SHA256 = kdf.HKDF_SHA256
KDF_HKDF_SHA384 = kdf.HKDF_SHA384
KDF_HKDF_SHA512 = kdf.HKDF_SHA512
AEAD_AES_128_GCM = aead.AES_128_GCM
AEAD_AES_256_GCM = aead.AES_256_GCM
AEAD_CHACHA20_POLY1305 = aead.CHACHA20_POLY1305
AEAD_EXPORT_ONLY = aead.EXPORT_ONLY

__all__ = [
    "AEAD_AES_128_GCM",
    "AEAD_AES_256_GCM",
    "AEAD_CHACHA20_POLY1305",
    "AEAD_EXPORT_ONLY",
    "KDF_HKDF_SHA256",
    "KDF_HKDF_SHA384",
    "KDF_HKDF_SHA512",
    "KEM_X25519",
    "KEM_XWING",
    "Encapsulation",
    "HPKEError",
    "KeyPair",
    "PrivateKey",
    "PublicKey",
    "RecipientContext",
    "SenderContext",
    "Suite",
    "generate_key_pair",
]

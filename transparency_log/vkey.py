"""Verifier keys: the name, type and public key of somebody who signs notes.

C2SP signed-note v1.0.0, "Verifier keys". One line of text:

    witness.example+b8a2cf20+BFLN3yikSfFkVAJtrnh/CiY3Zozkoy7clp+P7XB28qUN
    name           +key id  +base64(type byte ‖ public key)

The key id is recomputed from name, type and key and compared, never believed.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import IntEnum

from transparency_log.errors import MalformedKeyError
from transparency_log.strict_json import StrictJSONError, b64decode, b64encode

MAX_NAME = 255
"""Bytes of a key name: the ML-DSA cosignature writes its length into one byte."""

MAX_VKEY = 4096
"""Characters of a verifier key; an ML-DSA-44 one has about 2,050 with the longest name."""


class SignatureType(IntEnum):
    """Signature types we verify. RFC 6962 tree heads (0x05) are recognised by nobody here."""

    ED25519 = 0x01
    ECDSA = 0x02
    COSIGNATURE = 0x04
    ML_DSA_44 = 0x06


PUBLIC_KEY_SIZES = {
    SignatureType.ED25519: 32,
    SignatureType.COSIGNATURE: 32,
    SignatureType.ML_DSA_44: 1312,
}
"""Bytes of a public key by type; an ECDSA key is SubjectPublicKeyInfo, which says its own size."""


@dataclass(frozen=True, kw_only=True)
class VerifierKey:
    """A parsed verifier key. Holding one says nothing about trust: the policy does that."""

    name: str
    type: SignatureType
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The 4-byte hint that signature lines carry."""
        if self.type is SignatureType.ECDSA:
            return hashlib.sha256(self.public_key).digest()[:4]
        return key_id(self.name, self.type, self.public_key)

    def __str__(self) -> str:
        """Write the key as its one line of text."""
        key = b64encode(bytes([self.type]) + self.public_key)
        return f"{self.name}+{self.key_id.hex()}+{key}"


def key_id(name: str, signature_type: SignatureType, public_key: bytes) -> bytes:
    """Compute a key id: SHA-256(name ‖ 0x0A ‖ type ‖ public key), first four bytes."""
    material = name.encode() + b"\n" + bytes([signature_type]) + public_key
    return hashlib.sha256(material).digest()[:4]


def check_name(name: str) -> None:
    """Accept a key name: not empty, no Unicode space, no plus, no control character.

    Raises:
        MalformedKeyError: see above.
    """
    if not name or "+" in name or any(c.isspace() or c < " " for c in name):
        raise MalformedKeyError("key name is empty or has a space, a plus or a control character")
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise MalformedKeyError("key name is not Unicode text") from error
    if size > MAX_NAME:
        raise MalformedKeyError(f"key name is longer than {MAX_NAME} bytes")


def parse_vkey(text: str) -> VerifierKey:
    """Read a verifier key.

    Raises:
        MalformedKeyError: another spelling, an unsupported type, a key of the wrong size, or a
            key id that is not the one of this name and key.
    """
    if len(text) > MAX_VKEY:
        raise MalformedKeyError("verifier key is too long")
    parts = text.split("+", 2)  # the base64 may hold further plus signs
    if len(parts) != 3 or not re.fullmatch(r"[0-9a-f]{8}", parts[1]):
        raise MalformedKeyError("verifier key is not name+key id+key")
    check_name(parts[0])
    key = _key(parts[0], parts[2])
    if key.key_id.hex() != parts[1]:
        raise MalformedKeyError(
            f"key id: expected {key.key_id.hex()} for this name and key, found {parts[1]}"
        )
    return key


def _key(name: str, encoded: str) -> VerifierKey:
    try:
        material = b64decode(encoded)
        signature_type = SignatureType(material[0])
    except (StrictJSONError, IndexError, ValueError) as error:
        raise MalformedKeyError("verifier key has no key of a supported type") from error
    size = PUBLIC_KEY_SIZES.get(signature_type)
    if size is not None and len(material) != 1 + size:
        raise MalformedKeyError(f"public key has {len(material) - 1} bytes, expected {size}")
    return VerifierKey(name=name, type=signature_type, public_key=material[1:])

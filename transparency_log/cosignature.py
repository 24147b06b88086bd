"""Cosignatures: a witness saw this checkpoint, consistent with all before it, at a time.

C2SP tlog-cosignature v1.1.0-rc.1. After the key id a cosignature is timestamp(8) ‖ signature.

- Ed25519 (type 0x04) signs the lines `cosignature/v1` and `time <seconds>`, then the whole text.
- ML-DSA-44 (type 0x06) signs a struct over origin, range and hash; a checkpoint is the range from
  0 to its size. Extension lines are not covered by it: a witness says nothing about them, and a log
  that signs with ML-DSA-44 alone must not write any.
"""

import struct
from dataclasses import dataclass, field
from typing import Protocol, assert_never

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from transparency_log.checkpoint import MAX_SIZE, Checkpoint, parse_checkpoint
from transparency_log.errors import MalformedKeyError, MalformedNoteError, NotSignedError
from transparency_log.note import EcdsaVerifier, Ed25519Verifier, SignatureLine, Verifier
from transparency_log.vkey import SignatureType, VerifierKey, parse_vkey

ED25519_SIZE = 64
"""Bytes of an Ed25519 signature."""

ML_DSA_44_SIZE = 2420
"""Bytes of an ML-DSA-44 signature (FIPS 204)."""

SUBTREE_LABEL = b"subtree/v1\n\x00"
"""Domain separation of what ML-DSA-44 cosigners sign."""


@dataclass(frozen=True, kw_only=True)
class Cosignature:
    """The two parts of a cosignature line after its key id."""

    timestamp: int
    signature: bytes


def parse_cosignature(data: bytes, *, timeless: bool = False) -> Cosignature:
    """Split a signature line's bytes into timestamp and signature.

    Args:
        data: of the line, after the key id.
        timeless: whether a time of zero will do, which says that none is stated.

    Raises:
        MalformedNoteError: a length of neither kind, or a time of zero or beyond 2^63.
    """
    if len(data) - 8 not in (ED25519_SIZE, ML_DSA_44_SIZE):
        raise MalformedNoteError(f"cosignature has {len(data)} bytes")
    timestamp = int.from_bytes(data[:8], "big")
    if not (0 if timeless else 1) <= timestamp <= MAX_SIZE:
        raise MalformedNoteError("cosignature timestamp is out of range")
    return Cosignature(timestamp=timestamp, signature=data[8:])


def signed_message(text: bytes, timestamp: int) -> bytes:
    """Give the bytes that an Ed25519 witness signs."""
    return b"cosignature/v1\ntime %d\n" % timestamp + text


def subtree_message(*, cosigner: str, timestamp: int, checkpoint: Checkpoint) -> bytes:
    """Give the bytes that an ML-DSA-44 cosigner signs for a whole tree.

    Raises:
        NotSignedError: the origin is too long for the struct.
    """
    name, origin = cosigner.encode(), checkpoint.origin.encode()
    if len(origin) > 255:
        raise NotSignedError("origin is longer than an ML-DSA-44 cosignature can cover")
    head = SUBTREE_LABEL + bytes([len(name)]) + name + struct.pack(">Q", timestamp)
    tree = bytes([len(origin)]) + origin + struct.pack(">QQ", 0, checkpoint.size)
    return head + tree + checkpoint.root


@dataclass(frozen=True, kw_only=True)
class CosignatureVerifier:
    """Checks Ed25519 cosignatures (type 0x04)."""

    key: VerifierKey

    def verify(self, text: bytes, signature: bytes) -> None:
        """See `note.Verifier`."""
        try:
            parts = parse_cosignature(signature)
            public_key = Ed25519PublicKey.from_public_bytes(self.key.public_key)
            public_key.verify(parts.signature, signed_message(text, parts.timestamp))
        except (MalformedNoteError, InvalidSignature, ValueError) as error:
            raise NotSignedError(f"invalid signature by {self.key.name}") from error


@dataclass(frozen=True, kw_only=True)
class MLDSACosignatureVerifier:
    """Checks ML-DSA-44 cosignatures of checkpoints (type 0x06, empty context).

    Attributes:
        key: the cosigner's.
        of_log: whether it is a log's own key. A log need state no time, and must leave nothing in
            its checkpoint that it has not signed.
    """

    key: VerifierKey
    of_log: bool = False

    def verify(self, text: bytes, signature: bytes) -> None:
        """See `note.Verifier`."""
        checkpoint = parse_checkpoint(text)
        if self.of_log and checkpoint.extensions:
            raise NotSignedError("extension lines are not covered by the log's ML-DSA-44 signature")
        try:
            parts = parse_cosignature(signature, timeless=self.of_log)
            message = subtree_message(
                cosigner=self.key.name, timestamp=parts.timestamp, checkpoint=checkpoint
            )
            public_key = MLDSA44PublicKey.from_public_bytes(self.key.public_key)
            public_key.verify(parts.signature, message)
        except (MalformedNoteError, InvalidSignature, ValueError) as error:
            raise NotSignedError(f"invalid signature by {self.key.name}") from error


def parse_verifier(vkey: str) -> Verifier:
    """Read a verifier key of any supported type and give what checks its signatures.

    Raises:
        MalformedKeyError: see `vkey.parse_vkey`.
    """
    key = parse_vkey(vkey)
    match key.type:
        case SignatureType.ED25519:
            return Ed25519Verifier(key=key)
        case SignatureType.ECDSA:
            return EcdsaVerifier(key=key)
        case SignatureType.COSIGNATURE:
            return CosignatureVerifier(key=key)
        case SignatureType.ML_DSA_44:
            return MLDSACosignatureVerifier(key=key)
        case _:
            assert_never(key.type)


def parse_log_verifier(vkey: str) -> Verifier:
    """Read the verifier key of a log and give what checks its own signatures.

    Raises:
        MalformedKeyError: see `vkey.parse_vkey`; or a witness's key.
    """
    verifier = parse_verifier(vkey)
    match verifier.key.type:
        case SignatureType.ED25519 | SignatureType.ECDSA:
            return verifier
        case SignatureType.ML_DSA_44:
            return MLDSACosignatureVerifier(key=verifier.key, of_log=True)
        case SignatureType.COSIGNATURE:
            raise MalformedKeyError("this type of key cosigns; a log does not sign with it")
        case _:
            assert_never(verifier.key.type)


class Cosigner(Protocol):
    """A witness's key."""

    @property
    def key(self) -> VerifierKey:
        """The verifier key to publish."""
        ...

    def cosign(self, text: bytes, timestamp: int) -> SignatureLine:
        """Cosign the text of a checkpoint at a time (Unix seconds, not 0).

        Raises:
            NotSignedError: this kind of key cannot cosign such a text.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class CosignatureSigner:
    """Cosigns checkpoints with Ed25519, as a witness does."""

    name: str
    private_key: Ed25519PrivateKey = field(repr=False)

    @property
    def key(self) -> VerifierKey:
        """The verifier key to publish."""
        return VerifierKey(
            name=self.name,
            type=SignatureType.COSIGNATURE,
            public_key=self.private_key.public_key().public_bytes_raw(),
        )

    def cosign(self, text: bytes, timestamp: int) -> SignatureLine:
        """Cosign the text of a checkpoint at a time (Unix seconds, not 0)."""
        signature = self.private_key.sign(signed_message(text, timestamp))
        return _line(self.key, timestamp, signature)


@dataclass(frozen=True, kw_only=True)
class MLDSACosignatureSigner:
    """Cosigns checkpoints with ML-DSA-44."""

    name: str
    private_key: MLDSA44PrivateKey = field(repr=False)

    @property
    def key(self) -> VerifierKey:
        """The verifier key to publish."""
        return VerifierKey(
            name=self.name,
            type=SignatureType.ML_DSA_44,
            public_key=self.private_key.public_key().public_bytes_raw(),
        )

    def cosign(self, text: bytes, timestamp: int) -> SignatureLine:
        """Cosign the text of a checkpoint at a time (Unix seconds, not 0)."""
        message = subtree_message(
            cosigner=self.name, timestamp=timestamp, checkpoint=parse_checkpoint(text)
        )
        return _line(self.key, timestamp, self.private_key.sign(message))


def _line(key: VerifierKey, timestamp: int, signature: bytes) -> SignatureLine:
    payload = struct.pack(">Q", timestamp) + signature
    return SignatureLine(name=key.name, key_id=key.key_id, signature=payload)

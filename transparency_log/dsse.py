"""DSSE: a signed envelope around a payload and its type (DSSE protocol v1).

    {"payload": base64, "payloadType": text, "signatures": [{"keyid": hint, "sig": base64}, …]}

Signed is PAE(type, payload), never the JSON. `verify` returns the payload only after a threshold of
distinct trusted keys has been met; `keyid` is a hint that decides nothing, so every signature is
tried with every key, within small limits. `parse_envelope` reads what the standard allows;
`parse_strict_envelope` reads the one spelling that our log accepts.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from transparency_log.errors import MalformedEntryError, NotSignedError, PolicyError
from transparency_log.strict_json import (
    Members,
    StrictJSONError,
    b64decode,
    b64encode,
    dumps,
    parse_object,
)

MAX_ENVELOPE = 16 * 2**20
"""Bytes of an envelope; the log's own limit is the 65535 bytes of an entry."""

MAX_SIGNATURES = 16
"""Signatures of an envelope: with as many keys at most 256 verifications."""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """One signature; `keyid` "" means that the hint is absent."""

    signature: bytes
    keyid: str = ""


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """A parsed envelope. Its payload is not to be acted on before `verify`."""

    unverified_payload: bytes = field(repr=False)
    payload_type: str
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        """Write the envelope as JSON without spaces."""
        signatures = [{"keyid": s.keyid, "sig": b64encode(s.signature)} for s in self.signatures]
        return dumps(
            {
                "payload": b64encode(self.unverified_payload),
                "payloadType": self.payload_type,
                "signatures": signatures,
            }
        )


class EnvelopeKey(Protocol):
    """A public key that checks envelope signatures. Equal keys count once."""

    def accepts(self, message: bytes, signature: bytes) -> bool:
        """Say whether the signature is this key's over the message."""
        ...


@dataclass(frozen=True)
class Ed25519Key:
    """An Ed25519 public key, 32 bytes."""

    public_key: bytes

    def accepts(self, message: bytes, signature: bytes) -> bool:
        """See `EnvelopeKey`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class P256Key:
    """An ECDSA P-256 public key as an uncompressed point; signatures are r ‖ s over SHA-256."""

    point: bytes

    def accepts(self, message: bytes, signature: bytes) -> bool:
        """See `EnvelopeKey`."""
        if len(signature) != 64:
            return False
        r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:]))
        try:
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.point)
            key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, kw_only=True)
class EnvelopeSigner:
    """Signs envelopes with Ed25519."""

    private_key: Ed25519PrivateKey = field(repr=False)

    @property
    def public_key(self) -> bytes:
        """The 32 bytes that policies list."""
        return self.private_key.public_key().public_bytes_raw()


def key_hint(public_key: bytes) -> str:
    """Give the `keyid` of an Ed25519 key: hex of the first 8 bytes of its SHA-256."""
    return hashlib.sha256(public_key).digest()[:8].hex()


def pae(payload_type: str, payload: bytes) -> bytes:
    """Join type and payload into the bytes that are signed: DSSEv1 LEN type LEN payload."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload: bytes, payload_type: str, signers: Iterable[EnvelopeSigner]) -> Envelope:
    """Put a payload into an envelope signed by each signer."""
    message = pae(payload_type, payload)
    signatures = tuple(
        Signature(keyid=key_hint(one.public_key), signature=one.private_key.sign(message))
        for one in signers
    )
    return Envelope(unverified_payload=payload, payload_type=payload_type, signatures=signatures)


def verify(envelope: Envelope, keys: Sequence[EnvelopeKey], *, threshold: int) -> bytes:
    """Give the payload, once `threshold` distinct keys have signed it.

    Raises:
        PolicyError: a threshold below one, or above the number of distinct keys.
        NotSignedError: fewer of the keys have signed.
    """
    distinct = set(keys)
    if not 1 <= threshold <= len(distinct):
        raise PolicyError(f"threshold {threshold} of {len(distinct)} distinct keys: not usable")
    message = pae(envelope.payload_type, envelope.unverified_payload)
    found = sum(_signed_by(key, message, envelope.signatures) for key in distinct)
    if found < threshold:
        raise NotSignedError(f"signatures: expected {threshold} trusted keys, found {found}")
    return envelope.unverified_payload


def _signed_by(key: EnvelopeKey, message: bytes, signatures: Sequence[Signature]) -> bool:
    return any(key.accepts(message, one.signature) for one in signatures)


def parse_envelope(data: bytes) -> Envelope:
    """Read an envelope as the standard has it: either base64 alphabet, unknown members ignored.

    Raises:
        MalformedEntryError: not an envelope.
    """
    try:
        members = parse_object(data, limit=MAX_ENVELOPE, name="envelope")
        signatures = tuple(
            Signature(
                signature=_either_base64(one.text("sig", limit=16384)),
                keyid=one.text("keyid") if "keyid" in one else "",
            )
            for one in members.children("signatures", limit=MAX_SIGNATURES)
        )
        return Envelope(
            unverified_payload=_either_base64(members.text("payload", limit=MAX_ENVELOPE)),
            payload_type=members.text("payloadType"),
            signatures=signatures,
        )
    except StrictJSONError as error:
        raise MalformedEntryError(str(error)) from error


def parse_strict_envelope(data: bytes, *, limit: int, least: int = 1) -> Envelope:
    """Read an envelope as our log has it: exactly its members, standard base64, `keyid` a hint.

    Args:
        data: the envelope.
        limit: most bytes accepted.
        least: signatures it must have; 0 for one that is still to be signed.

    Raises:
        MalformedEntryError: another spelling, too few signatures, or over a limit.
    """
    try:
        members = parse_object(data, limit=limit, name="envelope")
        envelope = Envelope(
            unverified_payload=members.data("payload", limit=limit),
            payload_type=members.text("payloadType", limit=128),
            signatures=tuple(
                _strict_signature(one)
                for one in members.children("signatures", limit=MAX_SIGNATURES)
            ),
        )
        members.end()
    except StrictJSONError as error:
        raise MalformedEntryError(str(error)) from error
    if len(envelope.signatures) < least:
        raise MalformedEntryError(f"envelope.signatures: expected at least {least}")
    return envelope


def _strict_signature(members: Members) -> Signature:
    keyid = members.hex("keyid", size=8).hex()
    signature = Signature(keyid=keyid, signature=members.data("sig", size=64))
    members.end()
    return signature


def _either_base64(text: str) -> bytes:
    if "-" in text or "_" in text:
        if "+" in text or "/" in text:
            raise StrictJSONError("envelope: two base64 alphabets in one value")
        text = text.replace("-", "+").replace("_", "/")
    return b64decode(text + "=" * (-len(text) % 4))

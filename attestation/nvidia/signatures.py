"""The one kind of signature of reports and RIMs: ECDSA P-384 with SHA-384, r ‖ s, big endian.

What verified once verifies again, so it is remembered: by every byte of key, signature and data,
and only if it held.
"""

from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation.errors import AppraisalError
from attestation.nvidia.evidence import SIGNATURE_SIZE, Report

KEPT_SIGNATURES = 256
"""Signatures remembered, with what they sign: a few KiB each."""


def check_signature(report: Report, key: CertificatePublicKeyTypes, *, signer: str) -> None:
    """Judge that a key signed the report.

    Raises:
        AppraisalError: it did not, or is no P-384 key.
    """
    check_raw_signature(key, report.signature, report.signed, signer=signer)


def check_raw_signature(
    key: CertificatePublicKeyTypes, signature: bytes, data: bytes, *, signer: str
) -> None:
    """Judge an ECDSA signature with P-384 and SHA-384, r ‖ s.

    Raises:
        AppraisalError: it does not verify, or the key is of another kind.
    """
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise AppraisalError("signature", expected=f"a P-384 key of {signer}", actual="another key")
    if len(signature) != SIGNATURE_SIZE:
        raise AppraisalError(
            "signature", expected=f"{SIGNATURE_SIZE} bytes", actual=str(len(signature))
        )
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    try:
        _verify(_Statement(key=key, point=point, signature=signature, data=data))
    except InvalidSignature as error:
        raise AppraisalError(
            "signature", expected=f"by {signer}", actual="it does not verify"
        ) from error


@dataclass(frozen=True, kw_only=True)
class _Statement:
    """That a key signed data; equal if every byte of the three is. `point` is the whole key."""

    key: ec.EllipticCurvePublicKey = field(compare=False)
    point: bytes
    signature: bytes
    data: bytes


@lru_cache(maxsize=KEPT_SIGNATURES)
def _verify(statement: _Statement) -> None:
    """Verify, or remember that it held. Raises: InvalidSignature, which is never remembered."""
    half = SIGNATURE_SIZE // 2
    halves = statement.signature[:half], statement.signature[half:]
    r, s = (int.from_bytes(part, "big") for part in halves)
    statement.key.verify(encode_dss_signature(r, s), statement.data, ec.ECDSA(hashes.SHA384()))

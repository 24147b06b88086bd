"""The one kind of signature of reports and RIMs: ECDSA P-384 with SHA-384, r ‖ s, big endian."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from attestation.errors import AppraisalError
from attestation.nvidia.evidence import SIGNATURE_SIZE, Report


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
    half = SIGNATURE_SIZE // 2
    r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    try:
        key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA384()))
    except InvalidSignature as error:
        raise AppraisalError(
            "signature", expected=f"by {signer}", actual="it does not verify"
        ) from error

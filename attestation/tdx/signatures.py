"""The signatures of a quote: by the attestation key, and by the PCK key for that key.

Intel TDX DCAP Quoting Library API, appendix A. The PCK key signs a report of the quoting enclave,
the report carries a digest of the attestation key, and the attestation key signs the quote. All are
ECDSA P-256 with SHA-256, r ‖ s of 32 bytes each, big endian.
"""

import hashlib
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from attestation.certificates import Certificate
from attestation.errors import AppraisalError
from attestation.tdx.evidence import SIGNATURE_SIZE, Quote

COORDINATE_SIZE = SIGNATURE_SIZE // 2
"""Bytes of r, s, x and y."""

KEPT_DOCUMENTS = 128
"""Signed documents remembered as signed: a few for each kind of machine in a fleet."""


def check_quote_signature(quote: Quote) -> None:
    """Judge that the attestation key signed header and body.

    Raises:
        AppraisalError: the key is none, or did not.
    """
    encoded = b"\x04" + quote.attestation_key
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), encoded)
    except ValueError as error:
        raise AppraisalError(
            "attestation key", expected="a P-256 key", actual="no point of the curve"
        ) from error
    _verify(key, quote.signature, quote.signed, signer="the attestation key")


def check_qe_report_signature(quote: Quote, pck: Certificate) -> None:
    """Judge that the PCK key signed the report of the quoting enclave.

    Raises:
        AppraisalError: it did not.
    """
    check_signed_by(pck, quote.qe_report_signature, quote.qe_report_bytes)


def check_qe_binds_key(quote: Quote) -> None:
    """Judge that the quoting enclave's report speaks of this attestation key.

    Raises:
        AppraisalError: of another, or of more.
    """
    digest = hashlib.sha256(quote.attestation_key + quote.qe_auth).digest()
    expected, actual = digest + bytes(32), quote.qe_report.report_data
    if actual != expected:
        raise AppraisalError(
            "QE report data",
            expected=f"SHA-256 of attestation key and QE auth {digest.hex()}, then zeros",
            actual=actual.hex(),
        )


def check_signed_by(signer: Certificate, signature: bytes, data: bytes) -> None:
    """Judge a signature by the key of a certificate.

    Raises:
        AppraisalError: the key is not of P-256, or did not sign this.
    """
    key = signer.public_key
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise AppraisalError("key", expected=f"a P-256 key of {signer.name}", actual="another key")
    _verify(key, signature, data, signer=signer.name)


@lru_cache(maxsize=KEPT_DOCUMENTS)
def check_document(signer: Certificate, signature: bytes, text: bytes) -> None:
    """Do as `check_signed_by` and remember it by every byte, only if it held.

    TCB data is the same in many bundles. Whether signer and data are still good is judged anew
    every time; that this key signed this text never changes.
    """
    check_signed_by(signer, signature, text)


def _verify(key: ec.EllipticCurvePublicKey, signature: bytes, data: bytes, *, signer: str) -> None:
    r = int.from_bytes(signature[:COORDINATE_SIZE], "big")
    s = int.from_bytes(signature[COORDINATE_SIZE:], "big")
    try:
        key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise AppraisalError(
            "signature", expected=f"signed by {signer}", actual="the signature does not verify"
        ) from error

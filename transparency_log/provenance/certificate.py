"""What a Fulcio certificate says: who signed, by whose word, and from which source.

Fulcio's certificate extensions, 1.3.6.1.4.1.57264.1. A signing certificate lives for minutes; its
subject alternative name is the identity, and the extensions are what the identity provider said.
Nothing here is verified: the library checks chain and log, and calls `Expected.verify`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from transparency_log.errors import ProvenanceError

_FULCIO = "1.3.6.1.4.1.57264.1"
ISSUER_RAW = x509.ObjectIdentifier(f"{_FULCIO}.1")
ISSUER = x509.ObjectIdentifier(f"{_FULCIO}.8")
SOURCE_URI = x509.ObjectIdentifier(f"{_FULCIO}.12")
SOURCE_DIGEST = x509.ObjectIdentifier(f"{_FULCIO}.13")


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Whom a certificate must name; both texts exactly."""

    identity: str
    issuer: str

    def verify(self, certificate: x509.Certificate) -> None:
        """Judge a certificate whose chain is verified; the library calls this.

        Raises:
            ProvenanceError: it names another identity, or several, or another issuer.
        """
        _equal("identity", self.identity, _identity(certificate))
        raw = _extension(certificate, ISSUER_RAW)
        coded = text(certificate, ISSUER)
        found = [] if raw is None else [raw.decode("utf-8", "replace")]
        found += [] if coded is None else [coded]
        for issuer in found or ["none"]:
            _equal("issuer", self.issuer, issuer)


@dataclass(frozen=True, kw_only=True)
class LoggedAt:
    """By which log, and when, a certificate was promised to be made public."""

    log_id: bytes
    time: datetime


def logged_at(certificate: x509.Certificate) -> LoggedAt:
    """Read the certificate's one SCT.

    Raises:
        ProvenanceError: none, or several.
    """
    try:
        found = list(
            certificate.extensions.get_extension_for_class(
                x509.PrecertificateSignedCertificateTimestamps
            ).value
        )
    except x509.ExtensionNotFound:
        found = []
    if len(found) != 1:
        raise ProvenanceError("certificate", expected="one SCT", actual=str(len(found)))
    return LoggedAt(log_id=found[0].log_id, time=found[0].timestamp.replace(tzinfo=UTC))


def check_signer(certificate: x509.Certificate) -> None:
    """Judge what a certificate must be for anything else to be read from it.

    Raises:
        ProvenanceError: its key is not ECDSA, or its serial number not positive.
    """
    key = certificate.public_key()
    if not isinstance(key, EllipticCurvePublicKey):
        raise ProvenanceError("certificate key", expected="ECDSA", actual=type(key).__name__)
    if certificate.serial_number <= 0:
        raise ProvenanceError("serial number", expected="a positive one", actual="another")


def text(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str | None:
    """Read an extension that is a UTF8String; None if it is not there."""
    value = _extension(certificate, oid)
    return None if value is None else asn1.decode_der(str, value)


def _identity(certificate: x509.Certificate) -> str:
    """Give the one subject alternative name: a URI or an address."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return "none"
    kinds = (x509.UniformResourceIdentifier, x509.RFC822Name)
    found = [one.value for one in names if isinstance(one, kinds)]
    if len(found) != 1 or len(list(names)) != 1:
        return f"{len(list(names))} names, {len(found)} of them a URI or address"
    return str(found[0])


def _extension(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> bytes | None:
    try:
        value = certificate.extensions.get_extension_for_oid(oid).value
    except x509.ExtensionNotFound:
        return None
    return value.value if isinstance(value, x509.UnrecognizedExtension) else None


def _equal(claim: str, expected: str, actual: str) -> None:
    if actual != expected:
        raise ProvenanceError(claim, expected=expected, actual=actual)

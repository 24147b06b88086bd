"""X.509 certificates and the path from a leaf to a pinned root. RFC 5280, section 6, for one path.

A chain comes complete and in order, leaf first, root last, so there is no path to search for:
`check_path` judges exactly the one given. The root counts because of the SHA-256 of its public
key, which the caller pins; that its own fields are authentic is what its self-signature shows.
Revocation is in `attestation.endorsements`.
"""

import datetime
import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.utils import CryptographyDeprecationWarning

from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.sections import MAX_CERTIFICATES

MAX_CHAIN = 8
"""Certificates of a chain; the longest known, NVIDIA's, has five."""

HASHES = frozenset({"sha256", "sha384", "sha512"})
"""Hashes a certificate or CRL may be signed with."""

X509_ERRORS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the parser of `cryptography` raises for bytes that are not what they should be."""

KEPT_CHAINS = 64
"""Parsed chains remembered: a bundle's chain is read for its signature and for its lists."""

KEPT_SIGNATURES = 512
"""Pairs of certificate and issuer remembered as signed."""

UNDERSTOOD = frozenset({x509.OID_BASIC_CONSTRAINTS, x509.OID_KEY_USAGE})
"""Extensions that may be critical, because `check_path` heeds them."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A parsed certificate; who it says it is, and nothing more.

    Attributes:
        subject: distinguished name.
        name: the subject's common name, for texts; empty if there is not exactly one.
        not_before: first second of its validity, Unix.
        not_after: last second of its validity.
        public_key: the subject's key.
        spki_sha256: SHA-256 of the SubjectPublicKeyInfo; names the key everywhere here.
        ca_path_length: CAs that may follow below it (None: any number); only where `is_ca`.
        key_usage: None if the certificate does not restrict it.
        extensions: OID to DER value, of the extensions this module does not interpret.
        critical: OIDs of the critical ones.
    """

    subject: x509.Name
    name: str
    serial: int
    not_before: int
    not_after: int
    public_key: CertificatePublicKeyTypes
    spki_sha256: bytes
    is_ca: bool
    ca_path_length: int | None
    key_usage: x509.KeyUsage | None
    extensions: Mapping[x509.ObjectIdentifier, bytes]
    critical: frozenset[x509.ObjectIdentifier]
    signature_hash: str
    parsed: x509.Certificate = field(repr=False)


@lru_cache(maxsize=KEPT_CHAINS)
def parse_chain(pem: bytes) -> tuple[Certificate, ...]:
    """Read a chain of PEM certificates.

    Raises:
        MalformedEvidenceError: no certificate, too many, or one that does not parse.
    """
    if len(pem) > MAX_CERTIFICATES:
        raise MalformedEvidenceError(f"chain: more than {MAX_CERTIFICATES} bytes")
    try:
        return _load(pem)
    except X509_ERRORS as error:
        raise MalformedEvidenceError("chain: a certificate does not parse") from error


def check_path(
    chain: Sequence[Certificate],
    *,
    root_spki_sha256: bytes,
    now: int,
    understood: frozenset[x509.ObjectIdentifier] = frozenset(),
) -> None:
    """Judge a chain: names, signatures, validity at `now`, CA constraints, pinned root.

    Args:
        chain: leaf first, root last, complete.
        root_spki_sha256: the pinned root.
        now: Unix seconds.
        understood: further extensions that may be critical because the caller heeds them.

    Raises:
        AppraisalError: the first thing that does not hold, and at which certificate.
    """
    root = chain[-1]
    if root.spki_sha256 != root_spki_sha256:
        raise AppraisalError("root", expected=root_spki_sha256.hex(), actual=root.spki_sha256.hex())
    for depth, certificate in enumerate(chain):
        _check_validity(certificate, now)
        _check_extensions(certificate, UNDERSTOOD | understood)
        issuer = chain[min(depth + 1, len(chain) - 1)]
        _check_issued(certificate, issuer)
        if depth == 0 and len(chain) > 1:
            _check_leaf(certificate)
        else:
            _check_ca(certificate, below=max(depth - 1, 0))


def expiry(chain: Sequence[Certificate]) -> int:
    """Give the last second at which every certificate is valid."""
    return min(certificate.not_after for certificate in chain)


def seconds(moment: datetime.datetime) -> int:
    """Give Unix seconds of an aware time."""
    return int(moment.timestamp())


def spki_sha256(key: CertificatePublicKeyTypes) -> bytes:
    """Give the SHA-256 of a key's SubjectPublicKeyInfo."""
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).digest()


def signature_hash(signed: x509.Certificate | x509.CertificateRevocationList) -> str:
    """Name the hash of a signature; empty if the algorithm has none of its own."""
    algorithm = signed.signature_hash_algorithm
    return "" if algorithm is None else algorithm.name


def _load(pem: bytes) -> tuple[Certificate, ...]:
    """Load certificates. AMD issues serial number 0, of which the parser warns; it is no danger."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        loaded = x509.load_pem_x509_certificates(pem)
        if len(loaded) > MAX_CHAIN:
            raise MalformedEvidenceError(f"chain: more than {MAX_CHAIN} certificates")
        return tuple(_certificate(certificate) for certificate in loaded)


def _certificate(loaded: x509.Certificate) -> Certificate:
    """Read every field now, so that later code meets no parser error."""
    constraints = key_usage = None
    others = {}
    for extension in loaded.extensions:
        if isinstance(extension.value, x509.BasicConstraints):
            constraints = extension.value
        elif isinstance(extension.value, x509.KeyUsage):
            key_usage = extension.value
        else:
            others[extension.oid] = extension.value.public_bytes()
    key = loaded.public_key()
    return Certificate(
        subject=loaded.subject,
        name=common_name(loaded.subject),
        serial=loaded.serial_number,
        not_before=seconds(loaded.not_valid_before_utc),
        not_after=seconds(loaded.not_valid_after_utc),
        public_key=key,
        spki_sha256=spki_sha256(key),
        is_ca=constraints is not None and constraints.ca,
        ca_path_length=None if constraints is None else constraints.path_length,
        key_usage=key_usage,
        extensions=others,
        critical=frozenset(one.oid for one in loaded.extensions if one.critical),
        signature_hash=signature_hash(loaded),
        parsed=loaded,
    )


def common_name(name: x509.Name) -> str:
    """Give the common name of a subject or issuer; empty if there is not exactly one."""
    found = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if len(found) == 1 else ""


def _check_validity(certificate: Certificate, now: int) -> None:
    if not certificate.not_before <= now <= certificate.not_after:
        raise AppraisalError(
            "validity",
            expected=f"{certificate.name} valid at {now}",
            actual=f"valid from {certificate.not_before} to {certificate.not_after}",
        )


def _check_extensions(
    certificate: Certificate, understood: frozenset[x509.ObjectIdentifier]
) -> None:
    for oid in sorted(certificate.critical - understood, key=lambda one: one.dotted_string):
        raise AppraisalError(
            "extensions",
            expected=f"{certificate.name} with no unknown critical extension",
            actual=oid.dotted_string,
        )


def _check_issued(certificate: Certificate, issuer: Certificate) -> None:
    if certificate.signature_hash not in HASHES:
        raise AppraisalError(
            "signature",
            expected=f"{certificate.name} signed with one of {', '.join(sorted(HASHES))}",
            actual=certificate.signature_hash or "another algorithm",
        )
    try:
        _verify_issued(certificate.parsed, issuer.parsed)
    except InvalidSignature as error:
        raise _not_issued(certificate, issuer, "its signature does not verify") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _not_issued(certificate, issuer, "names or key do not fit") from error


@lru_cache(maxsize=KEPT_SIGNATURES)
def _verify_issued(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    """Check names and signature. Remembered by the whole DER of both, and only if it held.

    Sixteen bundles of a shard share their vendor's certificates; a signature that verified once
    verifies again. Validity, revocation and constraints are judged anew every time.
    """
    certificate.verify_directly_issued_by(issuer)


def _not_issued(certificate: Certificate, issuer: Certificate, actual: str) -> AppraisalError:
    return AppraisalError(
        "signature", expected=f"{certificate.name} signed by {issuer.name}", actual=actual
    )


def _check_leaf(certificate: Certificate) -> None:
    usage = certificate.key_usage
    if certificate.is_ca or (usage is not None and not usage.digital_signature):
        raise AppraisalError(
            "leaf", expected=f"{certificate.name} a signing leaf", actual="a CA or another usage"
        )


def _check_ca(certificate: Certificate, *, below: int) -> None:
    """Judge a CA with `below` further CAs between it and the leaf."""
    usage = certificate.key_usage
    if not certificate.is_ca or (usage is not None and not usage.key_cert_sign):
        raise AppraisalError(
            "CA", expected=f"{certificate.name} a CA", actual="not allowed to sign certificates"
        )
    if certificate.ca_path_length is not None and certificate.ca_path_length < below:
        raise AppraisalError(
            "path length",
            expected=f"at most {certificate.ca_path_length} CAs below {certificate.name}",
            actual=str(below),
        )

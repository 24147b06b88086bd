"""The path from a leaf certificate to a pinned root. RFC 5280, section 6, for one path.

A chain comes complete and in order, leaf first, root last, so there is no path to search for:
`check_path` judges exactly the one given. The root counts because of the digests of its public key
and certificate, which an anchor pins. Where only the key is pinned, that the root's own fields are
authentic is what its self-signature shows; where the certificate is, its digest shows that, byte by
byte, and the self-signature would say nothing more (RFC 5280, 6.1, does not ask for it either).
How certificates are read is in `attestation.x509`; revocation in `attestation.endorsements`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import OID_BASIC_CONSTRAINTS, OID_KEY_USAGE, ObjectIdentifier

from attestation.errors import AppraisalError
from attestation.x509 import (
    MAX_CHAIN,
    Certificate,
    armored,
    common_name,
    parse_certificate,
    parse_chain,
    read_certificate,
    seconds,
    spki_sha256,
)

__all__ = [
    "MAX_CHAIN",
    "Anchor",
    "Certificate",
    "armored",
    "check_issued",
    "check_path",
    "common_name",
    "expiry",
    "parse_certificate",
    "parse_chain",
    "read_certificate",
    "seconds",
    "spki_sha256",
]

HASHES = frozenset({"sha256", "sha384", "sha512"})
"""Hashes a certificate or CRL may be signed with."""

KEPT_SIGNATURES = 512
"""Pairs of certificate and issuer remembered as signed."""

UNDERSTOOD = frozenset({OID_BASIC_CONSTRAINTS, OID_KEY_USAGE})
"""Extensions that may be critical, because `check_path` heeds them."""


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """A root that counts, by digests alone: the certificate itself arrives with the evidence.

    Attributes:
        platform: whose evidence it vouches for.
        name: common name of its subject.
        certificate_sha256: of the DER certificate; None where only the key is pinned.
        spki_sha256: of the SubjectPublicKeyInfo.
    """

    platform: str
    name: str
    certificate_sha256: bytes | None
    spki_sha256: bytes

    def is_certificate(self, certificate: Certificate) -> bool:
        """Say whether this is the pinned root."""
        pinned = self.certificate_sha256
        if certificate.spki_sha256 != self.spki_sha256:
            return False
        return pinned is None or pinned == certificate.sha256


def check_path(
    chain: Sequence[Certificate],
    *,
    anchors: Sequence[Anchor],
    now: int,
    understood: frozenset[ObjectIdentifier] = frozenset(),
) -> None:
    """Judge a chain: names, signatures, validity at `now`, CA constraints, pinned root.

    Args:
        chain: leaf first, root last, complete.
        anchors: the pinned roots.
        now: Unix seconds.
        understood: further extensions that may be critical because the caller heeds them.

    Raises:
        AppraisalError: the first thing that does not hold, and at which certificate.
    """
    anchor, root = _anchor_of(chain[-1], anchors), len(chain) - 1
    understood |= UNDERSTOOD
    for depth, certificate in enumerate(chain):
        _check_validity(certificate, now)
        _check_extensions(certificate, understood)
        if depth < root or anchor.certificate_sha256 is None:
            check_issued(certificate, chain[min(depth + 1, root)])
        if depth == 0 and len(chain) > 1:
            _check_leaf(certificate)
        else:
            _check_ca(certificate, below=max(depth - 1, 0))


def expiry(chain: Sequence[Certificate]) -> int:
    """Give the last second at which every certificate is valid."""
    return min(certificate.not_after for certificate in chain)


def _anchor_of(root: Certificate, anchors: Sequence[Anchor]) -> Anchor:
    """Give the anchor that pins a root."""
    for anchor in anchors:
        if anchor.is_certificate(root):
            return anchor
    pinned = ", ".join(anchor.name or anchor.spki_sha256.hex() for anchor in anchors)
    raise AppraisalError(
        "root",
        expected=f"a pinned root: {pinned or 'none is pinned'}",
        actual=f"{root.name or 'a root'} with key {root.spki_sha256.hex()}",
    )


def _check_validity(certificate: Certificate, now: int) -> None:
    if not certificate.not_before <= now <= certificate.not_after:
        raise AppraisalError(
            "validity",
            expected=f"{certificate.name} valid at {now}",
            actual=f"valid from {certificate.not_before} to {certificate.not_after}",
        )


def _check_extensions(certificate: Certificate, understood: frozenset[ObjectIdentifier]) -> None:
    for oid in sorted(certificate.critical - understood, key=lambda one: one.dotted_string):
        raise AppraisalError(
            "extensions",
            expected=f"{certificate.name} with no unknown critical extension",
            actual=oid.dotted_string,
        )


def check_issued(certificate: Certificate, issuer: Certificate) -> None:
    """Judge that `issuer` is named in and signed a certificate; dates are not looked at.

    Raises:
        AppraisalError: it is not, or did not.
    """
    if certificate.signature_hash not in HASHES:
        raise AppraisalError(
            "signature",
            expected=f"{certificate.name} signed with one of {', '.join(sorted(HASHES))}",
            actual=certificate.signature_hash or "another algorithm",
        )
    try:
        _verify_issued(certificate, issuer)
    except LookupError as error:
        raise _not_issued(certificate, issuer, "another issuer is named") from error
    except InvalidSignature as error:
        raise _not_issued(certificate, issuer, "its signature does not verify") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _not_issued(certificate, issuer, "its algorithm does not fit the key") from error


@lru_cache(maxsize=KEPT_SIGNATURES)
def _verify_issued(certificate: Certificate, issuer: Certificate) -> None:
    """Check name and signature. Remembered by the whole DER of both, and only if they held.

    Sixteen bundles of a shard share their vendor's certificates; a signature that verified once
    verifies again. Validity, revocation and constraints are judged anew every time.
    """
    # Names are compared as spelled, like the library does: an issuer must repeat the subject it
    # names (RFC 5280, 4.1.2.6), and no known vendor spells one name in two ways.
    if certificate.issuer_der != issuer.subject_der:
        raise LookupError
    key, parsed = issuer.public_key, certificate.parsed
    algorithm, hashed = parsed.signature_algorithm_parameters, parsed.signature_hash_algorithm
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(algorithm, ec.ECDSA):
        key.verify(certificate.signature, certificate.tbs, algorithm)
    elif (
        isinstance(key, rsa.RSAPublicKey)
        and isinstance(algorithm, padding.PSS | padding.PKCS1v15)
        and hashed is not None
    ):
        key.verify(certificate.signature, certificate.tbs, algorithm, hashed)
    else:
        raise TypeError("algorithm and key are of different kinds")


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

"""The single acts of the simulated vendor: issue a certificate, sign a revocation list or a RIM.

`attestation.simulated.vendor` combines them honestly; a test that needs a certificate, list or RIM
that is wrong in one way combines them otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.simulated.endorsements import (
    rim_body,
)
from attestation.simulated.evidence import sign
from attestation.simulated.machine import DEVICE_KIND
from attestation.strict_json import b64encode, dumps


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A key of the vendor with its certificate, and the certificates above it."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate
    above: tuple[x509.Certificate, ...] = ()

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """Give the chain from this certificate to the root."""
        return (self.certificate, *self.above)


@dataclass(frozen=True, kw_only=True)
class Validity:
    """From when to when, Unix seconds."""

    not_before: int
    not_after: int


def issue(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    by: Authority | None,
    validity: Validity,
    ca_path_length: int | None = None,
    is_ca: bool = False,
    extensions: Mapping[x509.ObjectIdentifier, bytes] | None = None,
) -> Authority:
    """Issue a certificate; `by` None signs it with its own key."""
    subject = _name(name)
    signer = key if by is None else by.key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if by is None else by.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_moment(validity.not_before))
        .not_valid_after(_moment(validity.not_after))
        .add_extension(x509.BasicConstraints(is_ca, ca_path_length), critical=True)
        .add_extension(_usage(is_ca=is_ca), critical=True)
        .add_extension(_authority_id(signer), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    for oid, value in (extensions or {}).items():
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
    certificate = builder.sign(signer, hashes.SHA384())
    return Authority(key=key, certificate=certificate, above=() if by is None else by.chain)


def revocation_list(
    by: Authority, *, number: int, validity: Validity, revoked: Sequence[int] = ()
) -> bytes:
    """Sign a CRL, DER."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(by.certificate.subject)
        .last_update(_moment(validity.not_before))
        .next_update(_moment(validity.not_after))
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(_authority_id(by.key), critical=False)
    )
    for serial in revoked:
        entry = x509.RevokedCertificateBuilder(serial, _moment(validity.not_before))
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(by.key, hashes.SHA384()).public_bytes(Encoding.DER)


def signed_rim(
    by: Authority, *, validity: Validity, blocks: Sequence[bytes], name: str = DEVICE_KIND
) -> bytes:
    """Sign reference measurements with one accepted value per block."""
    body = rim_body(
        name=name,
        not_before=validity.not_before,
        not_after=validity.not_after,
        measurements={index: [block] for index, block in enumerate(blocks)},
    )
    return dumps(
        {
            "rim": b64encode(body),
            "signature": b64encode(sign(by.key, body)),
            "certificates": b64encode(pem(by.chain)),
        }
    )


def new_key() -> ec.EllipticCurvePrivateKey:
    """Make a P-384 key."""
    return ec.generate_private_key(ec.SECP384R1())


def pem(certificates: Sequence[x509.Certificate]) -> bytes:
    """Write a chain."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


def _moment(unix: int) -> datetime:
    return datetime.fromtimestamp(unix, UTC)


def _authority_id(key: ec.EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )

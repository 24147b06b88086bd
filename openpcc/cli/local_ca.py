"""A throw-away CA for one machine: its key signs a few certificates, and is gone.

Nobody can make another certificate with it afterwards, neither its operator nor a thief. Those who
use it name its root in their `ca`; it is never put among a system's roots.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

LIFE = timedelta(days=365)
SKEW = timedelta(minutes=5)
"""Validity begins before now: clocks may be that far apart."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A server's certificate and key, PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class LocalCA:
    """A root and what it has signed."""

    root: bytes
    servers: Mapping[str, Certificate]


def make(names: Mapping[str, Iterable[str]], *, now: int) -> LocalCA:
    """Make a root and a certificate for each server; its names are hosts and addresses."""
    moment = datetime.fromtimestamp(now, UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name("openpcc throw-away local CA")
    root = (
        _builder(subject, subject, key.public_key(), key.public_key(), moment)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    servers = {
        role: _issue(role, tuple(hosts), subject, key, moment) for role, hosts in names.items()
    }
    return LocalCA(root=root.public_bytes(Encoding.PEM), servers=servers)


def _issue(
    role: str,
    hosts: tuple[str, ...],
    issuer: x509.Name,
    by: ec.EllipticCurvePrivateKey,
    moment: datetime,
) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(_name(role), issuer, key.public_key(), by.public_key(), moment)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(list(map(_host, hosts))), critical=False)
        .sign(by, hashes.SHA256())
    )
    return Certificate(
        certificate=certificate.public_bytes(Encoding.PEM),
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    by: ec.EllipticCurvePublicKey,
    moment: datetime,
) -> x509.CertificateBuilder:
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(by)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - SKEW)
        .not_valid_after(moment + LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(authority, critical=False)
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)

"""A throw-away certificate authority, for servers of tests on loopback."""

import datetime
import ipaddress
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True, kw_only=True)
class Files:
    """A server's PEM files."""

    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        found.load_cert_chain(self.certificate, self.key)
        return found


@dataclass
class Authority:
    """Its root is `folder/ca.pem`."""

    folder: Path
    _key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test root")])
        root = self._certificate(self._name, self._key.public_key(), None)
        self.root.write_bytes(root)

    @property
    def root(self) -> Path:
        return self.folder / "ca.pem"

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.root)

    def issue(self, *names: str) -> Files:
        """Make a certificate for names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        found = Files(
            certificate=self.folder / f"{names[0]}.pem", key=self.folder / f"{names[0]}.key"
        )
        alternatives = x509.SubjectAlternativeName([_general(one) for one in names])
        subject = x509.Name([])
        found.certificate.write_bytes(self._certificate(subject, key.public_key(), alternatives))
        found.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return found

    def _certificate(
        self,
        subject: x509.Name,
        public: ec.EllipticCurvePublicKey,
        alternatives: x509.SubjectAlternativeName | None,
    ) -> bytes:
        ca, now = alternatives is None, datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .add_extension(_usage(ca=ca), critical=True)
        )
        if alternatives is not None:  # RFC 5280, 4.1.2.6: with no subject, this is the name
            builder = builder.add_extension(alternatives, critical=True)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip

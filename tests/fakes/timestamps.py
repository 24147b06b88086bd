"""A timestamp authority (RFC 3161): signed answers to "when did you see this", as DER.

A timestamp is a CMS SignedData (RFC 5652) around a TSTInfo. Written by hand: no library at hand
signs any.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SEQUENCE, SET, INTEGER, OCTETS, OID, TIME = 0x30, 0x31, 0x02, 0x04, 0x06, 0x18
CONTEXT = 0xA0

SHA256 = bytes.fromhex("608648016503040201")
ECDSA_SHA256 = bytes.fromhex("2a8648ce3d040302")
SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
TST_INFO = bytes.fromhex("2a864886f70d0109100104")
CONTENT_TYPE = bytes.fromhex("2a864886f70d010903")
MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
POLICY = bytes.fromhex("2b0601040182fd690101")


def tlv(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def integer(value: int) -> bytes:
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def algorithm(oid: bytes) -> bytes:
    return tlv(SEQUENCE, tlv(OID, oid))


def moment(time: int) -> datetime:
    return datetime.fromtimestamp(time, tz=UTC)


def authority(
    name: str, key: ec.EllipticCurvePrivateKey, *, start: int, days: int = 3650
) -> x509.Certificate:
    """Make a root certificate."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(moment(start))
        .not_valid_after(moment(start) + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def usage(**on: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
        "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: on.get(name, False) for name in names})


def signed_by(key: ec.EllipticCurvePrivateKey, root: x509.Certificate) -> x509.CertificateBuilder:
    """Begin a certificate under a root, of a new public key."""
    return (
        x509.CertificateBuilder()
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()),  # type: ignore[arg-type]
            critical=False,
        )
    )


@dataclass(frozen=True)
class TimestampAuthority:
    """A root and a signer under it."""

    root: x509.Certificate
    leaf: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, *, start: int, days: int = 3650) -> "TimestampAuthority":
        root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        root = authority("tsa root", root_key, start=start)
        leaf = (
            signed_by(key, root)
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tsa")]))
            .not_valid_before(moment(start))
            .not_valid_after(moment(start) + timedelta(days=days))
            .add_extension(usage(digital_signature=True), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True
            )
            .sign(root_key, hashes.SHA256())
        )
        return cls(root, leaf, key)

    @property
    def chain(self) -> list[bytes]:
        return [one.public_bytes(Encoding.DER) for one in (self.leaf, self.root)]

    def response(self, message: bytes, *, time: int) -> bytes:
        """Say when a message was seen."""
        imprint = tlv(SEQUENCE, algorithm(SHA256), tlv(OCTETS, hashlib.sha256(message).digest()))
        stamp = moment(time).strftime("%Y%m%d%H%M%SZ").encode()
        info = tlv(SEQUENCE, integer(1), tlv(OID, POLICY), imprint, integer(7), tlv(TIME, stamp))
        content = tlv(SEQUENCE, tlv(OID, TST_INFO), tlv(CONTEXT, tlv(OCTETS, info)))
        data = tlv(
            SEQUENCE, integer(3), tlv(SET, algorithm(SHA256)), content, tlv(SET, self._signer(info))
        )
        token = tlv(SEQUENCE, tlv(OID, SIGNED_DATA), tlv(CONTEXT, data))
        return tlv(SEQUENCE, tlv(SEQUENCE, integer(0)), token)

    def _signer(self, info: bytes) -> bytes:
        attributes = b"".join(
            (
                tlv(SEQUENCE, tlv(OID, CONTENT_TYPE), tlv(SET, tlv(OID, TST_INFO))),
                tlv(
                    SEQUENCE,
                    tlv(OID, MESSAGE_DIGEST),
                    tlv(SET, tlv(OCTETS, hashlib.sha256(info).digest())),
                ),
            )
        )
        signature = self.key.sign(tlv(SET, attributes), ec.ECDSA(hashes.SHA256()))
        issuer = tlv(SEQUENCE, self.leaf.issuer.public_bytes(), integer(self.leaf.serial_number))
        return tlv(
            SEQUENCE, integer(1), issuer, algorithm(SHA256), tlv(CONTEXT, attributes),
            algorithm(ECDSA_SHA256), tlv(OCTETS, signature),
        )  # fmt: skip

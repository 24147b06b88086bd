"""X.509 certificates as they arrive: bytes become fields, nothing is trusted yet. RFC 5280, 4.1.

`cryptography` reads the fields; this module only cuts a certificate where its signature wants it
cut, and sees to one thing the library warns of and will refuse one day: AMD gives its VCEK and VLEK
certificates the serial number 0. Such a certificate is read from a copy in which the serial number
is positive and everything else is as it arrived; its signature is over the bytes that arrived, so
the copy vouches for nothing.
"""

import base64
import binascii
import datetime
import hashlib
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation import der
from attestation.errors import MalformedEvidenceError
from attestation.sections import MAX_CERTIFICATES

MAX_CHAIN = 8
"""Certificates of a chain; the longest known, NVIDIA's, has five."""

X509_ERRORS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    KeyError,  # for a TLS feature that it does not know
)
"""What the parser of `cryptography` raises for bytes that are not what they should be."""

KEPT_CHAINS = 64
"""Parsed chains remembered: a bundle's chain is read for its signature and for its lists."""

KEPT_CERTIFICATES = 256
"""Parsed certificates remembered: leaves of some shards, and what stands above them."""

ISSUER_INDEX, SUBJECT_INDEX, KEY_INDEX = 2, 4, 5
"""Places in what is signed, counted from the serial number; RFC 5280, 4.1."""

VERSION_TAG = 0xA0
"""Tag of the version, which comes before the serial number where it is not 1."""

Value = TypeVar("Value")

_PEM = re.compile(
    rb"[\r\n]*-----BEGIN CERTIFICATE-----\r?\n"
    rb"([^-]++)(?<=\n)"
    rb"-----END CERTIFICATE-----[\r\n]*"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Certificate:
    """A parsed certificate; who it says it is, and nothing more. Equal if every byte is.

    Attributes:
        der: all its bytes.
        tbs: those of them that are signed.
        signature: over `tbs`, by the issuer.
        signature_hash: name of the hash it is signed with; empty for algorithms without one.
        subject: distinguished name.
        subject_der: the same, as it is spelled.
        issuer_der: distinguished name of who is said to have signed it, as it is spelled.
        name: the subject's common name, for texts; empty if there is not exactly one.
        serial: may be zero or negative.
        not_before: first second of its validity, Unix.
        not_after: last second of its validity.
        public_key: the subject's key.
        spki_sha256: SHA-256 of the SubjectPublicKeyInfo; names the key everywhere here.
        ca_path_length: CAs that may follow below it (None: any number); only where `is_ca`.
        key_usage: None if the certificate does not restrict it.
        extensions: OID to value, of the extensions this module does not interpret.
        critical: OIDs of the critical ones.
        parsed: the library's reading, for the parameters of the signature. Its own serial number
            and bytes are those of the copy.
    """

    der: bytes = field(repr=False)
    tbs: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    signature_hash: str
    subject: x509.Name
    subject_der: bytes = field(repr=False)
    issuer_der: bytes = field(repr=False)
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
    parsed: x509.Certificate = field(repr=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    @property
    def issuer(self) -> x509.Name:
        """Read the name of the issuer, which is only shown: `issuer_der` is what counts.

        Raises:
            MalformedEvidenceError: it does not parse.
        """
        return _reading(lambda: self.parsed.issuer)

    @property
    def sha256(self) -> bytes:
        """Give the digest that names the certificate."""
        return hashlib.sha256(self.der).digest()

    @classmethod
    def parse(cls, data: bytes) -> "Certificate":
        """Read one certificate of DER.

        Raises:
            MalformedEvidenceError: not one, or with fields of no known form.
        """
        cut = _cut(data)
        read = _positive(data, cut)
        return _reading(lambda: _certificate(data, cut, x509.load_der_x509_certificate(read)))


@lru_cache(maxsize=KEPT_CHAINS)
def parse_chain(pem: bytes) -> tuple[Certificate, ...]:
    """Read a chain of PEM certificates; nothing but line ends may stand around them.

    Raises:
        MalformedEvidenceError: no certificate, too many, or one that does not parse.
    """
    if len(pem) > MAX_CERTIFICATES:
        raise MalformedEvidenceError(f"chain: more than {MAX_CERTIFICATES} bytes")
    certificates: list[Certificate] = []
    at = 0
    while at < len(pem):
        found = _PEM.match(pem, at)
        if found is None:
            raise MalformedEvidenceError("chain: not PEM certificates and nothing else")
        if len(certificates) == MAX_CHAIN:
            raise MalformedEvidenceError(f"chain: more than {MAX_CHAIN} certificates")
        certificates.append(read_certificate(_unarmored(found.group(1))))
        at = found.end()
    if not certificates:
        raise MalformedEvidenceError("chain: no certificate")
    return tuple(certificates)


@lru_cache(maxsize=KEPT_CERTIFICATES)
def read_certificate(data: bytes) -> Certificate:
    """Read a certificate of DER, or remember having read it: a vendor's CAs stand in every chain.

    Raises:
        MalformedEvidenceError: not one, or with fields of no known form.
    """
    return Certificate.parse(data)


def parse_certificate(data: bytes) -> Certificate:
    """Read one certificate, PEM or DER.

    Raises:
        MalformedEvidenceError: not exactly one.
    """
    if not data.lstrip(b"\r\n").startswith(b"-----"):
        return Certificate.parse(data)
    chain = parse_chain(data)
    if len(chain) != 1:
        raise MalformedEvidenceError(f"certificate: expected one, found {len(chain)}")
    return chain[0]


def armored(certificate: bytes) -> bytes:
    """Write a certificate of DER as PEM."""
    text = base64.b64encode(certificate)
    lines = (text[at : at + 64] for at in range(0, len(text), 64))
    head, foot = b"-----BEGIN CERTIFICATE-----\n", b"\n-----END CERTIFICATE-----\n"
    return head + b"\n".join(lines) + foot


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


def common_name(name: x509.Name) -> str:
    """Give the common name of a subject or issuer; empty if there is not exactly one."""
    found = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if len(found) == 1 else ""


class _Cut(NamedTuple):
    """Where the parts of a certificate lie."""

    tbs: der.Element
    serial: der.Element
    issuer: der.Element
    subject: der.Element
    key: der.Element
    signature: bytes


def _reading(read: Callable[[], Value]) -> Value:
    """Have the library read; raise what it raises for bad bytes as our own error."""
    try:
        # The library warns of names it finds too long, as some makers of TPMs give them, and of a
        # serial number in an extension, which nothing here rests on.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Attribute's length|Parsed a serial number")
            return read()
    except X509_ERRORS as error:
        raise MalformedEvidenceError("chain: a certificate does not parse") from error


def _unarmored(text: bytes) -> bytes:
    """Read base64 in lines; one spelling only, so that no byte of a chain is free to change."""
    packed = text.replace(b"\r\n", b"").replace(b"\n", b"")
    try:
        data = binascii.a2b_base64(packed)
    except binascii.Error as error:
        raise MalformedEvidenceError("chain: not base64") from error
    if binascii.b2a_base64(data, newline=False) != packed:
        raise MalformedEvidenceError("chain: not canonical base64")
    return data


def _cut(data: bytes) -> _Cut:
    parts = der.children(der.whole(data, der.SEQUENCE))
    if [part.tag for part in parts] != [der.SEQUENCE, der.SEQUENCE, der.BIT_STRING]:
        raise MalformedEvidenceError("chain: not a certificate")
    tbs, algorithm, signature = parts
    inside = der.children(tbs)
    if inside and inside[0].tag == VERSION_TAG:
        inside = inside[1:]
    if len(inside) <= KEY_INDEX or inside[1].content != algorithm.content:
        raise MalformedEvidenceError("chain: a certificate names two signature algorithms")
    if signature.content[:1] != b"\0":
        raise MalformedEvidenceError("chain: a signature is not whole bytes")
    return _Cut(
        tbs=tbs,
        serial=inside[0],
        issuer=inside[ISSUER_INDEX],
        subject=inside[SUBJECT_INDEX],
        key=inside[KEY_INDEX],
        signature=signature.content[1:],
    )


def _positive(data: bytes, cut: _Cut) -> bytes:
    """Give the certificate, or a copy of the same length whose serial number is positive."""
    if der.integer(cut.serial) > 0:
        return data
    return data[: cut.serial.offset] + b"\x01" + data[cut.serial.offset + 1 :]


def _certificate(data: bytes, cut: _Cut, loaded: x509.Certificate) -> Certificate:
    """Read every field now, so that later code meets no parser error."""
    constraints = key_usage = None
    others = {}
    for extension in loaded.extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints):
            constraints = value
        elif isinstance(value, x509.KeyUsage):
            key_usage = value
        else:
            others[extension.oid] = value.public_bytes()
    key = loaded.public_key()
    return Certificate(
        der=data,
        tbs=data[cut.tbs.start : cut.tbs.end],
        signature=cut.signature,
        signature_hash=signature_hash(loaded),
        subject=loaded.subject,
        subject_der=data[cut.subject.start : cut.subject.end],
        issuer_der=data[cut.issuer.start : cut.issuer.end],
        name=common_name(loaded.subject),
        serial=der.integer(cut.serial),
        not_before=seconds(loaded.not_valid_before_utc),
        not_after=seconds(loaded.not_valid_after_utc),
        public_key=key,
        spki_sha256=hashlib.sha256(data[cut.key.start : cut.key.end]).digest(),
        is_ca=constraints is not None and constraints.ca,
        ca_path_length=None if constraints is None else constraints.path_length,
        key_usage=key_usage,
        extensions=others,
        critical=frozenset(one.oid for one in loaded.extensions if one.critical),
        parsed=loaded,
    )

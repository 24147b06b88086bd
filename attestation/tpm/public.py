"""The public key of an AK, in the spellings it travels in.

Our documents hold a SubjectPublicKeyInfo (DER). A TPM gives a TPMT_PUBLIC (TPM 2.0 Part 2, section
12.2.4), with or without the two bytes of a TPM2B_PUBLIC before it; Azure's runtime data has a JWK
(`attestation.tpm.hcl`).

    0001 000b 00050072 0000 0010 0014 000b 0800 00000000 0100 cbad…
    RSA, name by SHA-256, attributes, no policy, no symmetric cipher, RSASSA with SHA-256,
    2048 bits, exponent 65537, modulus
"""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from attestation.errors import MalformedEvidenceError
from attestation.tpm.wire import Reader, whole

AkKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
"""A key that may be an AK: RSA of 2048 to 4096 bits, P-256 or P-384."""

MAX_SPKI = 1024
"""Bytes of a public key; RSA with 4096 bits has 550."""

RSA_BITS = range(2048, 4097)
"""Sizes of RSA keys that count."""

CURVES: dict[int, type[ec.EllipticCurve]] = {3: ec.SECP256R1, 4: ec.SECP384R1}
"""TPM_ECC_CURVE to curve."""

EXPONENT = 65537
"""What an exponent of 0 means, and the only one that TPMs make."""

TYPE_RSA, TYPE_ECC = 0x0001, 0x0023
NULL = 0x0010
ECDAA = 0x001A

MAX_POLICY = 64
"""Bytes of an authorisation policy: a digest."""


def read_spki(data: bytes) -> AkKey:
    """Read a SubjectPublicKeyInfo, DER, in its one spelling.

    Raises:
        MalformedEvidenceError: none, in another spelling, or of a key that does not count.
    """
    if len(data) > MAX_SPKI:
        raise MalformedEvidenceError(f"AK: more than {MAX_SPKI} bytes")
    try:
        key = accepted(load_der_public_key(data))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise MalformedEvidenceError("AK: not a SubjectPublicKeyInfo") from error
    if spki(key) != data:
        raise MalformedEvidenceError("AK: not the one spelling of its SubjectPublicKeyInfo")
    return key


def read_public(data: bytes) -> AkKey:
    """Read a key as files hold it: PEM or DER, TPMT_PUBLIC or TPM2B_PUBLIC.

    Raises:
        MalformedEvidenceError: none of them, or a key that does not count.
    """
    if data[:2] in (b"\x00\x01", b"\x00\x23"):
        return whole(data, "AK", _public)
    if int.from_bytes(data[:2], "big") == len(data) - 2 and data[:1] != b"\x30":
        return whole(data[2:], "AK", _public)
    if not data.startswith(b"-----"):
        return read_spki(data)
    try:
        return accepted(load_pem_public_key(data[: 4 * MAX_SPKI]))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise MalformedEvidenceError("AK: not a PEM public key") from error


def spki(key: AkKey) -> bytes:
    """Write the SubjectPublicKeyInfo, DER."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def rsa_key(modulus: bytes, exponent: int) -> AkKey:
    """Make an RSA key of its numbers.

    Raises:
        MalformedEvidenceError: they are none, or of a key that does not count.
    """
    try:
        numbers = rsa.RSAPublicNumbers(e=exponent, n=int.from_bytes(modulus, "big"))
        return accepted(numbers.public_key())
    except ValueError as error:
        raise MalformedEvidenceError("AK: not an RSA key") from error


def accepted(key: object) -> AkKey:
    """Give the key if its kind and size count.

    Raises:
        MalformedEvidenceError: they do not.
    """
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, tuple(CURVES.values())):
        return key
    raise MalformedEvidenceError("AK: not RSA of 2048 to 4096 bits, nor P-256, nor P-384")


def _public(reader: Reader) -> AkKey:
    kind = reader.number(2)
    reader.number(2)  # the hash that makes the key's name
    reader.number(4)  # attributes: what vouches for the key vouches for these
    reader.sized(MAX_POLICY, "policy")
    if reader.number(2) != NULL:
        raise reader.malformed("a key with a cipher of its own is no signing key")
    if kind == TYPE_RSA:
        return _rsa(reader)
    if kind == TYPE_ECC:
        return _ecc(reader)
    raise reader.malformed(f"key of type {kind:#06x}")


def _rsa(reader: Reader) -> AkKey:
    _scheme(reader)
    bits, exponent = reader.number(2), reader.number(4)
    modulus = reader.sized(RSA_BITS[-1] // 8, "modulus")
    key = rsa_key(modulus, exponent or EXPONENT)
    if key.key_size != bits or len(modulus) * 8 != bits:
        raise reader.malformed(f"a modulus that has not {bits} bits")
    return key


def _ecc(reader: Reader) -> AkKey:
    _scheme(reader)
    curve = CURVES.get(reader.number(2))
    if curve is None:
        raise reader.malformed("a curve other than P-256 and P-384")
    if reader.number(2) != NULL:
        reader.number(2)  # hash of a key derivation, which no signing key has
    size = curve().key_size // 8
    x, y = (int.from_bytes(reader.sized(size, name), "big") for name in "xy")
    try:
        return ec.EllipticCurvePublicNumbers(x=x, y=y, curve=curve()).public_key()
    except ValueError as error:
        raise reader.malformed("no point of its curve") from error


def _scheme(reader: Reader) -> None:
    """Pass over a scheme; a key without one signs with that of the signature."""
    scheme = reader.number(2)
    if scheme != NULL:
        reader.number(2)
    if scheme == ECDAA:
        reader.number(2)

"""An issuer's public key for token type 0x0002 (RFC 9578, section 6.5).

The key travels as a SubjectPublicKeyInfo whose algorithm is id-RSASSA-PSS with SHA-384,
MGF1-SHA-384 and salt length 48 spelled out; its SHA-256 is the token key id. 342 bytes with
exponent 65537, beginning

    30820152 303d 06092a864886f70d01010a 3030 a00d300b0609608648016503040202 a11a…a203020130 0382…

There is one accepted spelling: the two numbers are read, written again, and the bytes compared. So
the reader below need not be strict, and the same key as plain rsaEncryption is refused.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from openpcc.protocol.blind_rsa import PublicKey
from openpcc.protocol.errors import MalformedError

KEY_BITS = 2048
"""Bits of the modulus; the token type fixes them."""

MIN_EXPONENT = 65537
"""Smaller public exponents are not accepted (FIPS 186-5, appendix A.1.1)."""

MAX_SPKI = 344
"""Bytes of a key with an exponent of four bytes and a leading zero."""

ALGORITHM = bytes.fromhex(
    "303d"  # AlgorithmIdentifier
    "06092a864886f70d01010a"  # id-RSASSA-PSS
    "3030"  # RSASSA-PSS-params
    "a00d300b0609608648016503040202"  # hashAlgorithm: SHA-384
    "a11a301806092a864886f70d010108300b0609608648016503040202"  # maskGenAlgorithm: MGF1, SHA-384
    "a203020130"  # saltLength: 48
)
"""The AlgorithmIdentifier of every key (RFC 9578, section 6.5)."""

SEQUENCE, INTEGER, BIT_STRING = 0x30, 0x02, 0x03


@dataclass(frozen=True, kw_only=True)
class IssuerKey:
    """A token key of an issuer.

    Raises:
        MalformedError: not a 2048-bit key with an exponent from 65537.
    """

    n: int
    e: int

    def __post_init__(self) -> None:
        if self.n.bit_length() != KEY_BITS:  # its sign is PublicKey's to see
            raise MalformedError(f"issuer key: expected {KEY_BITS} bits")
        if self.e < MIN_EXPONENT:
            raise MalformedError(f"issuer key: expected an exponent from {MIN_EXPONENT}")
        PublicKey(n=self.n, e=self.e)  # the remaining limits are those of every RSA key

    @staticmethod
    def parse(spki: bytes) -> "IssuerKey":
        """Read a SubjectPublicKeyInfo of the one accepted spelling.

        Raises:
            MalformedError: anything else, another algorithm or other parameters among it.
        """
        if len(spki) > MAX_SPKI:
            raise MalformedError(f"issuer key: at most {MAX_SPKI} bytes are accepted")
        body = _value(spki, SEQUENCE)[0]
        bits = _value(body.removeprefix(ALGORITHM), BIT_STRING)[0]
        numbers = _value(bits[1:], SEQUENCE)[0]
        n, rest = _value(numbers, INTEGER)
        e, _ = _value(rest, INTEGER)
        key = IssuerKey(n=int.from_bytes(n, "big"), e=int.from_bytes(e, "big"))
        if key.spki != spki:
            raise MalformedError("issuer key: not the accepted spelling of id-RSASSA-PSS")
        return key

    @cached_property
    def spki(self) -> bytes:
        """The SubjectPublicKeyInfo."""
        numbers = _element(SEQUENCE, _integer(self.n) + _integer(self.e))
        return _element(SEQUENCE, ALGORITHM + _element(BIT_STRING, b"\0" + numbers))

    @cached_property
    def id(self) -> bytes:
        """The token key id: SHA-256 of the SubjectPublicKeyInfo."""
        return hashlib.sha256(self.spki).digest()

    @property
    def truncated_id(self) -> int:
        """The last byte of the id, by which a token request names the key."""
        return self.id[-1]

    @cached_property
    def rsa(self) -> PublicKey:
        """The numbers, for blinding and verification."""
        return PublicKey(n=self.n, e=self.e)


def _value(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """Take an element's value and what follows it. The caller compares the whole spelling."""
    if len(data) < 2 or data[0] != tag:
        raise MalformedError("issuer key: not a SubjectPublicKeyInfo of id-RSASSA-PSS")
    width = data[1] & 0x7F if data[1] & 0x80 else 0
    start = 2 + width
    size = int.from_bytes(data[2:start], "big") if width else data[1]
    return data[start : start + size], data[start + size :]


def _element(tag: int, value: bytes) -> bytes:
    size = len(value)
    if size < 0x80:
        return bytes([tag, size]) + value
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + value


def _integer(number: int) -> bytes:
    """Write a positive INTEGER: as many bytes as it needs with its sign bit clear."""
    return _element(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))

"""RSA blind signatures, the client's and the verifier's part (RFC 9474).

Theory of operation. The signer signs a number it cannot read:

    m = EMSA-PSS(prepared)      blinded = m · r^e mod n      r uniform, known to the client alone
    s = blinded^d mod n         the signer's part: gateway/rsa_private.py
    signature = s · r^-1 mod n  an ordinary RSASSA-PSS signature of `prepared`

For every valid signature there is exactly one r that leads from it to a given (blinded, s): whoever
keeps both transcripts learns nothing, whatever key the signer made. So `finalize` verifies before
it gives out anything, and a signer that answers wrongly only refuses service.

The four variants of RFC 9474, section 5, all with SHA-384 and MGF1-SHA-384; token type 0x0002 uses
the first:

    RSABSSA-SHA384-PSS-Deterministic      salt 48, prepared = message
    RSABSSA-SHA384-PSSZERO-Deterministic  salt 0,  prepared = message
    RSABSSA-SHA384-PSS-Randomized         salt 48, prepared = 32 random bytes ‖ message
    RSABSSA-SHA384-PSSZERO-Randomized     salt 0,  prepared = 32 random bytes ‖ message

A deterministic variant hides only messages with entropy of their own; a token has a nonce.

What is not constant time: Python's integers, in `blind` (m · r^e, r^-1) and `finalize` (· r^-1).
r is secret, used once and never sent; both run on the client's own machine, beside a network round
trip, and a peer sees one timing of one r. Who can measure finer than that is on the client's
machine, where the prompts are too. No private key is touched here: verification is the crypto
library's.
"""

import hashlib
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA384

from openpcc.protocol.errors import MalformedError, MisuseError, SignatureError

HASH_SIZE = 48
"""Bytes of SHA-384."""

PREFIX_SIZE = 32
"""Random bytes that a randomized variant puts before the message."""

MIN_BITS = 1024
MAX_BITS = 8192
"""Moduli accepted: shorter ones are broken, longer ones only cost time. Token keys have 2048."""

MAX_EXPONENT = 2**32 - 1
"""Public exponents are 65537 in practice; a long one makes every verifier pay."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One of the four named variants."""

    name: str
    salt_size: int
    prefix_size: int


PSS_RANDOMIZED = Variant(name="RSABSSA-SHA384-PSS-Randomized", salt_size=48, prefix_size=32)
PSSZERO_RANDOMIZED = Variant(name="RSABSSA-SHA384-PSSZERO-Randomized", salt_size=0, prefix_size=32)
PSS_DETERMINISTIC = Variant(name="RSABSSA-SHA384-PSS-Deterministic", salt_size=48, prefix_size=0)
PSSZERO_DETERMINISTIC = Variant(
    name="RSABSSA-SHA384-PSSZERO-Deterministic", salt_size=0, prefix_size=0
)

VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        variant.name: variant
        for variant in (
            PSS_RANDOMIZED,
            PSSZERO_RANDOMIZED,
            PSS_DETERMINISTIC,
            PSSZERO_DETERMINISTIC,
        )
    }
)
"""The named variants, by name (RFC 9474, section 5)."""


@dataclass(frozen=True, kw_only=True)
class PublicKey:
    """A signer's public key.

    Raises:
        MalformedError: not the numbers of an RSA key, or beyond the limits above.
    """

    n: int
    e: int

    def __post_init__(self) -> None:
        if not 2 ** (MIN_BITS - 1) < self.n < 2**MAX_BITS or self.n % 2 == 0:
            raise MalformedError(f"RSA modulus: expected odd, {MIN_BITS} to {MAX_BITS} bits")
        if not 3 <= self.e <= MAX_EXPONENT or self.e % 2 == 0:
            raise MalformedError(f"RSA exponent: expected odd, 3 to {MAX_EXPONENT}")

    @property
    def size(self) -> int:
        """Bytes of a signature."""
        return (self.n.bit_length() + 7) // 8

    @cached_property
    def verifier(self) -> rsa.RSAPublicKey:
        """The crypto library's form of the key."""
        return rsa.RSAPublicNumbers(self.e, self.n).public_key()


@dataclass(frozen=True, kw_only=True)
class Blinded:
    """What the client sends, and what it keeps to unblind the answer."""

    message: bytes
    inverse: int = field(repr=False)


def prepare(variant: Variant, message: bytes) -> bytes:
    """Prepare a message: identity, or a fresh random prefix (section 4.1)."""
    return prepare_with(message, prefix=secrets.token_bytes(variant.prefix_size))


def prepare_with(message: bytes, *, prefix: bytes) -> bytes:
    """Prepare with a given prefix, as published vectors need; empty is the identity."""
    return prefix + message


def blind(variant: Variant, key: PublicKey, prepared: bytes) -> Blinded:
    """Blind a prepared message with fresh randomness (section 4.2).

    Raises:
        MalformedError: the modulus is no product of two large primes.
    """
    salt = secrets.token_bytes(variant.salt_size)
    return blind_with(key, prepared, salt=salt, r=1 + secrets.randbelow(key.n - 1))


def blind_with(key: PublicKey, prepared: bytes, *, salt: bytes, r: int) -> Blinded:
    """Blind with a given salt and r; only published vectors should know them.

    Raises:
        MalformedError: m or r shares a factor with the modulus.
    """
    m = int.from_bytes(encode_pss(prepared, bits=key.n.bit_length() - 1, salt=salt), "big")
    if math.gcd(m, key.n) != 1:
        raise MalformedError("RSA modulus: the message shares a factor with it")
    try:
        inverse = pow(r, -1, key.n)
    except ValueError as error:
        raise MalformedError("RSA modulus: the blinding shares a factor with it") from error
    blinded = m * pow(r, key.e, key.n) % key.n
    return Blinded(message=blinded.to_bytes(key.size, "big"), inverse=inverse)


def finalize(
    variant: Variant, key: PublicKey, prepared: bytes, signature: bytes, inverse: int
) -> bytes:
    """Unblind the signer's answer and verify it (section 4.4); only a valid signature comes out.

    Raises:
        MalformedError: the answer has another length than the modulus.
        SignatureError: it is no signature of the blinded message.
    """
    if len(signature) != key.size:
        raise MalformedError(f"blind signature: expected {key.size} bytes")
    unblinded = int.from_bytes(signature, "big") * inverse % key.n
    result = unblinded.to_bytes(key.size, "big")
    verify(variant, key, prepared, result)
    return result


def verify(variant: Variant, key: PublicKey, prepared: bytes, signature: bytes) -> None:
    """Verify a signature of a prepared message: RSASSA-PSS with the variant's salt length.

    Raises:
        SignatureError: it does not verify.
    """
    scheme = padding.PSS(mgf=padding.MGF1(SHA384()), salt_length=variant.salt_size)
    try:
        key.verifier.verify(signature, prepared, scheme, SHA384())
    except InvalidSignature as error:
        raise SignatureError from error


def encode_pss(message: bytes, *, bits: int, salt: bytes) -> bytes:
    """EMSA-PSS-ENCODE with SHA-384 and MGF1-SHA-384 (RFC 8017, section 9.1.1).

    Args:
        message: what is signed.
        bits: the bits of the encoding, one less than the modulus has.
        salt: as long as the verifier expects.

    Raises:
        MisuseError: the hash and salt do not fit into so few bits.
    """
    size = (bits + 7) // 8
    masked_size = size - HASH_SIZE - 1
    if masked_size < len(salt) + 1:
        raise MisuseError("EMSA-PSS: hash and salt do not fit the modulus")
    digest = hashlib.sha384(bytes(8) + hashlib.sha384(message).digest() + salt).digest()
    block = int.from_bytes(b"\x01" + salt, "big")  # zeros stand before it
    mask = int.from_bytes(_mgf1(digest, masked_size), "big")
    top = 8 * size - bits  # bits of the first byte that stay clear, so that m < n
    masked = (block ^ mask) & ((1 << (8 * masked_size - top)) - 1)
    return masked.to_bytes(masked_size, "big") + digest + b"\xbc"


def _mgf1(seed: bytes, size: int) -> bytes:
    """MGF1-SHA-384 (RFC 8017, appendix B.2.1)."""
    blocks = range(-(-size // HASH_SIZE))
    stream = b"".join(hashlib.sha384(seed + i.to_bytes(4, "big")).digest() for i in blocks)
    return stream[:size]

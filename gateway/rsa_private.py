"""The raw RSA private operation: the one primitive here that is not the crypto library's.

Blind signing is m^d mod n on a number the signer cannot read, and no maintained Python library
offers that operation for RSA. So it stands here, alone, over GMP's side-channel silent
exponentiation (`gmpy2.powmod_sec`, the extra `openpcc[issuer]`). A key that is used here signs
whatever it is given: it must be made for token issuance and used for nothing else.

    1. blind   c = m · b^e mod n, b fresh and uniform for every signature; m is the caller's choice,
               c is not, so nothing below runs on a number that somebody outside knows
    2. CRT     s_p = c^dp mod p, s_q = c^dq mod q     (powmod_sec)
               s_c = s_q + q · ((s_p - s_q) · q^-1 mod p)
    3. undo    s = s_c · b^-1 mod n
    4. check   s^e = m mod n, before s leaves: one faulty half would give the factors of n away
               (Boneh, DeMillo, Lipton)

What is constant time: the exponentiations, in the exponent and in the base of a given size. What is
not: reductions, products, and the inversion. They work on c and its powers, which step 1 makes
uniform and unknown, and on b, which is inverted as b^-1 = t · (t · b)^-1 with a second fresh t, so
that what Euclid's algorithm shows is uniform too. Numbers of GMP and of Python are not wiped when
they are freed: the process that signs holds the key for as long as it runs, and should do little
else.
"""

import secrets
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.errors import FaultError, PrivateKeyError
from openpcc.protocol.errors import MalformedError

try:
    import gmpy2
except ImportError as error:
    raise ImportError("gateway.rsa_private needs gmpy2: install openpcc[issuer]") from error

BITS: Final = 2048
"""Bits of a new key: token type 0x0002 knows no other size."""

EXPONENT: Final = 65537

MAX_PEM: Final = 16384
"""Bytes of a key file; a key of 8192 bits has some 6400."""


class PrivateKey:
    """A signer's key, of any size; what sizes may issue is the caller's rule."""

    def __init__(self, key: RSAPrivateKey) -> None:
        """Take the numbers of a key whose consistency the crypto library has checked."""
        numbers = key.private_numbers()
        self.n: Final = numbers.public_numbers.n
        self.e: Final = numbers.public_numbers.e
        self._n = gmpy2.mpz(self.n)
        self._e = gmpy2.mpz(self.e)
        self._p = gmpy2.mpz(numbers.p)
        self._q = gmpy2.mpz(numbers.q)
        self._dp = gmpy2.mpz(numbers.dmp1)
        self._dq = gmpy2.mpz(numbers.dmq1)
        self._q_inverse = gmpy2.mpz(numbers.iqmp)
        self._key = key

    @classmethod
    def generate(cls) -> "PrivateKey":
        """Make a key for token issuance."""
        return cls(generate_private_key(EXPONENT, BITS))

    @classmethod
    def load(cls, pem: bytes) -> "PrivateKey":
        """Read an unencrypted PKCS#8 key, as rsaEncryption or id-RSASSA-PSS.

        Raises:
            PrivateKeyError: not such a key. The text holds nothing of it.
        """
        if len(pem) > MAX_PEM or b"-----BEGIN PRIVATE KEY-----" not in pem:
            raise PrivateKeyError("the signing key is not an unencrypted PKCS#8 key in PEM")
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise PrivateKeyError("the signing key cannot be read") from error
        if not isinstance(key, RSAPrivateKey):
            raise PrivateKeyError("the signing key is not an RSA key")
        return cls(key)

    def pem(self) -> bytes:
        """Write the key as unencrypted PKCS#8; whoever stores it keeps others from reading it."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def size(self) -> int:
        """Bytes of a blinded message and of a signature."""
        return (self.n.bit_length() + 7) // 8

    def blind_sign(self, blinded: bytes) -> bytes:
        """Sign a blinded message (RFC 9474, section 4.3).

        Raises:
            MalformedError: not as long as the modulus, or not below it.
            FaultError: the result was wrong. Nothing of it is given out.
        """
        if len(blinded) != self.size:
            raise MalformedError(f"blinded message: expected {self.size} bytes")
        m = gmpy2.mpz(int.from_bytes(blinded, "big"))
        if m >= self._n:
            raise MalformedError("blinded message: not below the modulus")
        b, b_inverse = self._blinding()
        c = m * gmpy2.powmod_sec(b, self._e, self._n) % self._n  # 1
        s = self._power(c) * b_inverse % self._n  # 2, 3
        if gmpy2.powmod(s, self._e, self._n) != m:  # 4
            raise FaultError("a signature did not verify: the machine or the key is at fault")
        return int(s).to_bytes(self.size, "big")

    def _power(self, c: Any) -> Any:
        """Compute c^d mod n from its two halves."""
        s_p = gmpy2.powmod_sec(c % self._p, self._dp, self._p)
        s_q = gmpy2.powmod_sec(c % self._q, self._dq, self._q)
        return s_q + self._q * ((s_p - s_q) * self._q_inverse % self._p)

    def _blinding(self) -> tuple[Any, Any]:
        """Give a fresh uniform number and its inverse, inverted behind a second one."""
        b, t = (gmpy2.mpz(1 + secrets.randbelow(self.n - 1)) for _ in range(2))
        return b, t * gmpy2.invert(t * b % self._n, self._n) % self._n

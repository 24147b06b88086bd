"""What a TPM signs with. TPM 2.0 Part 2, section 11.3.4 (TPMT_SIGNATURE).

    0014 000b 0100 6c8cf25d…              RSASSA with SHA-256, 256 bytes
    0016 000c 0100 …                      RSAPSS with SHA-384
    0018 000b 0020 … 0020 …               ECDSA with SHA-256, r and s

Some tools keep the bytes of an RSA signature alone; what they leave out is RSASSA with SHA-256.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.tcg_log import Bank
from attestation.tpm.public import AkKey
from attestation.tpm.wire import Reader, sized, whole

MAX_RSA = 512
"""Bytes of an RSA signature: 4096 bits."""

MAX_COORDINATE = 48
"""Bytes of r and s: P-384."""

BARE_SIZES = (256, 384, 512)
"""Bytes of an RSA signature that comes without its scheme."""

HASHES = MappingProxyType(
    {Bank.SHA256: hashes.SHA256(), Bank.SHA384: hashes.SHA384(), Bank.SHA512: hashes.SHA512()}
)
"""Hashes a quote may be signed with: no SHA-1."""


class Scheme(IntEnum):
    """Signature schemes by their TCG id."""

    RSASSA = 0x0014
    RSAPSS = 0x0016
    ECDSA = 0x0018


@dataclass(frozen=True, kw_only=True)
class Signature:
    """A parsed signature.

    Attributes:
        scheme: which of the three.
        hashed: hash of what is signed.
        values: the signature of RSA; r and s of ECDSA, as many bytes as the TPM wrote.
    """

    scheme: Scheme
    hashed: Bank
    values: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def parse(cls, data: bytes) -> "Signature":
        """Read a TPMT_SIGNATURE that is all of these bytes.

        Raises:
            MalformedEvidenceError: another scheme or hash, or a wrong length.
        """
        return whole(data, "quote signature", _signature)

    @classmethod
    def parse_any(cls, data: bytes) -> "Signature":
        """Read a TPMT_SIGNATURE, or the bytes of an RSA signature alone.

        Raises:
            MalformedEvidenceError: neither.
        """
        try:
            return cls.parse(data)
        except MalformedEvidenceError:
            if len(data) not in BARE_SIZES:
                raise
        return cls(scheme=Scheme.RSASSA, hashed=Bank.SHA256, values=(data,))

    def encode(self) -> bytes:
        """Write a TPMT_SIGNATURE."""
        head = self.scheme.to_bytes(2, "big") + self.hashed.to_bytes(2, "big")
        return head + b"".join(map(sized, self.values))


def check_signature(message: bytes, signature: Signature, key: AkKey) -> None:
    """Judge that the AK signed a message.

    Raises:
        AppraisalError: by a hash or scheme that does not count, or it did not.
    """
    hashed = HASHES.get(signature.hashed)
    if hashed is None:
        raise AppraisalError(
            "hash of the quote",
            expected=" or ".join(one.name for one in HASHES),
            actual=signature.hashed.name,
        )
    try:
        match signature.scheme, key:
            case Scheme.ECDSA, ec.EllipticCurvePublicKey():
                r, s = (int.from_bytes(value, "big") for value in signature.values)
                key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashed))
            case Scheme.RSASSA, rsa.RSAPublicKey():
                key.verify(signature.values[0], message, padding.PKCS1v15(), hashed)
            case Scheme.RSAPSS, rsa.RSAPublicKey():
                # The TPM chooses the salt's length: the digest's, or all there is room for.
                pss = padding.PSS(padding.MGF1(hashed), padding.PSS.AUTO)
                key.verify(signature.values[0], message, pss, hashed)
            case _:
                raise AppraisalError(
                    "AK", expected=f"a key for {signature.scheme.name}", actual="another key"
                )
    except InvalidSignature as error:
        raise AppraisalError(
            "signature", expected="signed by the AK", actual="the signature does not verify"
        ) from error


def _signature(reader: Reader) -> Signature:
    scheme, hashed = reader.number(2), reader.number(2)
    if scheme not in set(Scheme) or hashed not in set(Bank):
        raise reader.malformed(f"scheme {scheme:#06x} with hash {hashed:#06x}")
    if scheme == Scheme.ECDSA:
        values = tuple(reader.sized(MAX_COORDINATE, name) for name in ("r", "s"))
    else:
        values = (reader.sized(MAX_RSA, "RSA signature"),)
    return Signature(scheme=Scheme(scheme), hashed=Bank(hashed), values=values)

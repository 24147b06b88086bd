"""The SEV-SNP attestation report, byte by byte. AMD 56860, "ATTESTATION_REPORT", versions 2 to 5.

    02000000 00000000 00000b0000000000 ...    1184 bytes: version 2, guest SVN 0, policy 0xb0000

`FIELDS` is the one table of the format: parser, encoder, explanation and tests read it. A report
has one spelling, because everything that has no meaning must be zero, signed or not: the reserved
regions, what a later version added, and the upper 24 of the 72 bytes that hold r and s each. What
the fields must say is for `attestation.sev_snp.authenticate`.
"""

import struct
from types import MappingProxyType
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from attestation.errors import AppraisalError, MalformedEvidenceError

REPORT_SIZE = 1184
"""Bytes of a report, in every version."""

SIGNED_SIZE = 0x2A0
"""Bytes the signature covers, from the first on."""

VERSIONS = (2, 3, 4, 5)
"""Report versions whose meaning is known."""

NEVER = VERSIONS[-1] + 1
"""First version of a region that no known version gives a meaning."""

ECDSA_P384_SHA384 = 1
"""The one signature algorithm there is; 0 says the report is not signed."""


ECDSA_SHA384 = ec.ECDSA(hashes.SHA384())
"""The same, for the library."""


class Field(NamedTuple):
    """One region of the report.

    Attributes:
        code: how `struct` reads it, little endian; `x` is a region without a value.
        since: first report version that gives it a meaning; zero in earlier ones.
    """

    name: str
    offset: int
    code: str
    since: int = VERSIONS[0]

    @property
    def size(self) -> int:
        """Give its size in bytes."""
        return struct.calcsize("<" + self.code)


FIELDS = (
    Field("version", 0x000, "I"),
    Field("guest_svn", 0x004, "I"),
    Field("policy", 0x008, "Q"),
    Field("family_id", 0x010, "16s"),
    Field("image_id", 0x020, "16s"),
    Field("vmpl", 0x030, "I"),
    Field("signature_algo", 0x034, "I"),
    Field("current_tcb", 0x038, "8s"),
    Field("platform_info", 0x040, "Q"),
    Field("signer_info", 0x048, "I"),
    Field("reserved", 0x04C, "4x", NEVER),
    Field("report_data", 0x050, "64s"),
    Field("measurement", 0x090, "48s"),
    Field("host_data", 0x0C0, "32s"),
    Field("id_key_digest", 0x0E0, "48s"),
    Field("author_key_digest", 0x110, "48s"),
    Field("report_id", 0x140, "32s"),
    Field("report_id_ma", 0x160, "32s"),
    Field("reported_tcb", 0x180, "8s"),
    Field("cpuid_family", 0x188, "B", 3),
    Field("cpuid_model", 0x189, "B", 3),
    Field("cpuid_stepping", 0x18A, "B", 3),
    Field("reserved", 0x18B, "21x", NEVER),
    Field("chip_id", 0x1A0, "64s"),
    Field("committed_tcb", 0x1E0, "8s"),
    Field("current_build", 0x1E8, "B"),
    Field("current_minor", 0x1E9, "B"),
    Field("current_major", 0x1EA, "B"),
    Field("reserved", 0x1EB, "x", NEVER),
    Field("committed_build", 0x1EC, "B"),
    Field("committed_minor", 0x1ED, "B"),
    Field("committed_major", 0x1EE, "B"),
    Field("reserved", 0x1EF, "x", NEVER),
    Field("launch_tcb", 0x1F0, "8s"),
    Field("launch_mit_vector", 0x1F8, "Q", 5),
    Field("current_mit_vector", 0x200, "Q", 5),
    Field("reserved", 0x208, "152x", NEVER),
    Field("signature_r", 0x2A0, "48s"),
    Field("padding of r", 0x2D0, "24x", NEVER),
    Field("signature_s", 0x2E8, "48s"),
    Field("padding of s", 0x318, "24x", NEVER),
    Field("reserved", 0x330, "368x", NEVER),
)
"""Every region, in order and without a gap."""

LAYOUT = struct.Struct("<" + "".join(field.code for field in FIELDS))
"""The whole report; what is reserved is passed over, and written as zero."""

NAMES = tuple(field.name for field in FIELDS if not field.code.endswith("x"))
"""The fields that have a value, in order; those of `Report`."""

ZERO = MappingProxyType(
    {
        version: tuple(
            (field.name, slice(field.offset, field.offset + field.size), bytes(field.size))
            for field in FIELDS
            if field.since > version
        )
        for version in VERSIONS
    }
)
"""Version to the regions that are zero in it: name, where, and the zeros to compare with."""


class Policy:
    """Bits of the guest policy. AMD 56860, "Guest Policy"."""

    SMT = 1 << 16
    ALWAYS_ONE = 1 << 17
    MIGRATE_MA = 1 << 18
    DEBUG = 1 << 19
    SINGLE_SOCKET = 1 << 20
    CXL_ALLOW = 1 << 21
    MEM_AES_256_XTS = 1 << 22
    RAPL_DIS = 1 << 23
    CIPHERTEXT_HIDING = 1 << 24
    PAGE_SWAP_DISABLE = 1 << 25
    RESERVED = 2**64 - 2**26
    """Bits without a meaning in the known versions."""


class SignerInfo:
    """Bits of the field that says which key signed. AMD 56860, "ATTESTATION_REPORT"."""

    AUTHOR_KEY_EN = 1 << 0
    MASK_CHIP_KEY = 1 << 1
    RESERVED = 2**32 - 2**5
    """Bits without a meaning in the known versions."""


SIGNING_KEYS = MappingProxyType({0: "VCEK", 1: "VLEK", 7: "NONE"})
"""Number of the signing key to its name; bits 4:2 of `signer_info`."""


class Report(NamedTuple):
    """The fields of a report, in the order and under the names of AMD 56860; numbers are unsigned.

    Attributes:
        signature_r: of ECDSA P-384 over `signed_bytes()`; 48 bytes, little endian.
        signature_s: likewise.
    """

    version: int
    guest_svn: int
    policy: int
    family_id: bytes
    image_id: bytes
    vmpl: int
    signature_algo: int
    current_tcb: bytes
    platform_info: int
    signer_info: int
    report_data: bytes
    measurement: bytes
    host_data: bytes
    id_key_digest: bytes
    author_key_digest: bytes
    report_id: bytes
    report_id_ma: bytes
    reported_tcb: bytes
    cpuid_family: int
    cpuid_model: int
    cpuid_stepping: int
    chip_id: bytes
    committed_tcb: bytes
    current_build: int
    current_minor: int
    current_major: int
    committed_build: int
    committed_minor: int
    committed_major: int
    launch_tcb: bytes
    launch_mit_vector: int
    current_mit_vector: int
    signature_r: bytes
    signature_s: bytes

    @classmethod
    def parse(cls, data: bytes) -> "Report":
        """Read a report.

        Raises:
            MalformedEvidenceError: another length or version, or a byte that must be zero is not.
        """
        if len(data) != REPORT_SIZE:
            raise MalformedEvidenceError(f"report: {len(data)} bytes, expected {REPORT_SIZE}")
        values = LAYOUT.unpack(data)
        version = values[0]
        if version not in ZERO:
            raise MalformedEvidenceError(f"report: version {version}, expected one of {VERSIONS}")
        for name, where, zero in ZERO[version]:
            if data[where] != zero:
                raise MalformedEvidenceError(
                    f"report: {name} at {where.start:#05x} is not zero in version {version}"
                )
        return cls._make(values)

    @property
    def signing_key(self) -> str:
        """Name the kind of key that signed; its number where it has no name."""
        number = self.signer_info >> 2 & 7
        return SIGNING_KEYS.get(number, str(number))

    def encode(self) -> bytes:
        """Write the report."""
        return LAYOUT.pack(*self)

    def signed_bytes(self) -> bytes:
        """Give the bytes that the signature covers.

        They are those it was read from: a report has one spelling.
        """
        return self.encode()[:SIGNED_SIZE]


def check_signature(report: Report, key: CertificatePublicKeyTypes, *, signer: str) -> None:
    """Judge that a key signed the report.

    Raises:
        AppraisalError: another algorithm or kind of key, or it did not sign this.
    """
    if report.signature_algo != ECDSA_P384_SHA384:
        raise AppraisalError(
            "signature algorithm",
            expected="1 (ECDSA P-384 with SHA-384)",
            actual=str(report.signature_algo),
        )
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise AppraisalError("key", expected=f"a P-384 key of {signer}", actual="another key")
    r = int.from_bytes(report.signature_r, "little")
    s = int.from_bytes(report.signature_s, "little")
    try:
        key.verify(encode_dss_signature(r, s), report.signed_bytes(), ECDSA_SHA384)
    except InvalidSignature as error:
        raise AppraisalError(
            "signature", expected=f"signed by {signer}", actual="the signature does not verify"
        ) from error

"""Quote and device report of the simulated platform, byte by byte. docs/formats.md, 3.5.

quote   4F505351 0001 0000 0001 0001 00000000 <machine id> <measurement> <registers> ...   448 bytes
device  4F505344 0001 0002 <nonce> <block> <block> <signature>
"""

import hashlib
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from attestation.errors import AppraisalError, MalformedEvidenceError

QUOTE_SIZE = 448
"""Bytes of a quote."""

SIGNATURE_SIZE = 96
"""Bytes of a signature: r and s of ECDSA P-384, big endian."""

COORDINATE_SIZE = 48
"""Bytes of r and of s."""

MEASUREMENT_SIZE = 48
"""Bytes of a measurement, register or block: SHA-384."""

REGISTERS = 4
"""Registers of a quote."""

DEBUG = 1
"""Flag: the host may look into the guest."""

MIGRATABLE = 2
"""Flag: the host may move the guest."""

MAX_BLOCKS = 64
"""Measurement blocks of a device report, as many as a GPU has."""

VERSION = 1
"""Version of both structures."""

QUOTE_HEAD = struct.Struct(">4sHHHHI32s48s192s64s")
"""Magic, version, flags, firmware, microcode, zero, machine id, measurement, registers, data."""

QUOTE_FIELDS = (
    ("2.signature", "signed bytes", 0, 352),
    ("2.signature", "signature", 352, SIGNATURE_SIZE),
    ("2.identity", "machine id", 16, 32),
    ("2.identity", "firmware and microcode", 8, 4),
    ("2.tcb", "firmware and microcode", 8, 4),
    ("3.binding", "report data", 288, 64),
    ("8.measurement", "measurement", 48, MEASUREMENT_SIZE),
    ("8.eventlog", "registers", 96, 192),
    ("8.debug", "flags", 6, 2),
    ("8.migration", "flags", 6, 2),
)
"""Check, field, offset and size of what the checks rest on."""

DEVICE_HEAD = struct.Struct(">4sHH32s")
"""Magic, version, number of blocks, nonce."""

DEVICE_FIRMWARE = ("openpcc simulated gpu firmware 1.0", "openpcc simulated gpu driver 1.0")
"""What a simulated GPU runs; block i is SHA-384 of text i."""


@dataclass(frozen=True, kw_only=True)
class Quote:
    """The fields of a quote. `signature` is r ‖ s over `signed_bytes()`."""

    flags: int
    firmware: int
    microcode: int
    machine_id: bytes
    measurement: bytes
    registers: tuple[bytes, ...]
    report_data: bytes
    signature: bytes = bytes(SIGNATURE_SIZE)

    @classmethod
    def parse(cls, data: bytes) -> "Quote":
        """Read a quote.

        Raises:
            MalformedEvidenceError: another length, magic or version, or a reserved bit set.
        """
        if len(data) != QUOTE_SIZE:
            raise MalformedEvidenceError(f"quote: {len(data)} bytes, expected {QUOTE_SIZE}")
        fields = QUOTE_HEAD.unpack_from(data)
        magic, version, flags, firmware, microcode, zero, machine, launch, registers, user = fields
        if magic != b"OPSQ" or version != VERSION:
            raise MalformedEvidenceError("quote: not a simulated quote of version 1")
        if flags & ~(DEBUG | MIGRATABLE) or zero:
            raise MalformedEvidenceError("quote: a reserved bit is set")
        return cls(
            flags=flags,
            firmware=firmware,
            microcode=microcode,
            machine_id=machine,
            measurement=launch,
            registers=_cut(registers),
            report_data=user,
            signature=data[QUOTE_HEAD.size :],
        )

    def signed_bytes(self) -> bytes:
        """Give the bytes that the signature covers."""
        return QUOTE_HEAD.pack(
            b"OPSQ",
            VERSION,
            self.flags,
            self.firmware,
            self.microcode,
            0,
            self.machine_id,
            self.measurement,
            b"".join(self.registers),
            self.report_data,
        )

    def encode(self) -> bytes:
        """Write the quote."""
        return self.signed_bytes() + self.signature


@dataclass(frozen=True, kw_only=True)
class DeviceReport:
    """The fields of a device report. `signature` is r ‖ s over `signed_bytes()`."""

    nonce: bytes
    blocks: tuple[bytes, ...]
    signature: bytes = bytes(SIGNATURE_SIZE)

    @classmethod
    def parse(cls, data: bytes) -> "DeviceReport":
        """Read a device report.

        Raises:
            MalformedEvidenceError: another length, magic or version, or too many blocks.
        """
        if len(data) < DEVICE_HEAD.size:
            raise MalformedEvidenceError("device report: shorter than its head")
        magic, version, count, nonce = DEVICE_HEAD.unpack_from(data)
        if magic != b"OPSD" or version != VERSION:
            raise MalformedEvidenceError("device report: not a simulated one of version 1")
        end = DEVICE_HEAD.size + MEASUREMENT_SIZE * count
        if not 1 <= count <= MAX_BLOCKS or len(data) != end + SIGNATURE_SIZE:
            raise MalformedEvidenceError("device report: its length is not that of its blocks")
        return cls(nonce=nonce, blocks=_cut(data[DEVICE_HEAD.size : end]), signature=data[end:])

    def signed_bytes(self) -> bytes:
        """Give the bytes that the signature covers."""
        head = DEVICE_HEAD.pack(b"OPSD", VERSION, len(self.blocks), self.nonce)
        return head + b"".join(self.blocks)

    def encode(self) -> bytes:
        """Write the report."""
        return self.signed_bytes() + self.signature


def device_blocks() -> tuple[bytes, ...]:
    """Give the measurement blocks of an untampered simulated GPU."""
    return tuple(hashlib.sha384(text.encode()).digest() for text in DEVICE_FIRMWARE)


def sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """Sign with ECDSA P-384 and SHA-384; gives r ‖ s."""
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA384())))
    return r.to_bytes(COORDINATE_SIZE, "big") + s.to_bytes(COORDINATE_SIZE, "big")


def check_signature(
    key: CertificatePublicKeyTypes, signature: bytes, data: bytes, *, signer: str
) -> None:
    """Judge an ECDSA P-384 signature r ‖ s.

    Raises:
        AppraisalError: the key is of another kind, or it did not sign this.
    """
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise AppraisalError("key", expected=f"a P-384 key of {signer}", actual="another key")
    r = int.from_bytes(signature[:COORDINATE_SIZE], "big")
    s = int.from_bytes(signature[COORDINATE_SIZE:], "big")
    try:
        key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA384()))
    except InvalidSignature as error:
        raise AppraisalError(
            "signature", expected=f"signed by {signer}", actual="the signature does not verify"
        ) from error


def _cut(data: bytes) -> tuple[bytes, ...]:
    return tuple(data[at : at + MEASUREMENT_SIZE] for at in range(0, len(data), MEASUREMENT_SIZE))

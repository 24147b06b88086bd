"""The device report, byte by byte: a request of SPDM 1.1 and the device's answer. DSP0274, 10.11.

    11e001ff <nonce, 32> 00         GET_MEASUREMENTS: all blocks, signed, by the key in slot 0
    11600000 40 c00d00 ...          MEASUREMENTS: 64 blocks of 3520 bytes in all
    <nonce, 32> a601 ...            the device's nonce, 422 bytes of opaque data
    <r, 48> <s, 48>                 ECDSA P-384 with SHA-384 over everything before it

Every length inside must fit every other exactly. Blocks come in rising order and each type of
opaque data at most once, so a report never says one thing twice. What it must say is for
`attestation.nvidia.authenticate`.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property, lru_cache
from itertools import pairwise
from types import MappingProxyType

from attestation.errors import MalformedEvidenceError
from attestation.sections import MAX_REPORT

REQUEST = bytes.fromhex("11e001ff")
"""SPDM 1.1, GET_MEASUREMENTS, with a signature, of all blocks."""

RESPONSE = bytes.fromhex("1160")
"""SPDM 1.1, MEASUREMENTS."""

NONCE_SIZE = 32
"""Bytes of either nonce."""

REQUEST_SIZE = len(REQUEST) + NONCE_SIZE + 1
"""Bytes of the request; its last is the slot of the key."""

SIGNATURE_SIZE = 96
"""Bytes of r and s, big endian."""

BLOCK = struct.Struct("<BBHBH")
"""What stands before a value: index, specification, size of the rest, value type, value size."""

DMTF = 1
"""The one measurement specification there is."""

PDI_SIZE = 8
"""Bytes of the id by which GPUs and switches name each other."""


KEPT_REPORTS = 128
"""Parsed reports remembered: a device's is read for every check, and a machine has many devices."""


class Opaque(IntEnum):
    """Types of opaque data that are read here; others are kept and not looked at."""

    DRIVER_VERSION = 3
    VBIOS_VERSION = 6
    NVDEC0_STATUS = 11
    MEASUREMENT_COUNTS = 12
    BOARD_ID = 14
    CHIP_SKU = 15
    CHIP_SKU_MOD = 16
    PROJECT = 17
    PROJECT_SKU = 18
    PROJECT_SKU_MOD = 19
    FWID = 20
    PROTECTED_PCIE_STATUS = 21
    SWITCH_PDIS = 22
    LOCK_SWITCH_STATUS = 25
    VERSION = 34
    CHIP_INFO = 35
    FEATURE_FLAG = 36


TEXTS = frozenset(
    {
        Opaque.DRIVER_VERSION,
        Opaque.CHIP_SKU,
        Opaque.CHIP_SKU_MOD,
        Opaque.PROJECT,
        Opaque.PROJECT_SKU,
        Opaque.PROJECT_SKU_MOD,
        Opaque.CHIP_INFO,
    }
)
"""Types that hold ASCII, filled up with NUL."""

SIZES = {Opaque.NVDEC0_STATUS: 1, Opaque.FWID: 48, Opaque.PROTECTED_PCIE_STATUS: 1}
"""Bytes of the types whose value decides something."""

DISABLED, ENABLED = 0x55, 0xAA
"""Spelling of a status of one byte."""

PROTECTED_PCIE = 2
"""Feature flag of that mode; 0 is one GPU, 1 several with encrypted links."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """One measurement.

    Attributes:
        index: from 1.
        value_type: what was measured, and whether `value` is its digest. DSP0274, table 43.
        value: the measurement.
    """

    index: int
    value_type: int
    value: bytes


@dataclass(frozen=True, kw_only=True)
class Report:
    """A parsed report; claims, not facts.

    Attributes:
        nonce: what the device was asked with.
        slot: of the key it was asked to sign with.
        param1: of the response; signed, without meaning here.
        param2: the same.
        blocks: in rising order of index.
        responder_nonce: of the device; keeps it from signing chosen bytes.
        opaque: type to value, in the order of the report.
        signature: r ‖ s.
        signed: every byte before the signature, the request included.
    """

    nonce: bytes
    slot: int
    param1: int
    param2: int
    blocks: tuple[Block, ...] = field(repr=False)
    responder_nonce: bytes
    opaque: Mapping[int, bytes] = field(repr=False)
    signature: bytes = field(repr=False)
    signed: bytes = field(repr=False)

    @classmethod
    def parse(cls, data: bytes) -> "Report":
        """Read data that is exactly one report.

        Raises:
            MalformedEvidenceError: it is not.
        """
        report, rest = cls.split(data)
        if rest:
            raise MalformedEvidenceError(f"report: {len(rest)} bytes after the signature")
        return report

    @classmethod
    def split(cls, data: bytes) -> "tuple[Report, bytes]":
        """Read the report that data begins with, and give the bytes after it.

        Raises:
            MalformedEvidenceError: it begins with none.
        """
        if len(data) > MAX_REPORT:
            raise MalformedEvidenceError(f"report: more than {MAX_REPORT} bytes")
        return _read(data)

    @cached_property
    def measurements(self) -> Mapping[int, bytes]:
        """Give block index to value."""
        return MappingProxyType({block.index: block.value for block in self.blocks})

    @property
    def vbios_version(self) -> str | None:
        """Give the version of the VBIOS, or of a switch's BIOS, as `96.00.9F.00.01`."""
        value = self.opaque.get(Opaque.VBIOS_VERSION)
        if value is None or len(value) != 8:
            return None if value is None else _text(Opaque.VBIOS_VERSION, value)
        reversed_bytes = value[::-1]
        shown = reversed_bytes[4:] + reversed_bytes[3:4]
        return ".".join(f"{byte:02X}" for byte in shown)

    @property
    def nvdec0_disabled(self) -> bool:
        """Say whether the first video decoder is switched off."""
        return self.opaque.get(Opaque.NVDEC0_STATUS) == bytes((DISABLED,))

    @property
    def protected_pcie(self) -> bool:
        """Say whether the GPU is in protected-PCIe mode, where switches see what it sends."""
        status = self.opaque.get(Opaque.PROTECTED_PCIE_STATUS)
        flag = self.opaque.get(Opaque.FEATURE_FLAG, b"")
        return status == bytes((ENABLED,)) or int.from_bytes(flag, "little") == PROTECTED_PCIE

    @property
    def switch_pdis(self) -> tuple[bytes, ...]:
        """Give the switches that are named: by a GPU one for each link, by a switch itself."""
        value = self.opaque.get(Opaque.SWITCH_PDIS, b"")
        return tuple(value[at : at + PDI_SIZE] for at in range(0, len(value), PDI_SIZE))

    def text(self, kind: Opaque) -> str | None:
        """Give opaque data of `TEXTS`, without its filling; None where there is none."""
        value = self.opaque.get(kind)
        return None if value is None else _text(kind, value)


class _Reader:
    """Takes bytes from the front; nothing beyond the end."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._name = name
        self.at = 0

    def take(self, size: int) -> bytes:
        """Take exactly `size` bytes."""
        value = self._data[self.at : self.at + size]
        if len(value) != size:
            raise MalformedEvidenceError(f"report: {self._name} is cut")
        self.at += size
        return value

    def number(self, size: int) -> int:
        """Take a number, little endian."""
        return int.from_bytes(self.take(size), "little")

    @property
    def ended(self) -> bool:
        """Say whether every byte was taken."""
        return self.at == len(self._data)


@lru_cache(maxsize=KEPT_REPORTS)
def _read(data: bytes) -> tuple[Report, bytes]:
    """Read a report and give what follows, or remember having read it; nothing in it can change."""
    reader = _Reader(data, "the report")
    if reader.take(len(REQUEST)) != REQUEST:
        raise MalformedEvidenceError("report: expected a request of SPDM 1.1 for all measurements")
    nonce, slot = reader.take(NONCE_SIZE), reader.number(1)
    if reader.take(len(RESPONSE)) != RESPONSE:
        raise MalformedEvidenceError("report: expected a response of SPDM 1.1 with measurements")
    param1, param2, count = reader.number(1), reader.number(1), reader.number(1)
    blocks = _blocks(reader.take(reader.number(3)), count)
    responder_nonce = reader.take(NONCE_SIZE)
    opaque = _opaque(reader.take(reader.number(2)))
    signed = data[: reader.at]
    report = Report(
        nonce=nonce,
        slot=slot,
        param1=param1,
        param2=param2,
        blocks=blocks,
        responder_nonce=responder_nonce,
        opaque=MappingProxyType(opaque),
        signature=reader.take(SIGNATURE_SIZE),
        signed=signed,
    )
    return report, data[reader.at :]


def _blocks(data: bytes, count: int) -> tuple[Block, ...]:
    """Read the measurement record; `count` has one byte, so there are at most 255."""
    reader = _Reader(data, "the measurement record")
    blocks = tuple(_block(reader) for _ in range(count))
    if not reader.ended:
        raise MalformedEvidenceError("report: more measurements than it counts")
    indexes = [0, *(block.index for block in blocks)]
    if not blocks or any(one >= other for one, other in pairwise(indexes)):
        raise MalformedEvidenceError("report: measurements are not in rising order from 1")
    return blocks


def _block(reader: _Reader) -> Block:
    index, specification, size, value_type, value_size = BLOCK.unpack(reader.take(BLOCK.size))
    if specification != DMTF or size != value_size + 3 or not value_size:
        raise MalformedEvidenceError(f"report: measurement {index} is not of the DMTF's form")
    return Block(index=index, value_type=value_type, value=reader.take(value_size))


def _opaque(data: bytes) -> dict[int, bytes]:
    reader = _Reader(data, "the opaque data")
    found: dict[int, bytes] = {}
    while not reader.ended:
        kind, size = reader.number(2), reader.number(2)
        if kind in found:
            raise MalformedEvidenceError(f"report: opaque data {kind} stands there twice")
        found[kind] = reader.take(size)
    _check_opaque(found)
    return found


def _check_opaque(found: Mapping[int, bytes]) -> None:
    """Refuse values that later code could not read."""
    for kind in TEXTS.intersection(found):
        _text(kind, found[kind])
    vbios = found.get(Opaque.VBIOS_VERSION, b"")
    if len(vbios) != 8:
        _text(Opaque.VBIOS_VERSION, vbios)
    for kind, size in SIZES.items():
        if len(found.get(kind, bytes(size))) != size:
            raise MalformedEvidenceError(f"report: {kind.name} is not of {size} bytes")
    if len(found.get(Opaque.SWITCH_PDIS, b"")) % PDI_SIZE:
        raise MalformedEvidenceError("report: SWITCH_PDIS is not of whole ids")


def _text(kind: int, value: bytes) -> str:
    shown = value.rstrip(b"\0")
    if not shown.isascii() or not shown.decode("ascii").isprintable():
        raise MalformedEvidenceError(f"report: {Opaque(kind).name} is not printable ASCII")
    return shown.decode("ascii")

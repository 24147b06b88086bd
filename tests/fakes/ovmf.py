"""Small firmware with the tables that launches read: as OVMF's, on pages that do nothing."""

import hashlib
import struct
import uuid
from collections.abc import Sequence

PAGE = 4096
TABLE = "96b582de-1fb2-45f7-baea-a366c55a082d"
SEV_METADATA = "dc886566-984a-4798-a75e-5585a7bf67cc"
SEV_HASHES = "7255371f-3a3b-4b04-927b-1da6efa8d454"
SEV_RESET = "00f771de-1a7e-4fcb-890e-68c77e2fb44e"
TDX_METADATA = "e47a6535-984a-4798-865e-4685a7bf8ec2"
METADATA_AT = 0x400
"""Offset of the metadata in the last page."""

SEV = (
    (0x800000, 0x3000, 1),
    (0x80D000, 0x1000, 2),
    (0x80E000, 0x1000, 3),
    (0x80F000, 0x1000, 4),
    (0x810000, 0x1000, 0x10),
    (0x811000, 0x2000, 1),
)
"""Address, size, kind: every kind there is."""

TDX = (
    (0x2000, 0x6000, 0xFFFFA000, 0x6000, 0, 1),
    (0x0000, 0x2000, 0xFFFF8000, 0x2000, 1, 0),
    (0, 0, 0x810000, 0x2000, 3, 0),
    (0, 0, 0x809000, 0x1000, 2, 0),
    (0x2000, 0x800, 0x820000, 0x1000, 7, 1),
    (0, 0, 0x900000, 0x2000, 8, 2),
)
"""Offset, bytes, address, size, kind, attributes: with one that is filled up, one not added."""


def firmware(
    *,
    sev: Sequence[tuple[int, int, int]] | None = SEV,
    tdx: Sequence[tuple[int, int, int, int, int, int]] | None = TDX,
    hashes: int = 0x810C00,
    reset: int = 0x80B004,
    pages: int = 8,
) -> bytes:
    """Give a firmware; without metadata of a vendor, its entry is not in the table either."""
    data = bytearray(
        b"".join(hashlib.sha256(bytes([page])).digest() * (PAGE // 32) for page in range(pages))
    )
    place, entries = len(data) - PAGE + METADATA_AT, b""
    if sev is not None:
        block = struct.pack("<4sIII", b"ASEV", 16 + 12 * len(sev), 1, len(sev))
        block += b"".join(struct.pack("<III", *one) for one in sev)
        data[place : place + len(block)] = block
        entries += entry(SEV_METADATA, struct.pack("<I", len(data) - place))
        entries += entry(SEV_HASHES, struct.pack("<II", hashes, 0x400))
        entries += entry(SEV_RESET, struct.pack("<I", reset))
        place += len(block)
    if tdx is not None:
        block = struct.pack("<4sIII", b"TDVF", 16 + 32 * len(tdx), 1, len(tdx))
        block += b"".join(struct.pack("<IIQQII", *one) for one in tdx)
        data[place : place + len(block)] = block
        entries += entry(TDX_METADATA, struct.pack("<I", len(data) - place))
    return with_table(bytes(data), entries)


def entry(guid: str, data: bytes) -> bytes:
    """Give an entry of the table."""
    return data + struct.pack("<H", len(data) + 18) + uuid.UUID(guid).bytes_le


def with_table(data: bytes, entries: bytes, *, size: int | None = None) -> bytes:
    """Put a table in, 32 bytes before the end."""
    own = len(entries) + 18 if size is None else size
    table = entries + struct.pack("<H", own) + uuid.UUID(TABLE).bytes_le
    return data[: -32 - len(table)] + table + data[-32:]

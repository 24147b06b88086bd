"""Puts the host's document into a partition named `openpcc-host` (docs/formats.md, 12.2).

Clouds give disks no serial number of our choice, so the partition has the name. UEFI 2.10, 5.3:

    0     protective MBR        2..33       entries          2048..4095   the document's first MiB
    1     header                4096..      zeros            last 33      entries and header again

The same document gives the same bytes: identities are made of its digest.
"""

import hashlib
import struct
import uuid
import zlib

SECTOR = 512
"""Bytes of a sector, on every disk that is made here."""

NAME = "openpcc-host"
"""What the image's udev rules look for."""

FIRST = 2048
"""Sector where the partition begins, at the first MiB."""

ENTRIES, ENTRY = 128, 128
"""Entries of a table, and bytes of each."""

TABLE_SECTORS = ENTRIES * ENTRY // SECTOR
"""Sectors of the entries."""

LINUX_DATA = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")
"""Type of a partition that nothing mounts by itself: the image has no generators."""


def partitioned(document: bytes, *, size: int) -> tuple[bytes, bytes]:
    """Return the beginning and the end of a disk of `size` bytes; between them are zeros.

    Raises:
        ValueError: the document is no whole number of sectors, or the disk too small for it.
    """
    sectors, last = size // SECTOR, FIRST + len(document) // SECTOR - 1
    if size % SECTOR or not document or len(document) % SECTOR or last > sectors - 35:
        raise ValueError(f"{len(document)} bytes do not fit a disk of {size}")
    digest = hashlib.sha256(document).digest()
    entries = _entry(digest, last).ljust(ENTRIES * ENTRY, b"\0")
    head = _protective_mbr(sectors) + _header(digest, entries, sectors, backup=False) + entries
    tail = entries + _header(digest, entries, sectors, backup=True)
    return head.ljust(FIRST * SECTOR, b"\0") + document, tail


def _entry(digest: bytes, last: int) -> bytes:
    identity = uuid.UUID(bytes=digest[16:], version=4)
    name = NAME.encode("utf-16-le")
    return struct.pack(
        "<16s16sQQQ72s", LINUX_DATA.bytes_le, identity.bytes_le, FIRST, last, 0, name
    )


def _header(digest: bytes, entries: bytes, sectors: int, *, backup: bool) -> bytes:
    here, other = (sectors - 1, 1) if backup else (1, sectors - 1)
    table = sectors - 1 - TABLE_SECTORS if backup else 2
    usable = (2 + TABLE_SECTORS, sectors - 2 - TABLE_SECTORS)
    identity = uuid.UUID(bytes=digest[:16], version=4).bytes_le
    fields = (b"EFI PART", 0x10000, 92, 0, 0, here, other, *usable, identity, table)
    rest = (ENTRIES, ENTRY, zlib.crc32(entries))
    bare = struct.pack("<8sIIIIQQQQ16sQIII", *fields, *rest)
    return (bare[:16] + struct.pack("<I", zlib.crc32(bare)) + bare[20:]).ljust(SECTOR, b"\0")


def _protective_mbr(sectors: int) -> bytes:
    whole = min(sectors - 1, 0xFFFFFFFF)
    record = struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff\xff\xff", 1, whole)
    return (b"\0" * 446 + record).ljust(510, b"\0") + b"\x55\xaa"

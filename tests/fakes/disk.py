"""Disks: a partition table around partitions, and a root file system with its hash tree."""

import hashlib
import struct
import uuid
import zlib
from collections.abc import Sequence

SECTOR = 512
ESP = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
ROOT = uuid.UUID("4f68bce3-e8cd-4db1-96e7-fbcaf984b709")
ROOT_VERITY = uuid.UUID("2c7357ed-ebd2-46d9-aec1-23d437ec2bf5")
DISK = uuid.UUID("00000000-0000-4000-8000-000000000001")
ESP_IDENTITY = uuid.UUID("00000000-0000-4000-8000-000000000002")
Part = tuple[uuid.UUID, uuid.UUID, bytes]


def disk(parts: Sequence[Part]) -> bytes:
    """Give a disk with these partitions: type, identity, content."""
    table, content, at = b"", b"", 64
    for kind, identity, data in parts:
        sectors = -(-len(data) // SECTOR)
        name = "a name".encode("utf-16-le").ljust(72, b"\0")
        table += kind.bytes_le + identity.bytes_le + struct.pack("<QQQ", at, at + sectors - 1, 0)
        table += name
        content += data.ljust(sectors * SECTOR, b"\0")
        at += sectors
    table = table.ljust(128 * 128, b"\0")
    return bytes(SECTOR) + header(table, last=at + 32) + table.ljust(62 * SECTOR, b"\0") + content


def header(table: bytes, *, last: int = 1000, **changed: int) -> bytes:
    """Give the header of a table, in its sector."""
    said = {"here": 1, "start": 2, "count": 128, "size": 128, **changed}
    data = b"EFI PART\0\0\1\0" + struct.pack(
        "<IIIQQQQ16sQIII",
        92,
        0,
        0,
        said["here"],
        last + 1,
        34,
        last,
        DISK.bytes_le,
        said["start"],
        said["count"],
        said["size"],
        zlib.crc32(table),
    )
    return (data[:16] + struct.pack("<I", zlib.crc32(data)) + data[20:]).ljust(SECTOR, b"\0")


def verity(data: bytes, *, block: int = SECTOR, salt: bytes = b"salt" * 8) -> tuple[bytes, bytes]:
    """Give root hash and hash device of data, in whole blocks: written again, and plainly."""
    level = [
        hashlib.sha256(salt + data[at : at + block]).digest() for at in range(0, len(data), block)
    ]
    stored = b""
    while len(level) > 1:
        flat = [b"".join(level[at : at + block // 32]) for at in range(0, len(level), block // 32)]
        packed = [one.ljust(block, b"\0") for one in flat]
        stored = b"".join(packed) + stored
        level = [hashlib.sha256(salt + one).digest() for one in packed]
    superblock = b"verity\0\0" + struct.pack("<II16s32sIIQH6x", 1, 1, b"", b"sha256", block, block,
                                              len(data) // block, len(salt))  # fmt: skip
    return level[0], (superblock + salt).ljust(max(block, 512), b"\0") + stored


def rooted(data: bytes, esp: bytes = b"an ESP") -> tuple[bytes, bytes]:
    """Give a root hash, and a disk with an ESP and the root file system of that hash."""
    root, tree = verity(data)
    parts = [
        (ESP, ESP_IDENTITY, esp),
        (ROOT, uuid.UUID(bytes=root[:16]), data),
        (ROOT_VERITY, uuid.UUID(bytes=root[16:]), tree),
    ]
    return root, disk(parts)

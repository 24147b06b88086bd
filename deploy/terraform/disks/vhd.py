"""The footer of a fixed VHD: what makes a raw disk one that Azure takes.

Virtual Hard Disk Image Format Specification 1.0, "Hard Disk Footer Format". Azure wants a whole
number of MiB before the footer, and reads the size from it.
"""

import hashlib
import struct

MIB = 2**20
"""Bytes that a disk is a multiple of."""

FIXED = 2
"""Type of a disk whose bytes lie one after the other."""


def footer(size: int) -> bytes:
    """Return the 512 bytes that follow a disk of `size` bytes; the same for each such disk.

    Raises:
        ValueError: no whole number of MiB.
    """
    if size <= 0 or size % MIB:
        raise ValueError(f"{size} bytes are no whole number of MiB")
    identity = hashlib.sha256(b"openpcc vhd %d" % size).digest()[:16]
    start = struct.pack(
        ">8sIIQI4sI4sQQHBBI",
        b"conectix", 2, 0x10000, 2**64 - 1, 0, b"opcc", 0x10000, b"Wi2k", size, size,
        *geometry(size // 512), FIXED,
    )  # fmt: skip
    end = (identity + b"\0").ljust(512 - len(start) - 4, b"\0")
    checksum = ~sum(start + end) & 0xFFFFFFFF
    return start + struct.pack(">I", checksum) + end


def geometry(sectors: int) -> tuple[int, int, int]:
    """Return cylinders, heads and sectors of a track, as the specification's appendix has them."""
    sectors = min(sectors, 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        return sectors // 255 // 16, 16, 255
    for heads, track in ((max((sectors // 17 + 1023) // 1024, 4), 17), (16, 31)):
        if heads <= 16 and sectors // track < heads * 1024:
            return sectors // track // heads, heads, track
    return sectors // 63 // 16, 16, 63

"""The partition table of a disk, as firmware measures it.

UEFI 2.10, section 5.3, for the table; TCG PC Client Platform Firmware Profile 1.06, 10.4.4
(UEFI_GPT_DATA), for what is measured: header, number of partitions as u64, and the entries that are
in use. The header lies in the second sector, the entries where it says.
"""

import uuid
import zlib
from dataclasses import dataclass

from attestation.measure.artifact import Artifact

SECTOR = 512
"""Bytes of a sector: of the disks of our images, and all that OVMF boots from."""

HEADER = 92
"""Bytes of a header."""

ENTRY = 128
"""Bytes of an entry."""

MAX_ENTRIES = 128
"""Entries of a table; the number that every tool writes."""

MAX_TABLE = 34 * SECTOR
"""Bytes at the beginning of a disk that hold all of it."""

ESP = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
"""Type of the partition that firmware boots from."""


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A partition: bytes from `offset`, `size` of them."""

    kind: uuid.UUID
    identity: uuid.UUID
    offset: int
    size: int


@dataclass(frozen=True, kw_only=True)
class PartitionTable:
    """A table.

    Attributes:
        partitions: in the order of their entries.
        measured: what firmware hashes of it.
    """

    partitions: tuple[Partition, ...]
    measured: bytes

    @classmethod
    def parse(cls, disk: Artifact) -> "PartitionTable":
        """Read the table at the beginning of a disk.

        Args:
            disk: its first `MAX_TABLE` bytes, or more.

        Raises:
            ArtifactError: none, a checksum that is wrong, entries of another size, or partitions
                that overlap.
        """
        header = disk.cut(SECTOR, HEADER, "GPT header")
        if header[:12] != b"EFI PART\0\0\1\0" or header[12:16] != HEADER.to_bytes(4, "little"):
            disk.refuse("no GPT of revision 1.0 in its second sector")
        (checksum,) = disk.integers("I", SECTOR + 16, "GPT header")
        if zlib.crc32(header[:16] + bytes(4) + header[20:]) != checksum:
            disk.refuse("GPT header: its checksum is wrong")
        here, _, first, last = disk.integers("QQQQ", SECTOR + 24, "GPT header")
        start, count, size, table_checksum = disk.integers("QIII", SECTOR + 72, "GPT header")
        if here != 1 or size != ENTRY or not 0 < count <= MAX_ENTRIES or start * SECTOR > MAX_TABLE:
            disk.refuse(f"GPT header: {count} entries of {size} bytes at sector {start}")
        table = disk.cut(start * SECTOR, count * size, "GPT entries")
        if zlib.crc32(table) != table_checksum:
            disk.refuse("GPT entries: their checksum is wrong")
        entries = [table[at : at + ENTRY] for at in range(0, len(table), ENTRY)]
        used = [entry for entry in entries if any(entry[:16])]
        partitions = tuple(_partition(disk, entry, first, last) for entry in used)
        _check_apart(disk, partitions)
        return cls(
            partitions=partitions,
            measured=header + len(used).to_bytes(8, "little") + b"".join(used),
        )

    def of_kind(self, kind: uuid.UUID) -> tuple[Partition, ...]:
        """Give the partitions of a type."""
        return tuple(one for one in self.partitions if one.kind == kind)


def _partition(disk: Artifact, entry: bytes, first: int, last: int) -> Partition:
    begin, end = (int.from_bytes(entry[at : at + 8], "little") for at in (32, 40))
    if not first <= begin <= end <= last:
        disk.refuse(f"GPT entries: a partition of sectors {begin} to {end}")
    return Partition(
        kind=uuid.UUID(bytes_le=entry[:16]),
        identity=uuid.UUID(bytes_le=entry[16:32]),
        offset=begin * SECTOR,
        size=(end - begin + 1) * SECTOR,
    )


def _check_apart(disk: Artifact, partitions: tuple[Partition, ...]) -> None:
    end = 0
    for one in sorted(partitions, key=lambda part: part.offset):
        if one.offset < end:
            disk.refuse(f"GPT entries: partition {one.identity} overlaps another")
        end = one.offset + one.size

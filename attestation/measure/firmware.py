"""OVMF firmware: what its image tells whoever launches it.

Near its end stands a table of entries, each found by a GUID (edk2, OvmfPkg/ResetVector). It is read
backwards, for it ends 32 bytes before the image does, where the processor begins:

    … | data | size u16 | GUID || data | size u16 | GUID || size u16 | GUID of the table | 32 bytes

Sizes count data, size and GUID; the table's own counts all entries and itself. Four entries matter
here. AMD's metadata ("ASEV") and Intel's ("TDVF") list ranges of memory that are prepared before
the first instruction, and so measured. The third says where the hashes of kernel, initrd and
command line go, the fourth where a further processor begins.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from attestation.measure.artifact import Artifact

PAGE = 4096
"""Bytes of a page of memory."""

FOUR_GIB = 1 << 32
"""Firmware ends here."""

MAX_FIRMWARE = 16 << 20
"""Bytes of a firmware; OVMF has 2 or 4 MiB."""

MAX_SECTIONS = 64
"""Sections of metadata; OVMF has about ten."""

MAX_MEMORY = 32 << 20
"""Bytes of memory that metadata may name; OVMF's comes to 5 MiB."""

AFTER_TABLE = 32
"""Bytes between table and end."""

ENTRY = 18
"""Bytes of an entry without its data."""

TABLE = uuid.UUID("96b582de-1fb2-45f7-baea-a366c55a082d").bytes_le
SEV_METADATA = uuid.UUID("dc886566-984a-4798-a75e-5585a7bf67cc").bytes_le
SEV_HASHES = uuid.UUID("7255371f-3a3b-4b04-927b-1da6efa8d454").bytes_le
SEV_RESET = uuid.UUID("00f771de-1a7e-4fcb-890e-68c77e2fb44e").bytes_le
TDX_METADATA = uuid.UUID("e47a6535-984a-4798-865e-4685a7bf8ec2").bytes_le


class SevKind(IntEnum):
    """What AMD's metadata asks of a range of memory (OvmfSevMetadata.asm)."""

    MEMORY = 1
    SECRETS = 2
    CPUID = 3
    SVSM_CAA = 4
    KERNEL_HASHES = 0x10


class TdxAttribute(IntFlag):
    """What Intel's metadata says of a section (TDVF design guide, section 11.2)."""

    EXTEND = 1
    """Its content is measured."""
    AUGMENT = 2
    """The guest accepts its pages later: the launch adds none."""


TDX_ATTRIBUTES = int(TdxAttribute.EXTEND | TdxAttribute.AUGMENT)
"""All that are known."""


@dataclass(frozen=True, kw_only=True)
class SevSection:
    """A range of memory of AMD's metadata."""

    address: int
    size: int
    kind: SevKind


@dataclass(frozen=True, kw_only=True)
class TdxSection:
    """A section of Intel's metadata; `content` may be shorter than its memory, the rest is zero."""

    content: bytes
    address: int
    size: int
    kind: int
    attributes: TdxAttribute


@dataclass(frozen=True, kw_only=True)
class Firmware:
    """An OVMF image.

    Attributes:
        image: its bytes.
        table: GUID, as it stands there, to data.
    """

    image: Artifact
    table: Mapping[bytes, bytes]

    @classmethod
    def parse(cls, image: Artifact) -> "Firmware":
        """Find the table.

        Raises:
            ArtifactError: no whole pages, no table, or one that does not hold together.
        """
        if not 0 < len(image.data) <= MAX_FIRMWARE or len(image.data) % PAGE:
            image.refuse(f"{len(image.data)} bytes, expected whole pages up to {MAX_FIRMWARE}")
        end = len(image.data) - AFTER_TABLE - ENTRY
        if image.cut(end + 2, 16, "table of GUIDs") != TABLE:
            image.refuse("no table of GUIDs 32 bytes before its end; this is no OVMF firmware")
        (size,) = image.integers("H", end, "size of the table of GUIDs")
        if size < ENTRY:
            image.refuse(f"table of GUIDs: {size} bytes, at least {ENTRY} are needed")
        start = end + ENTRY - size
        image.cut(start, size, "table of GUIDs")
        return cls(image=image, table=_entries(image, start, end))

    @property
    def address(self) -> int:
        """Give the address that it is loaded at."""
        return FOUR_GIB - len(self.image.data)

    @property
    def reset_address(self) -> int:
        """Give where further processors begin (EIP). Raises: ArtifactError."""
        return self._number(SEV_RESET, "SEV-ES reset block")

    @property
    def hashes_address(self) -> int:
        """Give where the table of kernel hashes goes. Raises: ArtifactError."""
        return self._number(SEV_HASHES, "SEV hash table")

    def sev_sections(self) -> tuple[SevSection, ...]:
        """Give AMD's metadata, in order.

        Raises:
            ArtifactError: none, another version, an unknown kind, or a range that is no pages.
        """
        start, image = self._metadata(SEV_METADATA, "SEV metadata"), self.image
        signature = image.cut(start, 4, "SEV metadata")
        length, version, count = image.integers("III", start + 4, "SEV metadata")
        if signature != b"ASEV" or version != 1 or not 0 < count <= MAX_SECTIONS:
            image.refuse(f"SEV metadata: {signature!r} version {version}, {count} sections")
        if length != 16 + 12 * count:
            image.refuse(f"SEV metadata: {length} bytes for {count} sections")
        found = tuple(_sev_section(image, start + 16 + 12 * index) for index in range(count))
        _check_memory(image, "SEV metadata", [one.size for one in found])
        return found

    def tdx_sections(self) -> tuple[TdxSection, ...]:
        """Give Intel's metadata, in order.

        Raises:
            ArtifactError: none, another version, or a section that is no pages or not in the file.
        """
        start, image = self._metadata(TDX_METADATA, "TDVF metadata"), self.image
        signature = image.cut(start, 4, "TDVF metadata")
        length, version, count = image.integers("III", start + 4, "TDVF metadata")
        if signature != b"TDVF" or version != 1 or not 0 < count <= MAX_SECTIONS:
            image.refuse(f"TDVF metadata: {signature!r} version {version}, {count} sections")
        if length != 16 + 32 * count:
            image.refuse(f"TDVF metadata: {length} bytes for {count} sections")
        found = tuple(_tdx_section(image, start + 16 + 32 * index) for index in range(count))
        _check_memory(image, "TDVF metadata", [one.size for one in found])
        return found

    def _metadata(self, guid: bytes, what: str) -> int:
        """Give the offset of metadata, which its entry counts from the end."""
        return len(self.image.data) - self._number(guid, what)

    def _number(self, guid: bytes, what: str) -> int:
        data = self.table.get(guid)
        if data is None:
            self.image.refuse(f"has no {what}; use firmware that is built for this platform")
        if len(data) < 4:
            self.image.refuse(f"{what}: {len(data)} bytes, 4 are needed")
        return int.from_bytes(data[:4], "little")


def _entries(image: Artifact, start: int, end: int) -> Mapping[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    while end > start:
        (size,) = image.integers("H", end - ENTRY, "entry of the table of GUIDs")
        guid = image.cut(end - 16, 16, "entry of the table of GUIDs")
        if not ENTRY <= size <= end - start:
            image.refuse(f"table of GUIDs: an entry of {size} bytes where {end - start} are left")
        if guid in found:
            image.refuse(f"table of GUIDs: {uuid.UUID(bytes_le=guid)} twice")
        found[guid] = image.cut(end - size, size - ENTRY, "entry of the table of GUIDs")
        end -= size
    return found


def _sev_section(image: Artifact, offset: int) -> SevSection:
    address, size, kind = image.integers("III", offset, "section of SEV metadata")
    _check_pages(image, "SEV metadata", address, size)
    if kind not in set(SevKind):
        image.refuse(f"SEV metadata: a section of kind {kind:#x}, which this version does not know")
    return SevSection(address=address, size=size, kind=SevKind(kind))


def _tdx_section(image: Artifact, offset: int) -> TdxSection:
    place, raw, address, size, kind, attributes = image.integers("IIQQII", offset, "TDVF section")
    _check_pages(image, "TDVF metadata", address, size)
    if raw > size or attributes > TDX_ATTRIBUTES:
        image.refuse(f"TDVF metadata: {raw} bytes in {size}, attributes {attributes:#x}")
    return TdxSection(
        content=image.cut(place, raw, "TDVF section") if raw else b"",
        address=address,
        size=size,
        kind=kind,
        attributes=TdxAttribute(attributes),
    )


def _check_memory(image: Artifact, what: str, sizes: list[int]) -> None:
    if sum(sizes) > MAX_MEMORY:
        image.refuse(f"{what}: {sum(sizes)} bytes of memory, at most {MAX_MEMORY} are measured")


def _check_pages(image: Artifact, what: str, address: int, size: int) -> None:
    if address % PAGE or size % PAGE or not 0 < size <= MAX_MEMORY:
        image.refuse(f"{what}: {size} bytes at {address:#x} are no pages of at most {MAX_MEMORY}")

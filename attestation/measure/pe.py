"""PE images: their sections, and the digest that firmware measures them by.

Microsoft PE/COFF Specification, and Windows Authenticode Portable Executable Signature Format,
"Calculating the PE Image Hash": the headers without checksum and without the entry that points to
signatures, then the sections by their place in the file, then what follows but for the signatures.
"""

import hashlib
from dataclasses import dataclass
from itertools import pairwise

from attestation.measure.artifact import Artifact

MAX_SECTIONS = 96
"""Sections of an image; the specification's limit."""

PE32_PLUS = 0x20B
"""Magic of a 64-bit optional header."""

CHECKSUM = 64
"""Offset of the checksum in the optional header."""

SECURITY = 112 + 4 * 8
"""Offset of the entry that points to signatures, in a 64-bit optional header."""

SECTION = 40
"""Bytes of a section's header."""


@dataclass(frozen=True, kw_only=True)
class PeSection:
    """A section: where it lies in the file, and how much of it is in memory."""

    name: str
    offset: int
    raw_size: int
    memory_size: int


@dataclass(frozen=True, kw_only=True)
class PeImage:
    """A 64-bit PE image.

    Attributes:
        file: its bytes.
        optional: offset of the optional header.
        headers: bytes of all headers.
        certificates: bytes of signatures at the end.
        sections: in the order of their headers.
    """

    file: Artifact
    optional: int
    headers: int
    certificates: int
    sections: tuple[PeSection, ...]

    @classmethod
    def parse(cls, file: Artifact) -> "PeImage":
        """Read the headers.

        Raises:
            ArtifactError: no 64-bit PE image, a section outside the file or overlapping another, or
                signatures that are not at the end.
        """
        if file.cut(0, 2, "DOS header") != b"MZ":
            file.refuse("no PE image: it does not begin with MZ")
        (start,) = file.integers("I", 60, "DOS header")
        if file.cut(start, 4, "PE signature") != b"PE\0\0":
            file.refuse("no PE image: no PE signature")
        (count,) = file.integers("H", start + 6, "COFF header")
        (size,) = file.integers("H", start + 20, "COFF header")
        optional = start + 24
        (magic,) = file.integers("H", optional, "optional header")
        (headers,) = file.integers("I", optional + 60, "optional header")
        (entries,) = file.integers("I", optional + 108, "optional header")
        if magic != PE32_PLUS or not 5 <= entries <= 16 or size != 112 + 8 * entries:
            file.refuse(f"no 64-bit PE image: magic {magic:#x}, {entries} entries, {size} bytes")
        table = optional + size
        if not 0 < count <= MAX_SECTIONS or headers < table + SECTION * count:
            file.refuse(f"{count} sections in {headers} bytes of headers")
        file.cut(0, headers, "headers")
        sections = tuple(_section(file, table + SECTION * index) for index in range(count))
        image = cls(
            file=file,
            optional=optional,
            headers=headers,
            certificates=_certificates(file, optional),
            sections=sections,
        )
        _check_places(image)
        return image

    def authenticode(self, algorithm: str) -> bytes:
        """Give the digest that firmware measures when it loads the image."""
        data, digest = self.file.data, hashlib.new(algorithm)
        checksum, security = self.optional + CHECKSUM, self.optional + SECURITY
        digest.update(data[:checksum])
        digest.update(data[checksum + 4 : security])
        digest.update(data[security + 8 : self.headers])
        hashed = self.headers
        for section in _placed(self.sections):
            digest.update(data[section.offset : section.offset + section.raw_size])
            hashed += section.raw_size
        digest.update(data[hashed : len(data) - self.certificates])
        return digest.digest()


def _section(file: Artifact, offset: int) -> PeSection:
    raw_name = file.cut(offset, 8, "section header").rstrip(b"\0")
    memory, _, raw, place = file.integers("IIII", offset + 8, "section header")
    if b"\0" in raw_name or not raw_name.isascii():
        file.refuse(f"a section named {raw_name!r}")
    if raw:
        file.cut(place, raw, f"section {raw_name!r}")
    return PeSection(name=raw_name.decode("ascii"), offset=place, raw_size=raw, memory_size=memory)


def _certificates(file: Artifact, optional: int) -> int:
    offset, size = file.integers("II", optional + SECURITY, "entry of signatures")
    if size and offset + size != len(file.data):
        file.refuse(f"{size} bytes of signatures at {offset} are not its end")
    return size


def _check_places(image: PeImage) -> None:
    """Judge that sections follow the headers and one another, so that each byte is hashed once."""
    end = image.headers
    for section in _placed(image.sections):
        if section.offset < end:
            image.file.refuse(f"section {section.name!r} overlaps what is before it")
        end = section.offset + section.raw_size
    if end > len(image.file.data) - image.certificates:
        image.file.refuse("its sections reach into its signatures")
    hashed = image.headers + sum(one.raw_size for one in image.sections)
    gaps = [
        later.offset - earlier.offset - earlier.raw_size
        for earlier, later in pairwise(_placed(image.sections))
    ]
    first = _placed(image.sections)[:1]
    if any(gaps) or any(one.offset != image.headers for one in first) or hashed != end:
        image.file.refuse("has bytes between its sections, which firmware would not measure")


def _placed(sections: tuple[PeSection, ...]) -> list[PeSection]:
    return sorted((one for one in sections if one.raw_size), key=lambda one: one.offset)

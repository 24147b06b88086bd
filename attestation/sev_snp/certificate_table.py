"""The certificates that a host hands its guest beside a report.

AMD 56421 (GHCB), "SNP Extended Guest Request"; Linux gives the table as `auxblob`.

    63da758d e664 4564 adc5 f4b93be8accd  48000000 54050000    GUID of a VCEK, offset 72, 1364 bytes
    ...                                                        more entries of 24 bytes
    00000000 0000 0000 0000 000000000000  00000000 00000000    the end of the table
    30820550 ...                                               the certificates

GUIDs lie in the order of their text, numbers are little endian, offsets count from the first
entry. The host wrote it, so nothing in it counts before a chain to a pinned root verifies.
"""

import struct
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

from attestation.errors import MalformedEvidenceError

GUIDS: Mapping[str, str] = {
    "63da758d-e664-4564-adc5-f4b93be8accd": "vcek",
    "a8074bc2-a25a-483e-aae6-39c045a0b8a1": "vlek",
    "4ab7b379-bbac-4fe4-a02f-05aef327c782": "ask",
    "c0b406a4-a803-4952-9743-3fb6014cd0ae": "ark",
}
"""GUID to the certificate it marks; `ask` is the ASVK where the leaf is a VLEK."""

ENTRY = struct.Struct("<16sII")
"""GUID, offset, length."""

END = bytes(ENTRY.size)
"""The entry after the last."""

MAX_TABLE = 2**17
"""Bytes of a table; hosts give 16 KiB."""

MAX_ENTRIES = 32
"""Entries of a table; hosts give three."""


class _Entry(NamedTuple):
    """Where a certificate lies. Sorts by place."""

    start: int
    end: int
    name: str


def parse_certificate_table(blob: bytes) -> Mapping[str, bytes]:
    """Give the certificates by name: one of `GUIDS`, or the GUID where it is none of these.

    Nothing at all is a table without certificates, as of a host that has none.

    Raises:
        MalformedEvidenceError: too large, without end, an entry twice or empty, or bytes that lie
            outside of the blob, in the table, or in two entries.
    """
    if len(blob) > MAX_TABLE:
        raise MalformedEvidenceError(f"certificate table: more than {MAX_TABLE} bytes")
    entries = _entries(blob) if blob else []
    found = {entry.name: blob[entry.start : entry.end] for entry in entries}
    if len(found) != len(entries):
        raise MalformedEvidenceError("certificate table: two entries of one kind")
    _check_places(entries, len(blob))
    return found


def _entries(blob: bytes) -> list[_Entry]:
    entries: list[_Entry] = []
    for at in range(0, ENTRY.size * (MAX_ENTRIES + 1), ENTRY.size):
        raw = blob[at : at + ENTRY.size]
        if raw == END:
            return entries
        if len(raw) != ENTRY.size:
            break
        guid, start, size = ENTRY.unpack(raw)
        text = str(UUID(bytes=guid))
        entries.append(_Entry(start=start, end=start + size, name=GUIDS.get(text, text)))
    raise MalformedEvidenceError(f"certificate table: no end within {MAX_ENTRIES} entries")


def _check_places(entries: list[_Entry], size: int) -> None:
    """Judge that every entry has bytes of its own, behind the table and inside the blob."""
    table = _Entry(start=0, end=ENTRY.size * (len(entries) + 1), name="table")
    for before, entry in pairwise(sorted([table, *entries])):
        if entry.start < before.end or entry.start >= entry.end or entry.end > size:
            raise MalformedEvidenceError(
                f"certificate table: {entry.name} does not lie in bytes of its own"
            )

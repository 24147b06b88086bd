"""TDX: MRTD, and the runtime registers of a boot.

Intel TDX Module Base Architecture Specification, 12.2.1 (MRTD): the module keeps one SHA-384 over
records of 128 bytes. Adding a page records its address; extending by 256 bytes of it records their
address, and then the bytes themselves:

    "MEM.PAGE.ADD" at 0, address at 16        "MR.EXTEND" at 0, address at 16 | 256 bytes

The firmware's metadata says which pages are added and which are extended by, not in which order.
Hosts know two: `per-page`, each page extended by as it is added, and `per-section`, all pages of a
section added first. Which one a host has its documentation does not say; a release names one.

UEFI 2.10, 38.4.1 maps PCRs to RTMRs: 1 and 7 to RTMR0, 2 to 6 to RTMR1, 8 to 15 to RTMR2.
"""

import hashlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import assert_never

from attestation.eventlog import UNTOUCHED
from attestation.measure.boot import BootEvent
from attestation.measure.firmware import PAGE, Firmware, TdxAttribute, TdxSection
from attestation.tcg_log import Bank

CHUNK = 256
"""Bytes that one record extends by."""

RTMR_OF_PCR = {1: 0, 7: 0} | dict.fromkeys(range(2, 7), 1) | dict.fromkeys(range(8, 16), 2)
"""UEFI 2.10, 38.4.1."""


class PageOrder(StrEnum):
    """In which order a host adds pages and extends by them."""

    PER_PAGE = "per-page"
    PER_SECTION = "per-section"


def mrtd(firmware: Firmware, order: PageOrder) -> bytes:
    """Give MRTD of a guest that begins with this firmware.

    Raises:
        ArtifactError: the firmware has no metadata of Intel's.
    """
    digest = hashlib.sha384()
    for section in firmware.tdx_sections():
        for record in _records(section, order):
            digest.update(record)
    return digest.digest()


def registers(events: Sequence[BootEvent]) -> Mapping[int, bytes]:
    """Give the RTMRs after the events of a boot; those that none of them reaches are left out."""
    found: dict[int, bytes] = {}
    for event in in_rtmrs(events):
        before = found.get(event.pcr, UNTOUCHED)
        found[event.pcr] = Bank.SHA384.extend(before, event.digest(Bank.SHA384))
    return found


def in_rtmrs(events: Sequence[BootEvent]) -> Iterator[BootEvent]:
    """Give the events as they reach RTMRs, `pcr` being the number of the RTMR.

    A boot draws a line in each PCR by a separator; of PCRs that share an RTMR only the first does.
    """
    lined: set[int] = set()
    for event in events:
        rtmr = RTMR_OF_PCR.get(event.pcr)
        if rtmr is None or (event.separates and rtmr in lined):
            continue
        if event.separates:
            lined.add(rtmr)
        yield event.into(rtmr)


def _records(section: TdxSection, order: PageOrder) -> Iterator[bytes]:
    content = section.content + bytes(section.size - len(section.content))
    adds = [] if section.attributes & TdxAttribute.AUGMENT else [*range(0, section.size, PAGE)]
    extends = [*range(0, section.size, PAGE)] if section.attributes & TdxAttribute.EXTEND else []
    match order:
        case PageOrder.PER_PAGE:
            for offset in range(0, section.size, PAGE):
                yield from _added(section, adds and [offset])
                yield from _extended(section, content, extends and [offset])
        case PageOrder.PER_SECTION:
            yield from _added(section, adds)
            yield from _extended(section, content, extends)
        case _:
            assert_never(order)


def _added(section: TdxSection, offsets: Sequence[int]) -> Iterator[bytes]:
    for offset in offsets:
        yield _record(b"MEM.PAGE.ADD", section.address + offset)


def _extended(section: TdxSection, content: bytes, offsets: Sequence[int]) -> Iterator[bytes]:
    for page in offsets:
        for offset in range(page, page + PAGE, CHUNK):
            yield _record(b"MR.EXTEND", section.address + offset)
            yield content[offset : offset + CHUNK]


def _record(name: bytes, address: int) -> bytes:
    return struct.pack("<16sQ104x", name, address)

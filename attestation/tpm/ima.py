"""What Linux measured by itself: IMA's list, which is in no log of the firmware's.

Documentation/ABI/testing/ima_policy and security/integrity/ima/ima_fs.c: records of PCR, SHA-1,
name of a template and its data, integers little-endian:

    0a000000 <20 bytes> 07000000 "ima-sig" 43000000 <67 bytes>

Since Linux 5.8 each bank is extended by its own hash of the data; so in ours a record stands for
SHA-384 of it. A kernel that has IMA built in makes one record at its start, `boot_aggregate`, a
digest over PCR 0 to 9. No word of its command line turns that off, and without it a log would not
lead to PCR 10.
"""

import struct
from collections.abc import Iterator

from attestation.errors import MalformedEvidenceError

IMA_PCR = 10
"""PCR of IMA, as kernels are built."""

EV_EVENT_TAG = 6
"""Type of our records of it: data that an operating system tagged."""

MAX_LIST = 2**16
"""Bytes of a list. Without a policy it has one record, and our images have none."""

OLD_TEMPLATE = b"ima"
"""A template whose data has no length, and which no kernel of today makes."""


def read_list(data: bytes) -> tuple[bytes, ...]:
    """Give the data of each record, in order.

    Raises:
        MalformedEvidenceError: too long, cut, of another PCR or of the oldest template.
    """
    if len(data) > MAX_LIST:
        raise MalformedEvidenceError(f"IMA's list: more than {MAX_LIST} bytes")
    return tuple(_records(data))


def _records(data: bytes) -> Iterator[bytes]:
    place = 0
    while place < len(data):
        (pcr,) = struct.unpack("<I", _cut(data, place, 4))
        name, place = _counted(data, place + 24)
        content, place = _counted(data, place)
        if pcr != IMA_PCR or name == OLD_TEMPLATE or not content:
            raise MalformedEvidenceError(f"IMA's list: a record of PCR {pcr}, template {name!r}")
        yield content


def _counted(data: bytes, place: int) -> tuple[bytes, int]:
    """Take bytes behind their number; give them, and the place behind."""
    (size,) = struct.unpack("<I", _cut(data, place, 4))
    return _cut(data, place + 4, size), place + 4 + size


def _cut(data: bytes, place: int, size: int) -> bytes:
    if size > len(data) - place:
        raise MalformedEvidenceError("IMA's list: cut")
    return data[place : place + size]

"""Unified kernel images: sections put behind a stub, as ukify does it; and a stub that is none.

The stub may be a real one (`/usr/lib/systemd/boot/efi/linuxx64.efi.stub`): the image then boots.
"""

import struct
from collections.abc import Mapping

MAGIC = "#### LoaderInfo: systemd-stub {} ####"
DEMO = {
    ".linux": b"",
    ".osrel": b"ID=openpcc\nVERSION_ID=1\n",
    ".cmdline": b"console=ttyS0 roothash=" + b"ab" * 32,
    ".initrd": b"an initrd of ours",
    ".uname": b"6.12.0-test",
    ".sbat": b"sbat,1,SBAT Version\n",
}
FILE_ALIGNMENT = 512
SECTION_ALIGNMENT = 4096
HEADERS = 1024
START = 64
OPTIONAL = START + 24
TABLE = OPTIONAL + 240


def pe(sections: Mapping[str, bytes] = {".text": b"\xc3"}) -> bytes:
    """Give a PE image with these sections; it would load, and do nothing."""
    head = bytearray(HEADERS)
    head[:2], head[60:64] = b"MZ", struct.pack("<I", START)
    head[START:OPTIONAL] = struct.pack("<4sHHIIIHH", b"PE\0\0", 0x8664, 0, 0, 0, 0, 240, 0x22E)
    struct.pack_into("<H", head, OPTIONAL, 0x20B)
    struct.pack_into("<II", head, OPTIONAL + 32, SECTION_ALIGNMENT, FILE_ALIGNMENT)
    struct.pack_into("<II", head, OPTIONAL + 56, SECTION_ALIGNMENT, HEADERS)
    struct.pack_into("<HHI", head, OPTIONAL + 64, 0, 0, 10)
    struct.pack_into("<I", head, OPTIONAL + 108, 16)
    return with_sections(bytes(head), sections)


def stub(version: str = "257.13-1~deb13u1") -> bytes:
    """Give a stub that only says which it is."""
    return pe({".text": b"\xc3", ".sdmagic": MAGIC.format(version).encode()})


def kernel(text: bytes = b"a kernel") -> bytes:
    """Give a kernel that is a PE image and no more."""
    return pe({".text": text})


def uki(changed: Mapping[str, bytes] = {}, *, version: str = "257.13-1~deb13u1") -> bytes:
    """Give a unified kernel image."""
    return with_sections(stub(version), {**DEMO, ".linux": kernel(), **changed})


def with_sections(image: bytes, sections: Mapping[str, bytes]) -> bytes:
    """Put sections behind those of an image; what follows its sections is cut off."""
    data = bytearray(image)
    (start,) = struct.unpack_from("<I", data, 60)
    optional = start + 24
    (count,) = struct.unpack_from("<H", data, start + 6)
    (size,) = struct.unpack_from("<H", data, start + 20)
    alignment, file_alignment = struct.unpack_from("<II", data, optional + 32)
    memory, headers = struct.unpack_from("<II", data, optional + 56)
    table = optional + size
    ends = [headers]
    for index in range(count):
        raw, place = struct.unpack_from("<II", data, table + 40 * index + 16)
        ends.append(raw + place)
    del data[max(ends) :]
    data += bytes(-len(data) % file_alignment)
    struct.pack_into("<II", data, start + 12, 0, 0)  # symbols
    for index, (name, content) in enumerate(sections.items(), count):
        raw = len(content) + -len(content) % file_alignment
        fields = (name.encode(), len(content), memory, raw, len(data), 0x40000040)
        assert table + 40 * (index + 1) <= headers
        struct.pack_into("<8sIIII12xI", data, table + 40 * index, *fields)
        data += content.ljust(raw, b"\0")
        memory += len(content) + -len(content) % alignment
    struct.pack_into("<H", data, start + 6, count + len(sections))
    struct.pack_into("<I", data, optional + 56, memory)
    return bytes(data)

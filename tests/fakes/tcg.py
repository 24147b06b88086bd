"""TCG event logs, byte by byte, so that a test can make each of them wrong."""

import hashlib
import struct
from collections.abc import Mapping, Sequence

SHA1, SHA256, SHA384, SHA512 = 0x4, 0xB, 0xC, 0xD
SIZES = {SHA1: 20, SHA256: 32, SHA384: 48, SHA512: 64}
NAMES = {SHA1: "sha1", SHA256: "sha256", SHA384: "sha384", SHA512: "sha512"}

NO_ACTION = 3
SEPARATOR = 4
ACTION = 0x80000007
END = 0xFFFFFFFF
LOCALITY = b"StartupLocality\0"


def old_record(register: int, kind: int, data: bytes, *, digest: bytes | None = None) -> bytes:
    """A record of the older form; its digest is that of its data unless given."""
    digest = hashlib.sha1(data).digest() if digest is None else digest
    return struct.pack("<II", register, kind) + digest + struct.pack("<I", len(data)) + data


def header(banks: Mapping[int, int] | Sequence[int] = (SHA384,), *, count: int | None = None):
    """The header that names the banks."""
    sizes = dict(banks) if isinstance(banks, Mapping) else {bank: SIZES[bank] for bank in banks}
    data = b"Spec ID Event03\0" + struct.pack("<IBBBB", 0, 0, 2, 0, 2)
    data += struct.pack("<I", len(sizes) if count is None else count)
    data += b"".join(struct.pack("<HH", bank, size) for bank, size in sizes.items()) + b"\0"
    return old_record(0, NO_ACTION, data, digest=bytes(20))


def record(
    register: int,
    data: bytes,
    *,
    kind: int = ACTION,
    banks: Sequence[int] = (SHA384,),
    digests: Sequence[tuple[int, bytes]] | None = None,
    size: int | None = None,
) -> bytes:
    """A record of the newer form; its digests are those of its data unless given."""
    if digests is None:
        digests = [(bank, hashlib.new(NAMES[bank], data).digest()) for bank in banks]
    written = b"".join(struct.pack("<H", bank) + digest for bank, digest in digests)
    length = struct.pack("<I", len(data) if size is None else size)
    return struct.pack("<III", register, kind, len(digests)) + written + length + data


def replayed(name: str, *parts: bytes, start: bytes | None = None) -> bytes:
    """The register after measuring these bytes."""
    register = bytes(hashlib.new(name).digest_size) if start is None else start
    for part in parts:
        register = hashlib.new(name, register + hashlib.new(name, part).digest()).digest()
    return register

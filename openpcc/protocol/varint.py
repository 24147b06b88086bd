"""QUIC variable-length integers (RFC 9000, section 16): lengths of Binary HTTP and of chunks.

The top two bits of the first byte say how many bytes there are (1, 2, 4 or 8), the rest is the
value, big endian: `25` is 37, `7bbd` is 15293, `9d7f3e7d` is 494878333. Longer forms of a small
value are valid, as both standards that use them allow it; we write the shortest.
"""

from openpcc.protocol.errors import MalformedError

MAX_VALUE = 2**62 - 1

_FORMS = ((1, 1 << 6), (2, 1 << 14), (4, 1 << 30), (8, 1 << 62))
"""Size in bytes, and the first value that no longer fits; the position is the prefix."""


def encode(value: int) -> bytes:
    """Write the shortest form of 0 to 2^62 - 1.

    Raises:
        ValueError: the value is out of range; lengths of ours never are.
    """
    for prefix, (size, bound) in enumerate(_FORMS):
        if 0 <= value < bound:
            return (value | prefix << (8 * size - 2)).to_bytes(size, "big")
    raise ValueError("a varint holds 0 to 2^62 - 1")


def size_of(first: int) -> int:
    """Give the size of the form that begins with this byte."""
    return 1 << (first >> 6)


def try_decode(buffer: bytes | bytearray | memoryview, offset: int = 0) -> tuple[int, int] | None:
    """Read one integer; give value and offset after it, or None if more bytes are needed."""
    if offset >= len(buffer):
        return None
    size = size_of(buffer[offset])
    if offset + size > len(buffer):
        return None
    value = int.from_bytes(buffer[offset : offset + size], "big") & ((1 << (8 * size - 2)) - 1)
    return value, offset + size


def decode(buffer: bytes | bytearray | memoryview, offset: int = 0) -> tuple[int, int]:
    """Read one integer; give value and offset after it.

    Raises:
        MalformedError: the buffer ends inside the integer.
    """
    if (found := try_decode(buffer, offset)) is None:
        raise MalformedError("the bytes end inside an integer")
    return found

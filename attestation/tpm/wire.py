"""Marshalled TPM structures, cut from front to end. TPM 2.0 Part 1, section 34 (big endian).

A length must be that of what is inside, and where a structure is the whole of some bytes, nothing
may follow it.
"""

from collections.abc import Callable
from typing import TypeVar

from attestation.errors import MalformedEvidenceError

Value = TypeVar("Value")


class Reader:
    """Takes integers and bytes; refuses to take what is not there.

    Args:
        data: to be cut.
        name: of the structure, for errors.

    Attributes:
        offset: of the next byte.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._name = name
        self.offset = 0

    @property
    def left(self) -> int:
        """Give the number of bytes not yet taken."""
        return len(self._data) - self.offset

    def take(self, size: int) -> bytes:
        """Take exactly `size` bytes."""
        if size > self.left:
            raise self.malformed("is cut")
        self.offset += size
        return self._data[self.offset - size : self.offset]

    def number(self, size: int) -> int:
        """Take an unsigned integer of `size` bytes."""
        return int.from_bytes(self.take(size), "big")

    def sized(self, limit: int, field: str) -> bytes:
        """Take a TPM2B: a length of two bytes, at most `limit`, and as many bytes."""
        size = self.number(2)
        if size > limit:
            raise self.malformed(f"{field} of {size} bytes, at most {limit}")
        return self.take(size)

    def malformed(self, why: str) -> MalformedEvidenceError:
        """Make the error that names this structure."""
        return MalformedEvidenceError(f"{self._name}: {why}")


def whole(data: bytes, name: str, read: Callable[[Reader], Value]) -> Value:
    """Read a structure that is all of these bytes.

    Raises:
        MalformedEvidenceError: it is not, or does not parse.
    """
    reader = Reader(data, name)
    value = read(reader)
    if reader.left:
        raise reader.malformed(f"{reader.left} bytes follow")
    return value


def sized(data: bytes) -> bytes:
    """Write a TPM2B."""
    return len(data).to_bytes(2, "big") + data

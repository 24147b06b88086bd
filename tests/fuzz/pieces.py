"""Several things in one input, which a fuzzer can cut, join and exchange."""

from collections.abc import Iterable

MARK = b"\0\xff|\xff\0"
"""Stands between two pieces; a piece that holds it falls apart, and nothing is lost by that."""


def joined(found: Iterable[bytes]) -> bytes:
    """Write pieces as one input."""
    return MARK.join(found)


def pieces(data: bytes) -> list[bytes]:
    """Give the pieces of an input."""
    return data.split(MARK)

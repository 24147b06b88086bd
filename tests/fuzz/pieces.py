"""Several things in one input, which a fuzzer can cut, join and exchange."""

from collections.abc import Iterable, Iterator

MARK = b"\0\xff|\xff\0"
"""Stands between two pieces; a piece that holds it falls apart, and nothing is lost by that."""


def joined(found: Iterable[bytes]) -> bytes:
    """Write pieces as one input."""
    return MARK.join(found)


def pieces(data: bytes) -> list[bytes]:
    """Give the pieces of an input."""
    return data.split(MARK)


def numbered(names: tuple[str, ...], named: Iterable[tuple[str, bytes]]) -> bytes:
    """Write named pieces, each behind the number of its name; what has none is left out."""
    return joined(bytes((names.index(name),)) + data for name, data in named if name in names)


def named(found: Iterable[bytes], names: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Read numbered pieces; a number without a name, and the piece is left out."""
    for piece in found:
        if piece and piece[0] < len(names):
            yield names[piece[0]], piece[1:]

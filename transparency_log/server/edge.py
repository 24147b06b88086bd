"""The right edge of a growing tree: all that is needed to add leaves and to compute the root.

For each tile level the hashes of the tile that is not full yet; so growing by n leaves costs n
hashes whatever the size of the tree. A tree of any size has at most 8 such tiles of 255 hashes.
"""

from collections.abc import Callable, Sequence
from typing import Self

from transparency_log.merkle import EMPTY_ROOT, node_hash, subtree_peaks, tree_root
from transparency_log.tile import (
    TILE_HEIGHT,
    TILE_WIDTH,
    TilePath,
    hash_tile_path,
    parse_hash_tile,
)

TileFile = tuple[TilePath, bytes]
"""A tile and its bytes."""


class RightEdge:
    """The right edge of one tree."""

    def __init__(self, size: int, levels: Sequence[Sequence[bytes]]) -> None:
        self._size = size
        self._levels = [list(level) for level in levels]

    @classmethod
    def read(cls, size: int, fetch: Callable[[TilePath], bytes]) -> Self:
        """Read the edge of the tree of `size` from its tiles.

        Raises:
            MalformedTileError: a tile has not the length it must have.
        """
        levels: list[list[bytes]] = []
        while hashes := size >> (TILE_HEIGHT * len(levels)):
            path = hash_tile_path(len(levels), hashes // TILE_WIDTH, size)
            levels.append(parse_hash_tile(fetch(path), path.width) if path.width else [])
        return cls(size, levels)

    @property
    def size(self) -> int:
        """Count the leaves."""
        return self._size

    def tail(self) -> list[bytes]:
        """Give the leaf hashes of the tile that is not full yet."""
        return list(self._levels[0]) if self._levels else []

    def append(self, leaves: Sequence[bytes]) -> list[TileFile]:
        """Add leaf hashes; gives the tiles that this tree has and the one before had not."""
        files: list[TileFile] = []
        hashes, level = list(leaves), 0
        while hashes:
            if level == len(self._levels):
                self._levels.append([])
            hashes = self._extend(level, hashes, files)
            level += 1
        self._size += len(leaves)
        return files

    def _extend(self, level: int, hashes: list[bytes], files: list[TileFile]) -> list[bytes]:
        """Add hashes to a level; gives those that the level above gets."""
        row = self._levels[level] + hashes
        index = (self._size >> (TILE_HEIGHT * level)) // TILE_WIDTH
        above = []
        while len(row) >= TILE_WIDTH:
            full, row = row[:TILE_WIDTH], row[TILE_WIDTH:]
            files.append((TilePath(level=level, index=index), b"".join(full)))
            above.append(tree_root(full))
            index += 1
        if row:
            files.append((TilePath(level=level, index=index, width=len(row)), b"".join(row)))
        self._levels[level] = row
        return above

    def root(self) -> bytes:
        """Compute the root (RFC 6962 section 2.1): the full subtrees, joined from the right."""
        root: bytes | None = None
        for level in self._levels:
            for peak in reversed(subtree_peaks(level)):
                root = peak if root is None else node_hash(peak, root)
        return EMPTY_ROOT if root is None else root

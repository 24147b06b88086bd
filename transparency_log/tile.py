"""Tiles: how a log lays its tree and its entries out as files (C2SP tlog-tiles v0.1.0).

    tile/0/x001/x234/067          hashes 0 of tile 1234067: 256 leaf hashes
    tile/1/000.p/17               the first 17 hashes of a tile that is not full yet
    tile/entries/273.p/112        112 entries, each with its length before it

Hash i of tile (level, n) covers 256^level leaves from (256·n + i)·256^level on. Everything in a
tile is the log's word until a root computed from it equals the root of a verified checkpoint.
"""

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from transparency_log.checkpoint import MAX_SIZE
from transparency_log.errors import MalformedTileError
from transparency_log.merkle import HASH_SIZE, tree_root
from transparency_log.prover import HashReader

TILE_WIDTH = 256
"""Hashes or entries in a full tile."""

TILE_HEIGHT = 8
"""Tree levels in a tile: 256 = 2^8."""

MAX_LEVEL = 7
"""The highest tile level of a tree below 2^63; the path format itself goes to 63."""

MAX_ENTRY = 65535
"""Bytes of an entry: its length is two bytes."""

MAX_BUNDLE = TILE_WIDTH * (2 + MAX_ENTRY)
"""Bytes of an entry bundle."""

_NUMBER = r"(?:x[0-9]{3}/)*[0-9]{3}"
_PATH = re.compile(
    rf"tile/(entries|0|[1-9][0-9]?)/({_NUMBER})(?:\.p/([1-9][0-9]{{0,2}}))?", re.ASCII
)


@dataclass(frozen=True, kw_only=True)
class TilePath:
    """Name of a tile; `level` None means an entry bundle, `width` 256 a full tile."""

    level: int | None
    index: int
    width: int = TILE_WIDTH

    def __str__(self) -> str:
        """Write the path below the log's prefix."""
        level = "entries" if self.level is None else str(self.level)
        groups = _groups(self.index)
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{level}/{groups}{partial}"

    def full(self) -> "TilePath":
        """Name the full tile, which may stand in for a partial one that is gone."""
        return TilePath(level=self.level, index=self.index)


def _groups(index: int) -> str:
    digits = f"{index:03}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    return "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])


def parse_path(text: str) -> TilePath:
    """Read a tile path; the one spelling of every path is accepted.

    Raises:
        MalformedTileError: not a tile path, or another spelling of one.
    """
    match = _PATH.fullmatch(text) if len(text) <= 64 else None
    if match is None:
        raise MalformedTileError("not a tile path")
    level, number, width = match.groups()
    path = TilePath(
        level=None if level == "entries" else int(level),
        index=int(number.replace("x", "").replace("/", "")),
        width=TILE_WIDTH if width is None else int(width),
    )
    if str(path) != text or path.index > MAX_SIZE or path.width > TILE_WIDTH:
        raise MalformedTileError("not the spelling of a tile path")
    if path.level is not None and path.level > 63:
        raise MalformedTileError("tile level is above 63")
    return path


def hash_tile_path(level: int, index: int, size: int) -> TilePath:
    """Name the tile (level, index) as it is in the tree of `size`, full or partial."""
    return TilePath(level=level, index=index, width=_width(index, size >> (TILE_HEIGHT * level)))


def bundle_path(index: int, size: int) -> TilePath:
    """Name the entry bundle `index` as it is in the tree of `size`."""
    return TilePath(level=None, index=index, width=_width(index, size))


def _width(index: int, hashes: int) -> int:
    return min(TILE_WIDTH, hashes - index * TILE_WIDTH)


def new_tiles(old_size: int, size: int) -> Iterator[TilePath]:
    """List the tiles and bundles that a tree of `size` has beyond those of `old_size`."""
    first, last = old_size // TILE_WIDTH, -(-size // TILE_WIDTH)
    if old_size == size:
        return
    for index in range(first, last):
        yield bundle_path(index, size)
    for level in range(MAX_LEVEL + 1):
        shift = TILE_HEIGHT * level
        old_hashes, hashes = old_size >> shift, size >> shift
        if old_hashes == hashes:
            return
        for index in range(old_hashes // TILE_WIDTH, -(-hashes // TILE_WIDTH)):
            yield hash_tile_path(level, index, size)


def parse_hash_tile(data: bytes, width: int) -> list[bytes]:
    """Split a tile into its hashes.

    Raises:
        MalformedTileError: not exactly `width` hashes.
    """
    if len(data) != width * HASH_SIZE:
        raise MalformedTileError(f"tile has {len(data)} bytes, expected {width * HASH_SIZE}")
    return [data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE)]


def parse_bundle(data: bytes, width: int) -> list[bytes]:
    """Split an entry bundle into its entries.

    Raises:
        MalformedTileError: not exactly `width` entries.
    """
    if len(data) > MAX_BUNDLE:
        raise MalformedTileError("entry bundle is too long")
    entries = []
    position = 0
    while position < len(data):
        length = int.from_bytes(data[position : position + 2], "big")
        end = position + 2 + length
        if position + 2 > len(data) or end > len(data):
            raise MalformedTileError("entry bundle is truncated")
        entries.append(data[position + 2 : end])
        position = end
    if len(entries) != width:
        raise MalformedTileError(f"entry bundle has {len(entries)} entries, expected {width}")
    return entries


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Write an entry bundle.

    Raises:
        MalformedTileError: an entry is longer than its length field can say.
    """
    if any(len(entry) > MAX_ENTRY for entry in entries):
        raise MalformedTileError(f"entry is longer than {MAX_ENTRY} bytes")
    return b"".join(struct.pack(">H", len(entry)) + entry for entry in entries)


def tile_reader(size: int, fetch: Callable[[TilePath], bytes]) -> HashReader:
    """Read the hashes of full subtrees of the tree of `size` from its tiles.

    `fetch` gives a tile's bytes; each tile is fetched once. A hash between two tile levels is
    computed from the tile below.
    """
    tiles: dict[TilePath, list[bytes]] = {}

    def read(level: int, index: int) -> bytes:
        tile_level, height = divmod(level, TILE_HEIGHT)
        first = index << height
        path = hash_tile_path(tile_level, first // TILE_WIDTH, size)
        if path not in tiles:
            tiles[path] = parse_hash_tile(fetch(path), path.width)
        offset = first % TILE_WIDTH
        return tree_root(tiles[path][offset : offset + (1 << height)])

    return read

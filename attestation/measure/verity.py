r"""dm-verity: the hash tree over a file system, and the root hash that names it.

Linux, Documentation/admin-guide/device-mapper/verity.rst, and cryptsetup's wiki "DMVerity" for the
superblock. SHA-256 of salt and block for each block of data, packed into blocks that are filled up
with zeros; the same over those, until there is one. The hash of that one is the root hash.

Before the tree stands a block that begins with the superblock:

    "verity\0\0"  version 1  type 1  uuid 16  algorithm 32  data block 4  hash block 4
    data blocks 8  salt size 2  zeros 6  salt 256  zeros 168
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from attestation.measure.artifact import Artifact

HASH_SIZE = 32
"""Bytes of a hash: SHA-256, which systemd-repart writes."""

BLOCKS = (512, 1024, 2048, 4096)
"""Sizes of blocks; repart takes that of the disk's sectors."""

SUPERBLOCK = 512
"""Bytes of a superblock."""

MAX_SALT = 256
"""Bytes of a salt."""


@dataclass(frozen=True, kw_only=True)
class Superblock:
    """What a hash tree is made with."""

    data_block: int
    hash_block: int
    blocks: int
    salt: bytes

    @classmethod
    def parse(cls, file: Artifact) -> "Superblock":
        """Read the beginning of a hash device.

        Raises:
            ArtifactError: none of this kind, or sizes that no tree of ours has.
        """
        data = file.cut(0, SUPERBLOCK, "verity superblock")
        algorithm = data[32:64].rstrip(b"\0")
        version, kind = file.integers("II", 8, "verity superblock")
        data_block, hash_block, blocks, salt = file.integers("IIQH", 64, "verity superblock")
        if data[:8] != b"verity\0\0" or (version, kind, algorithm) != (1, 1, b"sha256"):
            file.refuse(f"no verity superblock of version 1 with SHA-256, but {algorithm!r}")
        if data_block not in BLOCKS or hash_block not in BLOCKS or not blocks or salt > MAX_SALT:
            file.refuse(f"verity superblock: blocks of {data_block} and {hash_block}, {blocks} of "
                        f"them, a salt of {salt}")  # fmt: skip
        if any(data[82:88]) or any(data[88 + salt :]):
            file.refuse("verity superblock: bytes where there should be zeros")
        return cls(
            data_block=data_block, hash_block=hash_block, blocks=blocks, salt=data[88 : 88 + salt]
        )


@dataclass(frozen=True, kw_only=True)
class HashTree:
    """A tree: its root hash, and its blocks as they stand behind the superblock, top first."""

    root: bytes
    blocks: bytes

    @classmethod
    def over(cls, hashes: Iterable[bytes], *, block: int, salt: bytes) -> "HashTree":
        """Build the tree over the hashes of blocks of data, of which there is at least one."""
        level, levels = list(hashes), []
        while len(level) > 1:
            packed = list(_packed(level, block))
            levels.append(b"".join(packed))
            level = [block_hash(one, salt) for one in packed]
        return cls(root=level[0], blocks=b"".join(reversed(levels)))


class RootHash:
    """Builds a tree over hashes that come one by one, and keeps no more than a block a level."""

    def __init__(self, *, block: int, salt: bytes) -> None:
        self._levels: list[bytearray] = []
        self._block, self._salt = block, salt

    def add(self, found: bytes) -> None:
        """Add the hash of the next block of data."""
        self._add(0, found)

    def finish(self) -> bytes | None:
        """Give the root hash; None: there was no data."""
        level = 0
        while level < len(self._levels) and self._above(level):
            if self._levels[level]:
                self._close(level)
            level += 1
        return bytes(self._levels[level]) if level < len(self._levels) else None

    def _above(self, level: int) -> bool:
        """Say whether a level needs another one above it."""
        return len(self._levels[level]) > HASH_SIZE or level + 1 < len(self._levels)

    def _add(self, level: int, found: bytes) -> None:
        if level == len(self._levels):
            self._levels.append(bytearray())
        if len(self._levels[level]) == self._block // HASH_SIZE * HASH_SIZE:
            self._close(level)
        self._levels[level] += found

    def _close(self, level: int) -> None:
        """Hash a block of hashes into the level above."""
        packed = bytes(self._levels[level]).ljust(self._block, b"\0")
        self._levels[level].clear()
        self._add(level + 1, block_hash(packed, self._salt))


def block_hash(block: bytes, salt: bytes) -> bytes:
    """Hash a block."""
    return hashlib.sha256(salt + block).digest()


def block_hashes(pieces: Iterable[bytes], *, size: int, salt: bytes) -> Iterator[bytes]:
    """Hash the blocks of data that comes in pieces; a last block that is not whole is filled up."""
    rest = b""
    for piece in pieces:
        data = rest + piece
        whole = len(data) - len(data) % size
        for offset in range(0, whole, size):
            yield block_hash(data[offset : offset + size], salt)
        rest = data[whole:]
    if rest:
        yield block_hash(rest.ljust(size, b"\0"), salt)


def _packed(hashes: list[bytes], block: int) -> Iterator[bytes]:
    """Pack hashes into blocks."""
    room = block // HASH_SIZE
    for start in range(0, len(hashes), room):
        yield b"".join(hashes[start : start + room]).ljust(block, b"\0")

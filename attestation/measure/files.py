"""Reads an image folder: its files, their digests, and the root file system on its disk.

The thin shell around the rest of this package. Files are read once and in pieces; what is measured
whole (firmware, kernel image, logs) is held in memory up to its own limit.
"""

import hashlib
import os
import stat
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from attestation.errors import ArtifactError
from attestation.measure.artifact import Artifact
from attestation.measure.gpt import Partition, PartitionTable
from attestation.measure.image import DISK, MAX_IMAGE_JSON, ArtifactFile, ImageFolder
from attestation.measure.uki import MAX_UKI
from attestation.measure.verity import HashTree, Superblock, block_hashes

IMAGE_JSON = "image.json"
"""The file that names the others."""

PIECE = 1 << 20
"""Bytes that are read at once."""


@dataclass(frozen=True, kw_only=True)
class FoundFile:
    """A file as it is: what it holds, and whether that is what `image.json` says."""

    said: ArtifactFile
    size: int
    sha256: bytes
    artifact: Artifact

    @property
    def wrong(self) -> str:
        """Say what is not as `image.json` says; nothing: all is."""
        if self.size != self.said.size:
            return f"{self.said.size} bytes expected, {self.size} found"
        if self.sha256 != self.said.sha256:
            return f"SHA-256 {self.said.sha256.hex()} expected, {self.sha256.hex()} found"
        return ""


def read_image(folder: Path) -> ImageFolder:
    """Read `image.json`. Raises: ArtifactError."""
    return ImageFolder.parse(_start(folder / IMAGE_JSON, MAX_IMAGE_JSON + 1))


def read_file(folder: Path, image: ImageFolder, name: str) -> FoundFile:
    """Read an artifact: all of it for its digest, and hold as much as is measured.

    Raises:
        ArtifactError: it cannot be read, or is too large to be measured.
    """
    said, limit = image.artifacts[name], image.measured.get(name)
    digest, size, kept = hashlib.sha256(), 0, bytearray()
    path = folder / said.file
    try:
        with _opened(path) as file:
            while piece := file.read(PIECE):
                digest.update(piece)
                size += len(piece)
                kept += piece[: max((limit or 0) - len(kept), 0)]
    except OSError as error:
        raise ArtifactError(f"{said.name}: {path}: {error.strerror}") from error
    if limit is not None and name != DISK and size > limit:
        raise ArtifactError(f"{said.name}: {size} bytes, at most {limit} are measured")
    return FoundFile(
        said=said,
        size=size,
        sha256=digest.digest(),
        artifact=Artifact(name=said.name, data=bytes(kept)),
    )


def check_root(folder: Path, disk: ArtifactFile, table: PartitionTable, root_hash: bytes) -> None:
    """Judge that a disk has the root file system that a root hash names.

    Its partitions are found as the initrd finds them, by identities that are halves of the hash
    (UAPI group, Discoverable Partitions Specification).

    Raises:
        ArtifactError: it has not: a partition is missing, or hashes to something else.
    """
    data, hashes = (_partition(disk.name, table, half) for half in (root_hash[:16], root_hash[16:]))
    path = folder / disk.file
    try:
        with _opened(path) as file:
            _check_tree(disk.name, file, data, hashes, root_hash)
    except OSError as error:
        raise ArtifactError(f"{disk.name}: {path}: {error.strerror}") from error


def _check_tree(
    name: str, file: BinaryIO, data: Partition, hashes: Partition, root_hash: bytes
) -> None:
    file.seek(hashes.offset)
    stored = Artifact(name=f"{name}: verity partition", data=file.read(min(hashes.size, MAX_UKI)))
    block = Superblock.parse(stored)
    if block.blocks * block.data_block > data.size:
        stored.refuse(f"{block.blocks} blocks of {block.data_block} are more than the root has")
    tree = HashTree.over(
        block_hashes(
            _pieces(file, data.offset, block.blocks * block.data_block),
            size=block.data_block,
            salt=block.salt,
        ),
        block=block.hash_block,
        salt=block.salt,
    )
    if tree.root != root_hash:
        raise ArtifactError(
            f"{name}: root file system: root hash {root_hash.hex()} expected, {tree.root.hex()} "
            "found"
        )
    if stored.cut(block.hash_block, len(tree.blocks), "hash tree") != tree.blocks:
        stored.refuse("its hash tree is not that of the root file system: it would not boot")


def _partition(name: str, table: PartitionTable, half: bytes) -> Partition:
    identity = uuid.UUID(bytes=half)
    for partition in table.partitions:
        if partition.identity == identity:
            return partition
    raise ArtifactError(f"{name}: no partition {identity}, which the root hash names")


def _pieces(file: BinaryIO, offset: int, size: int) -> Iterator[bytes]:
    file.seek(offset)
    while size:
        piece = file.read(min(PIECE, size))
        if not piece:
            raise ArtifactError("disk: ends inside its root file system")
        size -= len(piece)
        yield piece


def _start(path: Path, limit: int) -> bytes:
    try:
        with _opened(path) as file:
            return file.read(limit)
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}; name an image's folder") from error


def _opened(path: Path) -> BinaryIO:
    """Open a regular file; a pipe or a device in somebody's folder would keep us waiting."""
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise ArtifactError(f"{path}: is no file")
    return file

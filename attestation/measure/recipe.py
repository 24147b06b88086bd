"""What an image was made by: a tar file, of which the lists of packages and wheels are read.

POSIX.1-2017, pax, "ustar Interchange Format": blocks of 512 bytes, a header before each file, two
blocks of zeros at the end. A release names the digest of the whole; so what stands in it is what
its signers signed, and a list beside the image can be held to it.
"""

import hashlib
import re
from collections.abc import Collection, Iterator

from attestation.measure.artifact import Artifact

MAX_RECIPE = 16 << 20
"""Bytes of a recipe; ours has 0.3 MB, with lists of 100 kB."""

BLOCK = 512
"""Bytes of a block."""

REGULAR = b"0"
"""Type of a file."""

FOLDER = b"5"
"""Type of a folder."""

SIZE = re.compile(rb"([0-7]{11})[ \0]")
"""How a size is written."""


def recipe_files(file: Artifact, names: Collection[str]) -> dict[str, bytes]:
    """Give the SHA-256 of the files with these names, as far as they are in a recipe.

    Raises:
        ArtifactError: it is no tar file, or has a file twice.
    """
    found: dict[str, bytes] = {}
    for name, data in _files(file):
        if name in names:
            if name in found:
                file.refuse(f"has {name} twice")
            found[name] = hashlib.sha256(data).digest()
    return found


def _files(file: Artifact) -> Iterator[tuple[str, bytes]]:
    offset = 0
    while any(head := file.cut(offset, BLOCK, "header of a tar file")):
        size = SIZE.fullmatch(head[124:136])
        if head[257:263] != b"ustar\0" or size is None:
            file.refuse("is no tar file of the ustar kind")
        length = int(size[1], 8)
        data = file.cut(offset + BLOCK, length, "file in a tar file")
        kind = head[156:157]
        if kind not in (REGULAR, FOLDER):
            # Others can name a file too, and whoever unpacks them would read another one.
            file.refuse(
                f"has an entry of type {kind!r}; files and folders alone are read alike by all"
            )
        if kind == REGULAR:
            folder, name = (
                part.split(b"\0")[0].decode("latin-1") for part in (head[345:500], head[:100])
            )
            yield f"{folder}/{name}" if folder else name, data
        offset += BLOCK + length + -length % BLOCK

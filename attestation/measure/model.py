"""The files of a model, one by one: what whoever brings weights can compare.

A release names a model by one digest (docs/formats.md, 1). A manifest says what is in it, so that a
difference can be found, and gives each file's dm-verity root hash, by which it can be checked block
by block: blocks of 4096 bytes, the last filled up with zeros, no salt.

    veritysetup format --no-superblock --salt=- FILE TREE

Deterministic: the same files give the same bytes, wherever and whenever.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from attestation.errors import ArtifactError
from attestation.measure.verity import RootHash, block_hashes
from attestation.strict_json import Members, StrictJSONError, dumps, parse_object

VERSION = 1
"""Of the format."""

BLOCK = 4096
"""Bytes of a block."""

PIECE = 1 << 20
"""Bytes that are read at once."""

MAX_FILES = 4096
"""Files of a model; the largest checkpoints have some hundred."""

MAX_NAME = 255
"""Bytes of a file's name; what file systems can hold."""

MAX_MANIFEST = 4 << 20
"""Bytes of a manifest."""

EMPTY = bytes(32)
"""Root hash of a file without content: it has no block."""


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A file: its name, its bytes counted, their SHA-256 and their root hash."""

    name: str
    size: int
    sha256: bytes
    verity: bytes


@dataclass(frozen=True, kw_only=True)
class ModelManifest:
    """The files of a model, in order of name."""

    files: tuple[ModelFile, ...]

    def __post_init__(self) -> None:
        names = [one.name.encode() for one in self.files]
        if not 1 <= len(names) <= MAX_FILES or names != sorted(set(names)):
            raise ArtifactError(f"model: 1 to {MAX_FILES} files, each once, in order of name")

    @property
    def digest(self) -> bytes:
        """Give the digest that a release names."""
        digest = hashlib.sha256()
        for one in self.files:
            name = one.name.encode()
            digest.update(len(name).to_bytes(8, "big") + name + one.sha256)
        return digest.digest()

    def encode(self) -> bytes:
        """Write the manifest."""
        return dumps(
            {
                "version": VERSION,
                "digest": self.digest.hex(),
                "files": [
                    {
                        "name": one.name,
                        "size": one.size,
                        "sha256": one.sha256.hex(),
                        "verity": one.verity.hex(),
                    }
                    for one in self.files
                ],
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> "ModelManifest":
        """Read a manifest.

        Raises:
            ArtifactError: another spelling, or a digest that is not that of its files.
        """
        try:
            members = parse_object(data, limit=MAX_MANIFEST, name="model manifest")
            members.integer("version", low=VERSION, high=VERSION)
            told = members.hex("digest", size=32)
            files = tuple(map(_file, members.children("files", limit=MAX_FILES)))
            members.end()
        except StrictJSONError as error:
            raise ArtifactError(str(error)) from error
        manifest = cls(files=files)
        if manifest.digest != told:
            raise ArtifactError("model manifest: its digest is not that of its files")
        return manifest

    def differences(self, other: "ModelManifest") -> tuple[str, ...]:
        """Name the files that are not the same in another manifest."""
        ours, theirs = ({one.name: one for one in each.files} for each in (self, other))
        return tuple(
            name for name in sorted({*ours, *theirs}) if ours.get(name) != theirs.get(name)
        )


def read_model(folder: Path) -> ModelManifest:
    """Read every file of a model's folder.

    Raises:
        ArtifactError: it cannot be read, holds nothing, or holds what is no file: a folder in it
            would be in no digest, and an engine might read it all the same.
    """
    try:
        paths = sorted(folder.iterdir(), key=lambda path: path.name.encode())
        odd = [path.name for path in paths if not path.is_file()]
        if odd:
            raise ArtifactError(f"{folder}: {odd[0]!r} is no file; a model is files, and no more")
        return ModelManifest(files=tuple(map(_read_file, paths)))
    except (OSError, UnicodeEncodeError) as error:
        reason = getattr(error, "strerror", None) or "a name that is no UTF-8"
        raise ArtifactError(f"{folder}: cannot be read ({reason})") from error


def _read_file(path: Path) -> ModelFile:
    digest, size = hashlib.sha256(), 0

    def pieces(file: BinaryIO) -> Iterator[bytes]:
        nonlocal size
        while piece := file.read(PIECE):
            digest.update(piece)
            size += len(piece)
            yield piece

    with path.open("rb") as file:
        root = RootHash(block=BLOCK, salt=b"")
        for found in block_hashes(pieces(file), size=BLOCK, salt=b""):
            root.add(found)
    verity = root.finish() or EMPTY
    return ModelFile(name=path.name, size=size, sha256=digest.digest(), verity=verity)


def _file(members: Members) -> ModelFile:
    file = ModelFile(
        name=members.text("name", limit=MAX_NAME),
        size=members.integer("size"),
        sha256=members.hex("sha256", size=32),
        verity=members.hex("verity", size=32),
    )
    members.end()
    if not file.name or "/" in file.name or file.name in {".", ".."}:
        raise StrictJSONError(f"{members.name}.name: expected the name of a file")
    return file

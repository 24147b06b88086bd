"""A release manifest: docs/formats.md, 4.1, as a TOML file with every member, and no other.

    name = "openpcc-node"
    version = "0.1.0"
    image = { file = "node.raw" }            # or { sha256 = "6105d6cc…" }
    mode = "attested"
    expires = 2026-12-20T00:00:00Z           # or Unix seconds

    [platforms.sev-snp]
    measurement = "7857a475…"                # SHA-384 in hex, as `measure` prints it
    registers = {}
    devices = { count = 8, kinds = ["nvidia-gpu"] }

    [[models]]
    name = "demo"
    folder = "models/demo"                   # or digest = "9372c470…"

    [engine]
    name = "vllm"
    version = "0.11.0"
    arguments = ["--max-model-len", "1024"]

    [source]
    uri = "https://example.org/openpcc"
    commit = "0000000000000000000000000000000000000000"

    [recipe]
    uri = "node_image/build"
    file = "build.lock"                      # or sha256 = "e1d8e552…"

Where a digest stands, `file` (of a model: `folder`) may stand instead; paths are relative to the
manifest, and what was hashed is shown before anybody signs.
"""

import hashlib
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from transparency_log.cli.outcome import RefusedError
from transparency_log.errors import ConfigurationError
from transparency_log.release import ReleaseStatement, parse_release
from transparency_log.strict_json import Members, StrictJSONError

DEBUG = "debug"
"""Mode in the manifest of an image that says on its console what it does; readers know none."""

MAX_MANIFEST = 65536
"""Bytes of a manifest: it has to fit into an entry."""


def read_manifest(data: bytes, path: Path) -> ReleaseStatement:
    """Read a manifest; `path` is where it is, for the files it names.

    Raises:
        ConfigurationError: not TOML, a member is missing, unknown or wrong, or a file is not there.
        RefusedError: of an image for debugging.
    """
    values = parse_toml(data, path)
    if values.get("mode") == DEBUG:
        raise RefusedError(f"{path}: an image for debugging, which nobody accepts; build another")
    _hash_files(values, path.parent)
    with named(path):
        return parse_release(Members(values, "manifest"))


def parse_toml(data: bytes, path: Path) -> dict[str, object]:
    """Read TOML.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: not TOML: {error}") from error


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Say in which file a member is wrong."""
    try:
        yield
    except StrictJSONError as error:
        raise ConfigurationError(
            f"{path}: {error}; docs/formats.md, 4, has every member"
        ) from error


def model_digest(folder: Path) -> bytes:
    """Digest a model's folder as docs/formats.md, 1, says; a test holds it to `attestation.model`.

    Raises:
        ConfigurationError: it cannot be read, or holds no file.
    """
    digest = hashlib.sha256()
    try:
        names = sorted(folder.iterdir())
    except OSError as error:
        raise ConfigurationError(f"{folder}: {error.strerror}; name a model's folder") from error
    for path in names:
        if not path.is_file():
            raise ConfigurationError(f"{path}: is no file, and no digest covers it; remove it")
        name = path.name.encode()
        digest.update(len(name).to_bytes(8, "big") + name + _file_digest(path))
    if not names:
        raise ConfigurationError(f"{folder}: holds no file; name a model's folder")
    return digest.digest()


def _hash_files(values: dict[str, object], home: Path) -> None:
    """Put digests in the place of files and times in seconds in that of dates."""
    for key in ("image", "recipe"):
        _replace_file(values.get(key), "file", "sha256", home)
    models = values.get("models")
    for model in models if isinstance(models, list) else []:
        _replace_file(model, "folder", "digest", home)
    expires = values.get("expires")
    if isinstance(expires, datetime):
        if expires.tzinfo is None:
            raise ConfigurationError("manifest: expires has no time zone; write it with a Z")
        values["expires"] = int(expires.astimezone(UTC).timestamp())


def _replace_file(table: object, key: str, digest: str, home: Path) -> None:
    if not isinstance(table, dict) or key not in table:
        return
    members = cast("dict[str, object]", table)
    name = members.pop(key)
    if not isinstance(name, str) or digest in members:
        raise ConfigurationError(f"manifest: give one of {key} and {digest}, as a text")
    found = model_digest(home / name) if key == "folder" else _file_digest(home / name)
    members[digest] = found.hex()


def _file_digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; name a file that exists") from error

"""Checkpoints: what a log commits to (C2SP tlog-checkpoint v1.0.0).

    log.example/demo                                  origin
    5                                                 tree size
    gy5gl3aksFyiCO95a/1vLXz88A3dRq+0l9Sxte8ZqZQ=      root hash
    (extension lines, ours has none)

The text is only as good as its signatures: `witness_policy` checks those, then reads the text.
"""

import re
from dataclasses import dataclass

from transparency_log.errors import MalformedCheckpointError
from transparency_log.strict_json import StrictJSONError, b64decode, b64encode

MAX_SIZE = 2**63 - 1
"""Largest tree size; carriers of the number in JSON or SQLite go no further."""

HASH_SIZE = 32
"""Bytes of a SHA-256 hash."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Origin, size and root of a tree. `extensions` are further lines, left uninterpreted."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """Write the text of the note."""
        lines = (self.origin, str(self.size), b64encode(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines).encode()


def parse_decimal(text: str) -> int:
    """Read a canonical decimal of 0 to 2^63-1: no sign, space or leading zero.

    Raises:
        MalformedCheckpointError: another spelling, or larger.
    """
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", text) or int(text) > MAX_SIZE:
        raise MalformedCheckpointError("number is not a canonical decimal below 2^63")
    return int(text)


def parse_hash(text: str) -> bytes:
    """Read a SHA-256 hash in canonical base64.

    Raises:
        MalformedCheckpointError: another spelling or length.
    """
    try:
        value = b64decode(text)
    except StrictJSONError as error:
        raise MalformedCheckpointError(f"hash is {error}") from error
    if len(value) != HASH_SIZE:
        raise MalformedCheckpointError(f"hash has {len(value)} bytes, expected {HASH_SIZE}")
    return value


def parse_origin(text: bytes) -> str:
    """Read the first line alone, to find out which log a note claims to be of.

    Raises:
        MalformedCheckpointError: empty, or not UTF-8.
    """
    try:
        origin = text.split(b"\n", 1)[0].decode()
    except UnicodeDecodeError as error:
        raise MalformedCheckpointError("origin is not UTF-8") from error
    if not origin:
        raise MalformedCheckpointError("origin is empty")
    return origin


def parse_checkpoint(text: bytes) -> Checkpoint:
    """Read the text of a note as a checkpoint.

    Raises:
        MalformedCheckpointError: fewer than three lines, an empty line, or a bad size or root.
    """
    try:
        *lines, end = text.decode().split("\n")
    except UnicodeDecodeError as error:
        raise MalformedCheckpointError("checkpoint is not UTF-8") from error
    if end or len(lines) < 3 or not all(lines):
        raise MalformedCheckpointError("checkpoint is not three or more full lines")
    return Checkpoint(
        origin=lines[0],
        size=parse_decimal(lines[1]),
        root=parse_hash(lines[2]),
        extensions=tuple(lines[3:]),
    )

"""What the service's public record says about nodes, read strictly; no network, no clock.

docs/formats.md section 7. The hint is trusted for nothing. A shard is trusted as far as its proof
reaches: its leaves are part of the directory whose root stands in the logged service entry.
"""

import hashlib
from dataclasses import dataclass

from openpcc.protocol import messages
from openpcc.protocol.messages import DirectoryLeaf
from transparency_log import merkle, strict_json
from transparency_log.errors import InconsistentError

MAX_HINT = 4096
MAX_SHARD_BYTES = 65536
"""Bytes of a shard document: 16 leaves of at most 400 bytes and a proof of at most 64 hashes."""

KEEP_SHARD = 24 * 3600
"""Seconds a client stays with the shard it drew, so that drawing again gives nobody a choice."""


class MalformedDirectoryError(ValueError):
    """A discovery document is not the accepted spelling, or not proved by the service entry."""


@dataclass(frozen=True, kw_only=True)
class Hint:
    """Where in the log to look; the gateway's word."""

    service: str
    index: int
    status: int


@dataclass(frozen=True, kw_only=True)
class VerifiedShard:
    """Leaves that belong to the logged directory; made by `verify_shard` alone."""

    number: int
    leaves: tuple[DirectoryLeaf | None, ...]
    """None is an empty slot."""


def parse_hint(data: bytes) -> Hint:
    """Read the answer to `GET /service`.

    Raises:
        MalformedDirectoryError: it is not one.
    """
    try:
        members = strict_json.parse_object(data, limit=MAX_HINT, name="service hint")
        members.integer("version", low=1, high=1)
        hint = Hint(
            service=members.text("service"),
            index=members.integer("index"),
            status=members.integer("status"),
        )
        members.end()
    except strict_json.StrictJSONError as error:
        raise MalformedDirectoryError(str(error)) from error
    return hint


def shard_count(size: int) -> int:
    """Count the shards of a directory of `size` leaves."""
    return -(-size // messages.SHARD)


def model_id(name: str) -> str:
    """Name a model on the wire: SHA-256 of its name, hex."""
    return hashlib.sha256(name.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class UnverifiedShard:
    """A shard as a gateway says it; `sequence` is never more than its word."""

    sequence: int
    model: str
    number: int
    size: int
    leaves: tuple[bytes, ...]
    proof: tuple[bytes, ...]


def parse_shard(data: bytes) -> UnverifiedShard:
    """Read the answer to `GET /directory/MODEL-ID/SHARD`; nothing is proved.

    Raises:
        MalformedDirectoryError: it is not one.
    """
    try:
        members = strict_json.parse_object(data, limit=MAX_SHARD_BYTES, name="shard")
        members.integer("version", low=1, high=1)
        shard = UnverifiedShard(
            sequence=members.integer("sequence"),
            model=members.hex("model", size=32).hex(),
            number=members.integer("shard"),
            size=members.integer("size"),
            leaves=_decoded(members.texts("leaves", limit=messages.SHARD, length=600)),
            proof=_decoded(members.texts("proof", limit=64, length=44)),
        )
        members.end()
    except strict_json.StrictJSONError as error:
        raise MalformedDirectoryError(str(error)) from error
    return shard


def verify_shard(data: bytes, *, model: str, number: int, size: int, root: bytes) -> VerifiedShard:
    """Read a shard and prove that it is part of the directory.

    Args:
        data: the answer to `GET /directory/MODEL-ID/SHARD`.
        model: name of the model.
        number: the shard that was asked for.
        size: leaves of the directory, from the service entry.
        root: root of the directory, from the service entry.

    Raises:
        MalformedDirectoryError: malformed, another shard, or not part of that directory.
    """
    found = parse_shard(data)
    start = number * messages.SHARD
    end = min(start + messages.SHARD, size)
    asked = (model_id(model), number, size, end - start)
    if asked != (found.model, found.number, found.size, len(found.leaves)):
        raise MalformedDirectoryError("shard: another shard than the one asked for")
    _prove(found, start=start, end=end, root=root)
    leaves = tuple(_leaf(leaf) for leaf in found.leaves)
    listed = [leaf for leaf in leaves if leaf is not None]
    if len(set(listed)) != len(listed):
        # Copies of one good node would outweigh the failing ones of its shard.
        raise MalformedDirectoryError("shard: it lists one node twice")
    return VerifiedShard(number=number, leaves=leaves)


def _decoded(texts: list[str]) -> tuple[bytes, ...]:
    return tuple(strict_json.b64decode(text) for text in texts)


def _prove(shard: UnverifiedShard, *, start: int, end: int, root: bytes) -> None:
    subtree = merkle.tree_root([merkle.leaf_hash(leaf) for leaf in shard.leaves])
    try:
        merkle.verify_subtree_consistency(
            start=start,
            end=end,
            size=shard.size,
            subtree_root=subtree,
            root=root,
            proof=shard.proof,
        )
    except InconsistentError as error:
        raise MalformedDirectoryError("shard: not part of the logged directory") from error


def _leaf(data: bytes) -> DirectoryLeaf | None:
    try:
        return DirectoryLeaf.parse(data)
    except ValueError as error:
        raise MalformedDirectoryError("shard: a leaf is malformed") from error

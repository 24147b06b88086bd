"""Proof files: one entry's place in a log, to be checked offline (C2SP tlog-proof).

    c2sp.org/tlog-proof@v1
    extra ZXh0cmEgaW5mb3JtYXRpb24=
    index 10
    rzFuy5Go7nrpkhBwKy1HWPMM3eO/YePY54fXRoH5Cm4=       leaf's sibling first

    log.example/demo                                   a cosigned checkpoint
    …

`extra` is whatever the carrier likes; in our bundles it is the entry itself, which then proves
itself by hashing to the leaf. It is never believed for anything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from transparency_log.checkpoint import parse_decimal, parse_hash
from transparency_log.errors import MalformedCheckpointError, MalformedProofError
from transparency_log.merkle import MAX_PROOF, verify_inclusion
from transparency_log.note import MAX_NOTE
from transparency_log.strict_json import StrictJSONError, b64decode, b64encode
from transparency_log.witness_policy import LogPolicy, WitnessedCheckpoint, verify_checkpoint

HEADER = "c2sp.org/tlog-proof@v1"
"""First line of every proof file."""

MAX_EXTRA = 65535
"""Bytes of the extra line's content: a log entry fits."""

MAX_FILE = MAX_NOTE + 2 * MAX_EXTRA + 64 * MAX_PROOF
"""Bytes of a proof file."""


@dataclass(frozen=True, kw_only=True)
class UnverifiedProof:
    """A proof file that parses; `extra` None means that the line is absent."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class LoggedEntry:
    """A leaf that is proved to be in a witnessed log; made by `verify_proof` alone."""

    index: int
    leaf_hash: bytes
    witnessed: WitnessedCheckpoint


def parse_proof(data: bytes) -> UnverifiedProof:
    """Read a proof file; nothing is trusted yet.

    Raises:
        MalformedProofError: another spelling, or too long.
    """
    if len(data) > MAX_FILE:
        raise MalformedProofError(f"proof: {len(data)} bytes, at most {MAX_FILE} are accepted")
    head, separator, checkpoint = data.partition(b"\n\n")
    if not separator or not checkpoint:
        raise MalformedProofError("proof has no blank line and checkpoint")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise MalformedProofError("proof is not ASCII before its checkpoint") from error
    if lines.pop(0) != HEADER:
        raise MalformedProofError("proof does not begin with its header line")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = _extra(lines.pop(0).removeprefix("extra "))
    if not lines or not lines[0].startswith("index "):
        raise MalformedProofError("proof has no index line")
    index, *hashes = lines
    return UnverifiedProof(
        index=_index(index.removeprefix("index ")),
        hashes=parse_hashes(hashes, limit=MAX_PROOF),
        checkpoint=checkpoint,
        extra=extra,
    )


def format_proof(
    *, index: int, hashes: Sequence[bytes], checkpoint: bytes, extra: bytes | None = None
) -> bytes:
    """Write a proof file around the bytes of a cosigned checkpoint."""
    lines = [HEADER]
    if extra is not None:
        lines.append(f"extra {b64encode(extra)}")
    lines.append(f"index {index}")
    lines.extend(b64encode(value) for value in hashes)
    return "".join(f"{line}\n" for line in lines).encode() + b"\n" + checkpoint


def verify_proof(proof: bytes, leaf_hash: bytes, policy: LogPolicy) -> LoggedEntry:
    """Check that the leaf is in the log of `policy`: checkpoint first, then inclusion under it.

    Raises:
        MalformedError: the file, its note or its checkpoint is not as specified.
        UntrustedError: see `witness_policy.verify_checkpoint`; `NotIncludedError` for the proof.
    """
    parsed = parse_proof(proof)
    witnessed = verify_checkpoint(parsed.checkpoint, policy)
    verify_inclusion(
        index=parsed.index,
        size=witnessed.checkpoint.size,
        leaf=leaf_hash,
        proof=parsed.hashes,
        root=witnessed.checkpoint.root,
    )
    return LoggedEntry(index=parsed.index, leaf_hash=leaf_hash, witnessed=witnessed)


def parse_hashes(lines: Sequence[str], *, limit: int) -> tuple[bytes, ...]:
    """Read a hash per line.

    Raises:
        MalformedProofError: more than `limit`, or a line that is not a hash.
    """
    if len(lines) > limit:
        raise MalformedProofError(f"proof has {len(lines)} hashes, at most {limit} are accepted")
    try:
        return tuple(parse_hash(line) for line in lines)
    except MalformedCheckpointError as error:
        raise MalformedProofError(f"proof: {error}") from error


def _index(text: str) -> int:
    try:
        return parse_decimal(text)
    except MalformedCheckpointError as error:
        raise MalformedProofError(f"index: {error}") from error


def _extra(text: str) -> bytes:
    try:
        extra = b64decode(text)
    except StrictJSONError as error:
        raise MalformedProofError(f"extra: {error}") from error
    if len(extra) > MAX_EXTRA:
        raise MalformedProofError(f"extra: more than {MAX_EXTRA} bytes")
    return extra

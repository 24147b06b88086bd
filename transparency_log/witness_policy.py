"""Which log and which witnesses a reader trusts, and what a checkpoint needs to be believed.

The argument, numbered as in `verify_checkpoint`:

1. parse         the bytes are a note; nothing is trusted yet
2. authenticate  the log's key signed; no signature by a known key fails
3. origin        the checkpoint is of this log
4. quorum        at least `quorum` different witnesses cosigned: they saw no other history

The time of a checkpoint is the quorum-th largest of the witnesses' newest timestamps: to make it
later than the truth, a quorum of witnesses has to lie; fewer can only make it earlier.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from transparency_log.checkpoint import Checkpoint, parse_checkpoint
from transparency_log.cosignature import parse_cosignature, parse_verifier
from transparency_log.errors import (
    MalformedKeyError,
    NotSignedError,
    PolicyError,
    TooFewWitnessesError,
)
from transparency_log.note import Note, Verifier, open_note
from transparency_log.vkey import SignatureType

MAX_WITNESSES = 32
"""Witnesses in a policy; a note may have that many cosignatures and the log's."""

LOG_TYPES = (SignatureType.ED25519,)
"""Signature types a log may sign its checkpoints with."""

WITNESS_TYPES = (SignatureType.COSIGNATURE, SignatureType.ML_DSA_44)
"""Signature types that carry a time."""


@dataclass(frozen=True, kw_only=True)
class Witness:
    """One witness of a policy; `operator` is shown to people, and decides nothing."""

    name: str
    operator: str
    vkey: str


@dataclass(frozen=True, kw_only=True)
class LogPolicy:
    """One log, its witnesses and how many of them must agree.

    Raises:
        PolicyError: a key does not parse or has the wrong type, a witness's name is not that of its
            key, two entries share a name or a public key, or the quorum cannot be met or is zero.
    """

    origin: str
    log_vkey: str
    witnesses: tuple[Witness, ...]
    quorum: int

    def __post_init__(self) -> None:
        keys = [self.log_verifier.key, *(verifier.key for verifier in self.witness_verifiers)]
        if not 1 <= self.quorum <= len(self.witnesses) <= MAX_WITNESSES:
            raise PolicyError(
                f"quorum {self.quorum} of {len(self.witnesses)} witnesses: not usable"
            )
        if len({key.public_key for key in keys}) != len(keys):
            raise PolicyError("one public key stands for two parties of the log policy")
        if len({witness.name for witness in self.witnesses}) != len(self.witnesses):
            raise PolicyError("two witnesses of the log policy have one name")
        for witness, key in zip(self.witnesses, keys[1:], strict=True):
            if witness.name != key.name:
                raise PolicyError(f"witness {witness.name}: its key is named {key.name}")

    @cached_property
    def log_verifier(self) -> Verifier:
        """Checks the log's signature."""
        return _verifier(self.log_vkey, LOG_TYPES)

    @cached_property
    def witness_verifiers(self) -> tuple[Verifier, ...]:
        """Check the witnesses' cosignatures, in the policy's order."""
        return tuple(_verifier(witness.vkey, WITNESS_TYPES) for witness in self.witnesses)


def _verifier(vkey: str, types: Sequence[SignatureType]) -> Verifier:
    try:
        verifier = parse_verifier(vkey)
    except MalformedKeyError as error:
        raise PolicyError(f"key {vkey[:64]!r}: {error}") from error
    if verifier.key.type not in types:
        raise PolicyError(
            f"key {verifier.key.name}: type {verifier.key.type:#04x} has no such role"
        )
    return verifier


@dataclass(frozen=True, kw_only=True)
class WitnessedCheckpoint:
    """A checkpoint that meets a policy; made by `verify_checkpoint` alone.

    Attributes:
        checkpoint: origin, size and root, now believed.
        time: when a quorum of witnesses had seen it, Unix seconds.
        witnesses: names of the witnesses that cosigned.
        note: the bytes that were verified.
    """

    checkpoint: Checkpoint
    time: int
    witnesses: tuple[str, ...]
    note: bytes


def verify_checkpoint(note: bytes, policy: LogPolicy) -> WitnessedCheckpoint:
    """Check a cosigned checkpoint against a policy; the numbers are those of the module text.

    Whether its time is recent enough is the caller's question, who knows what it is for.

    Raises:
        MalformedError: not a note, or not a checkpoint.
        NotSignedError: not signed by the log, of another origin, or with a bad signature.
        TooFewWitnessesError: fewer witnesses than the quorum cosigned.
    """
    opened = open_note(note, [policy.log_verifier, *policy.witness_verifiers])  # 1, 2
    log = policy.log_verifier.key
    if (log.name, log.key_id) not in {(line.name, line.key_id) for line in opened.signed_by}:
        raise NotSignedError(f"no signature by the log {log.name}")
    checkpoint = parse_checkpoint(opened.text)
    if checkpoint.origin != policy.origin:  # 3
        raise NotSignedError("origin: the checkpoint is of another log")
    times = witness_times(opened, policy.witness_verifiers)
    if len(times) < policy.quorum:  # 4
        raise TooFewWitnessesError(expected=policy.quorum, actual=len(times))
    return WitnessedCheckpoint(
        checkpoint=checkpoint,
        time=sorted(times.values(), reverse=True)[policy.quorum - 1],
        witnesses=tuple(times),
        note=note,
    )


def witness_times(note: Note, verifiers: Sequence[Verifier]) -> dict[str, int]:
    """Give each witness that cosigned, once, with the largest of its timestamps."""
    times: dict[str, int] = {}
    for verifier in verifiers:
        for line in note.signed_by:
            if (line.name, line.key_id) == (verifier.key.name, verifier.key.key_id):
                timestamp = parse_cosignature(line.signature).timestamp
                times[line.name] = max(timestamp, times.get(line.name, 0))
    return times

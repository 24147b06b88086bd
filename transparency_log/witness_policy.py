"""Which log and which witnesses a reader trusts, and what a checkpoint needs to be believed.

The argument, numbered as in `verify_checkpoint`:

1. parse         the bytes are a note; nothing is trusted yet
2. authenticate  a key of the log signed; no signature by a known key fails
3. origin        the checkpoint is of this log
4. quorum        witnesses of at least `quorum` different operators cosigned: they saw no other
                 history

Operators are counted, not keys: whoever runs two witnesses, or one with an Ed25519 and an ML-DSA-44
key, or an old and a new key while one replaces the other, is one voice.

The time of a checkpoint is the quorum-th largest of the operators' newest timestamps: to make it
later than the truth, a quorum of operators has to lie; fewer can only make it earlier.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from transparency_log.checkpoint import Checkpoint, parse_checkpoint
from transparency_log.cosignature import parse_cosignature, parse_log_verifier, parse_verifier
from transparency_log.errors import (
    MalformedKeyError,
    NotSignedError,
    PolicyError,
    TooFewWitnessesError,
)
from transparency_log.note import Note, Verifier, open_note, parse_note
from transparency_log.vkey import SignatureType, VerifierKey

MAX_WITNESSES = 32
"""Witness keys in a policy; a note may have that many cosignatures and the log's."""

MAX_OVERLAP = 7
"""Further keys of the log; a rotation needs one, or two if it signs with two kinds."""

MAX_OPERATOR = 255
"""Characters of an operator's name."""

LOG_TYPES = (SignatureType.ED25519, SignatureType.ML_DSA_44)
"""Signature types a log may sign its checkpoints with."""

WITNESS_TYPES = (SignatureType.COSIGNATURE, SignatureType.ML_DSA_44)
"""Signature types that carry a time."""


@dataclass(frozen=True, kw_only=True)
class Witness:
    """One key of a witness. `operator` is who runs it: keys of one operator count once."""

    name: str
    operator: str
    vkey: str


@dataclass(frozen=True, kw_only=True)
class LogPolicy:
    """One log, its witnesses and how many of their operators must agree.

    Attributes:
        origin: of the log.
        log_vkey: its verifier key.
        witnesses: keys that may cosign.
        quorum: operators that must have.
        overlap_vkeys: further keys of the log, one of which may sign instead: the next one and the
            one before it, while a rotation lasts (docs/keys.md).

    Raises:
        PolicyError: a key does not parse or has the wrong type, a witness's name is not that of its
            key, two operators share a witness's name or nearly share their own, one public key
            stands twice, or the quorum cannot be met or is zero.
    """

    origin: str
    log_vkey: str
    witnesses: tuple[Witness, ...]
    quorum: int
    overlap_vkeys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        log_keys = [verifier.key for verifier in self.log_verifiers]
        witness_keys = [verifier.key for verifier in self.witness_verifiers]
        keys = [*log_keys, *witness_keys]
        if len({key.public_key for key in keys}) != len(keys):
            raise PolicyError("one public key stands twice in the log policy")
        if len({named(key) for key in keys}) != len(keys):
            raise PolicyError("two keys of the log policy have one name and key id")
        if len(self.witnesses) > MAX_WITNESSES or len(self.overlap_vkeys) > MAX_OVERLAP:
            raise PolicyError(
                f"log policy: more than {MAX_WITNESSES} witnesses or {MAX_OVERLAP} overlap keys"
            )
        for witness, key in zip(self.witnesses, witness_keys, strict=True):
            if witness.name != key.name:
                raise PolicyError(f"witness {witness.name}: its key is named {key.name}")
        _check_operators(self.witnesses)
        operators = len({witness.operator for witness in self.witnesses})
        if not 1 <= self.quorum <= operators:
            raise PolicyError(f"quorum {self.quorum} of {operators} witness operators: not usable")

    @cached_property
    def log_verifiers(self) -> tuple[Verifier, ...]:
        """The log's keys, the one to use first."""
        vkeys = (self.log_vkey, *self.overlap_vkeys)
        return tuple(_verifier(one, LOG_TYPES, parse_log_verifier) for one in vkeys)

    @cached_property
    def witness_verifiers(self) -> tuple[Verifier, ...]:
        """The witnesses' keys, in their order."""
        return tuple(
            _verifier(witness.vkey, WITNESS_TYPES, parse_verifier) for witness in self.witnesses
        )

    @cached_property
    def operators(self) -> Mapping[tuple[str, bytes], str]:
        """Who runs the witness of a key, by the key's name and id."""
        return {
            named(verifier.key): witness.operator
            for witness, verifier in zip(self.witnesses, self.witness_verifiers, strict=True)
        }


def named(key: VerifierKey) -> tuple[str, bytes]:
    """Give what a signature line names its key by."""
    return key.name, key.key_id


def _check_operators(witnesses: Sequence[Witness]) -> None:
    """Refuse what would count one operator twice by an oversight of the policy's writer."""
    known: dict[str, str] = {}
    runs: dict[str, str] = {}
    for witness in witnesses:
        operator = witness.operator
        if not operator.strip() or len(operator) > MAX_OPERATOR or not operator.isprintable():
            raise PolicyError(f"witness {witness.name}: operator is empty, too long or unprintable")
        folded = " ".join(operator.casefold().split())
        if known.setdefault(folded, operator) != operator:
            raise PolicyError(f"operator {operator!r}: spelled in two ways; they count as one")
        if runs.setdefault(witness.name, operator) != operator:
            raise PolicyError(f"witness {witness.name}: one name, two operators")


def _verifier(
    vkey: str, types: Sequence[SignatureType], parse: Callable[[str], Verifier]
) -> Verifier:
    try:
        verifier = parse(vkey)
    except MalformedKeyError as error:
        raise PolicyError(f"key {vkey[:64]!r}: {error}") from error
    if verifier.key.type not in types:
        raise PolicyError(
            f"key {verifier.key.name}: type {verifier.key.type:#04x} has no such role"
        )
    return verifier


@dataclass(frozen=True, kw_only=True)
class WitnessedCheckpoint:
    """A checkpoint that meets a policy; made here alone.

    Attributes:
        checkpoint: origin, size and root, now believed.
        time: when a quorum of operators had seen it, Unix seconds.
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
        TooFewWitnessesError: witnesses of fewer operators than the quorum cosigned.
    """
    opened = open_note(note, [*policy.log_verifiers, *policy.witness_verifiers])  # 1, 2
    lines = {(line.name, line.key_id) for line in opened.signed_by}
    if not any(named(log.key) in lines for log in policy.log_verifiers):
        raise NotSignedError(f"no signature by the log {policy.log_verifiers[0].key.name}")
    checkpoint = parse_checkpoint(opened.text)
    if checkpoint.origin != policy.origin:  # 3
        raise NotSignedError("origin: the checkpoint is of another log")
    times = operator_times(opened, policy)
    if len(times) < policy.quorum:  # 4
        raise TooFewWitnessesError(expected=policy.quorum, actual=len(times))
    keys = [verifier.key for verifier in policy.witness_verifiers]
    return WitnessedCheckpoint(
        checkpoint=checkpoint,
        time=sorted(times.values(), reverse=True)[policy.quorum - 1],
        witnesses=tuple(dict.fromkeys(key.name for key in keys if named(key) in lines)),
        note=note,
    )


def remembered_checkpoint(note: bytes, *, time: int, policy: LogPolicy) -> WitnessedCheckpoint:
    """Take up a checkpoint out of one's own memory, where it was kept after it had been verified.

    It was verified under the policy of its day. Keys that have been replaced since do not make it
    less true, and to forget it would let the log go back.

    Args:
        note: as it was kept.
        time: newest witnessed time ever verified, Unix seconds.
        policy: of today.

    Raises:
        MalformedError: not a note, or not a checkpoint.
        NotSignedError: of another log.
    """
    checkpoint = parse_checkpoint(parse_note(note).unverified_text)
    if checkpoint.origin != policy.origin:
        raise NotSignedError("origin: the checkpoint is of another log")
    return WitnessedCheckpoint(checkpoint=checkpoint, time=time, witnesses=(), note=note)


def operator_times(note: Note, policy: LogPolicy) -> dict[str, int]:
    """Give each operator whose witness cosigned, once, with the largest of its timestamps."""
    times: dict[str, int] = {}
    for line in note.signed_by:
        operator = policy.operators.get((line.name, line.key_id))
        if operator is not None:
            timestamp = parse_cosignature(line.signature).timestamp
            times[operator] = max(timestamp, times.get(operator, 0))
    return times

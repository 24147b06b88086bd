"""What two signed statements prove against whoever signed them; for anybody who is given both.

A client that is shown a contradiction keeps both statements as they were (docs/formats.md, 6). Here
a third party judges them, with nothing but the public keys:

- two checkpoints of one size with different roots    the log forks: *proof*. An honest log never
                                                      signs two trees of one size. Every witness
                                                      that cosigned both is proved dishonest too.
- a witness cosigned a smaller tree, dated later      that witness is dishonest, or has forgotten:
                                                      *proof*. A cosignature says that no larger
                                                      tree had been seen by its time.
- two checkpoints of different sizes, else            *suspicion*. An honest log can prove that one
                                                      extends the other; only who asks it for that
                                                      proof, and gets none, knows more. A proof that
                                                      does not hold shows nothing: anybody can make
                                                      one up.
- two entries of one chain with one sequence number   their signers equivocate: *proof*

Nothing here says that a third party should believe whoever kept the statements: the signatures do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from transparency_log.checkpoint import Checkpoint, parse_checkpoint
from transparency_log.cosignature import parse_cosignature
from transparency_log.entry import (
    EntryKind,
    EntrySigners,
    Service,
    Status,
    parse_entry,
    verify_service,
    verify_status,
)
from transparency_log.errors import (
    InconsistentError,
    MalformedEntryError,
    NotSignedError,
)
from transparency_log.merkle import verify_consistency
from transparency_log.note import Note, open_note
from transparency_log.witness_policy import LogPolicy, named


class Weight(Enum):
    """What a pair of statements shows."""

    PROOF = "proof"
    SUSPICION = "suspicion"
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What two statements show, and against whom.

    Attributes:
        weight: how much.
        text: why, for people.
        against: key names of those who are proved to have contradicted themselves.
    """

    weight: Weight
    text: str
    against: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Signed:
    """A checkpoint that the log signed, and the times at which each witness key cosigned it."""

    checkpoint: Checkpoint
    times: dict[tuple[str, bytes], list[int]]


def judge_checkpoints(
    first: bytes, second: bytes, policy: LogPolicy, *, proof: Sequence[bytes] | None = None
) -> Judgement:
    """Judge two notes of one log. Neither has to meet the quorum: each signature stands for itself.

    Args:
        first: the one note.
        second: the other.
        policy: names the keys of log and witnesses.
        proof: of consistency between the two trees, if somebody has one.

    Raises:
        MalformedError: not notes, or not checkpoints.
        NotSignedError: one is not signed by the log, is of another log, or has a bad signature.
    """
    one, other = _signed(first, policy), _signed(second, policy)
    smaller, larger = sorted((one, other), key=lambda signed: signed.checkpoint.size)
    if smaller.checkpoint.size == larger.checkpoint.size:
        return _judge_equal(smaller, larger)
    went_back = [
        key[0]
        for key, times in smaller.times.items()
        if key in larger.times and max(times) > min(larger.times[key])
    ]
    if went_back:
        text = "witnesses cosigned a smaller tree at a later time"
        return Judgement(weight=Weight.PROOF, text=text, against=_names(went_back))
    return _judge_growth(smaller.checkpoint, larger.checkpoint, proof)


def judge_entries(
    first: bytes, second: bytes, *, status_signers: EntrySigners, service_signers: EntrySigners
) -> Judgement:
    """Judge two entries of the log.

    Raises:
        MalformedEntryError: not entries of a chain.
        NotSignedError: one is not signed by its signers.
    """
    one = _chained(first, status_signers, service_signers)
    other = _chained(second, status_signers, service_signers)
    if _chain(one) != _chain(other) or one.sequence != other.sequence:
        return Judgement(weight=Weight.NOTHING, text="they have different places in the record")
    if one.payload_digest == other.payload_digest:
        return Judgement(weight=Weight.NOTHING, text="they say the same")
    kind, name = _chain(one)
    text = f"two entries of one number, {one.sequence}, in the chain of {kind} {name}"
    return Judgement(weight=Weight.PROOF, text=text, against=(f"{kind} signers",))


def _judge_equal(one: _Signed, other: _Signed) -> Judgement:
    size = one.checkpoint.size
    if one.checkpoint.root == other.checkpoint.root:
        return Judgement(weight=Weight.NOTHING, text=f"both are the same tree of size {size}")
    both = [one.checkpoint.origin, *(key[0] for key in one.times if key in other.times)]
    text = f"the log has signed two trees of size {size}"
    return Judgement(weight=Weight.PROOF, text=text, against=_names(both))


def _judge_growth(
    smaller: Checkpoint, larger: Checkpoint, proof: Sequence[bytes] | None
) -> Judgement:
    step = f"from size {smaller.size} to {larger.size}"
    if smaller.size == 0:
        return Judgement(weight=Weight.NOTHING, text="every tree extends the empty one")
    if proof is None:
        text = f"ask the log for a consistency proof {step}: it must have one"
        return Judgement(weight=Weight.SUSPICION, text=text)
    try:
        verify_consistency(
            old_size=smaller.size,
            old_root=smaller.root,
            size=larger.size,
            root=larger.root,
            proof=proof,
        )
    except InconsistentError:
        text = f"this consistency proof {step} does not hold; ask the log itself for one"
        return Judgement(weight=Weight.SUSPICION, text=text)
    return Judgement(weight=Weight.NOTHING, text=f"one history: proved {step}")


def _signed(data: bytes, policy: LogPolicy) -> _Signed:
    note = open_note(data, [*policy.log_verifiers, *policy.witness_verifiers])
    checkpoint = parse_checkpoint(note.text)
    lines = {(line.name, line.key_id) for line in note.signed_by}
    if not any(named(one.key) in lines for one in policy.log_verifiers):
        raise NotSignedError("a note is not signed by the log")
    if checkpoint.origin != policy.origin:
        raise NotSignedError("a note is of another log")
    return _Signed(checkpoint=checkpoint, times=_times(note, policy))


def _times(note: Note, policy: LogPolicy) -> dict[tuple[str, bytes], list[int]]:
    times: dict[tuple[str, bytes], list[int]] = {}
    for line in note.signed_by:
        key = (line.name, line.key_id)
        if key in policy.operators:
            times.setdefault(key, []).append(parse_cosignature(line.signature).timestamp)
    return times


def _chained(data: bytes, status: EntrySigners, service: EntrySigners) -> Status | Service:
    match parse_entry(data).kind:
        case EntryKind.STATUS:
            return verify_status(data, status)
        case EntryKind.SERVICE:
            return verify_service(data, service)
        case EntryKind.RELEASE | EntryKind.ROTATION:
            raise MalformedEntryError("entries of this kind have no sequence number")


def _chain(entry: Status | Service) -> tuple[str, str]:
    if isinstance(entry, Status):
        return "status", entry.log
    return "service", entry.service


def _names(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))

"""What a witness is asked and how it answers (C2SP tlog-witness v1.0.0, add-checkpoint).

    old 3                                              size the witness cosigned last
    KgIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=       consistency proof
    …

    log.example/demo                                   the log's signed checkpoint
    …

`decide` is the whole of a witness's judgement, pure over (state, request, now). It runs inside the
transaction that keeps the new state; only after the commit may the answer leave. The checks, in
the specification's order, and one of our own:

1. parse         400
2. known log     404
3. signature     403
4. sizes         400 if old is above the checkpoint's size
5. rollback      409, with the size this witness has
6. consistency   422
7. time          503: a cosignature says that no larger tree had been seen by then, so a witness
                 whose clock has gone back waits rather than contradict itself

A log that signs two trees of one size has proved that it forks: both notes are kept.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from transparency_log.checkpoint import (
    Checkpoint,
    parse_checkpoint,
    parse_decimal,
    parse_origin,
)
from transparency_log.cosignature import Cosigner
from transparency_log.errors import (
    InconsistentError,
    MalformedCheckpointError,
    MalformedError,
    MalformedNoteError,
    MalformedProofError,
    NotSignedError,
)
from transparency_log.merkle import EMPTY_ROOT, verify_consistency
from transparency_log.note import (
    MAX_NOTE,
    Note,
    SignatureLine,
    Verifier,
    format_note,
    open_note,
    parse_note,
    split_note,
)
from transparency_log.proof import parse_hashes
from transparency_log.strict_json import b64encode

MAX_PROOF_LINES = 63
"""Hashes in a request's proof."""

MAX_REQUEST = MAX_NOTE + 64 * (MAX_PROOF_LINES + 1)
"""Bytes of a request."""

SIZE_TYPE = "text/x.tlog.size"
"""Media type of the answer 409."""

TEXT_TYPE = "text/plain; charset=utf-8"
"""Media type of every other answer."""


CLOCK_STEP = 300
"""Seconds that a witness's clock may be behind its newest cosignature, which is then dated as that
one: clocks are set back a little by whoever keeps them right."""


@dataclass(frozen=True, kw_only=True)
class AddCheckpointRequest:
    """The parts of a request, unverified."""

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes

    def encode(self) -> bytes:
        """Write the request's body."""
        lines = [f"old {self.old_size}", *(b64encode(value) for value in self.proof)]
        return "".join(f"{line}\n" for line in lines).encode() + b"\n" + self.note


def parse_request(body: bytes) -> AddCheckpointRequest:
    """Read a request's body.

    Raises:
        MalformedProofError: another spelling, or too long.
    """
    if len(body) > MAX_REQUEST:
        raise MalformedProofError(f"request: more than {MAX_REQUEST} bytes")
    head, separator, note = body.partition(b"\n\n")
    try:
        old, *hashes = head.decode("ascii").split("\n")
        if not separator or not old.startswith("old "):
            raise MalformedProofError("request has no old size and blank line")
        size = parse_decimal(old.removeprefix("old "))
    except (UnicodeDecodeError, MalformedCheckpointError) as error:
        raise MalformedProofError("request: old size is not a canonical decimal") from error
    proof = parse_hashes(hashes, limit=MAX_PROOF_LINES)
    return AddCheckpointRequest(old_size=size, proof=proof, note=note)


@dataclass(frozen=True, kw_only=True)
class WitnessState:
    """What a witness remembers of one log: the newest tree it cosigned, that note, and when."""

    size: int = 0
    root: bytes = EMPTY_ROOT
    note: bytes = b""
    time: int = 0


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A witness's answer, and what to keep before it is sent.

    Attributes:
        status: of HTTP.
        body: of the answer.
        content_type: of the body.
        state: the new state; None: nothing changes.
        conflict: a note of the log over another tree of the size that it had signed before; with
            the state's note it proves that the log forks.
    """

    status: int
    body: bytes
    content_type: str = TEXT_TYPE
    state: WitnessState | None = None
    conflict: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request whose log is named, not yet authenticated."""

    origin: str
    old_size: int
    proof: tuple[bytes, ...]
    note: bytes


def read_request(body: bytes) -> Request | Decision:
    """Step 1: find out which log a request is about, or refuse it."""
    try:
        request = parse_request(body)
        text, _ = split_note(request.note)
        origin = parse_origin(text)
    except MalformedError as error:
        return Decision(status=400, body=f"{error}\n".encode())
    return Request(origin=origin, old_size=request.old_size, proof=request.proof, note=request.note)


def decide(
    request: Request,
    *,
    logs: Mapping[str, Sequence[Verifier]],
    state: WitnessState,
    signers: Sequence[Cosigner],
    now: int,
) -> Decision:
    """Steps 2 to 7: cosign, or refuse with the specification's status.

    Args:
        request: from `read_request`.
        logs: keys of the known logs by origin.
        state: what this witness remembers of the request's origin.
        signers: this witness's keys; each cosigns.
        now: Unix seconds, the cosignature's time.
    """
    if request.origin not in logs:  # 2
        return _refuse(404, "unknown log")
    try:
        opened = open_note(request.note, logs[request.origin])  # 3
        checkpoint = parse_checkpoint(opened.text)
    except (MalformedNoteError, NotSignedError) as error:
        return _refuse(403, str(error))  # a line in another spelling is no valid signature
    except MalformedCheckpointError as error:
        return _refuse(400, str(error))
    if request.old_size > checkpoint.size:  # 4
        return _refuse(400, "old size is above the checkpoint's size")
    if request.old_size != state.size:  # 5
        return Decision(status=409, body=b"%d\n" % state.size, content_type=SIZE_TYPE)
    try:
        _extends(state, checkpoint, request.proof)  # 6
    except InconsistentError as error:
        return _inconsistent(error, opened, checkpoint, state)
    return _cosign(opened, checkpoint, state, signers, now)  # 7


def _cosign(
    opened: Note, checkpoint: Checkpoint, state: WitnessState, signers: Sequence[Cosigner], now: int
) -> Decision:
    """Step 7, and the cosignatures."""
    own = _own_lines(state, signers)
    newest = state.time if own else 0  # a key that has not signed is bound by nothing
    if now < max(1, newest - CLOCK_STEP):
        text = "the clock of this witness is behind its newest cosignature; set it, or rotate keys"
        return _refuse(503, text)
    time = max(now, newest)
    if time == newest and len(own) == len(signers) and _text_of(state) == opened.text:
        return Decision(status=200, body=_lines(own))  # asked twice within a second
    try:
        lines = [signer.cosign(opened.text, time) for signer in signers]
    except NotSignedError as error:
        return _refuse(400, str(error))
    note = format_note(opened.text, [*_once(opened), *lines])
    if len(note) > MAX_NOTE:  # kept, it could not be read again
        return _refuse(400, "with a cosignature the checkpoint is too long for a note")
    return Decision(
        status=200,
        body=_lines(lines),
        state=WitnessState(size=checkpoint.size, root=checkpoint.root, note=note, time=time),
    )


def _own_lines(state: WitnessState, signers: Sequence[Cosigner]) -> list[SignatureLine]:
    """Give the newest cosignatures by the keys of today, in their order."""
    if not state.note:
        return []
    found = {(line.name, line.key_id): line for line in parse_note(state.note).signatures}
    keys = [(signer.key.name, signer.key.key_id) for signer in signers]
    return [found[key] for key in keys if key in found]


def _text_of(state: WitnessState) -> bytes:
    return parse_note(state.note).unverified_text


def _once(note: Note) -> list[SignatureLine]:
    """Give one line of each key that signed: what is kept must stay short enough to be read."""
    return list({(line.name, line.key_id): line for line in note.signed_by}.values())


def _lines(lines: Sequence[SignatureLine]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _inconsistent(
    error: InconsistentError, opened: Note, checkpoint: Checkpoint, state: WitnessState
) -> Decision:
    """Refuse; keep the note if it proves a fork. A proof that fails may be anybody's mistake."""
    refusal = _refuse(422, f"consistency proof: {error}")
    if not state.note or checkpoint.size != state.size or checkpoint.root == state.root:
        return refusal
    return replace(refusal, conflict=format_note(opened.text, _once(opened)))


def _extends(state: WitnessState, checkpoint: Checkpoint, proof: tuple[bytes, ...]) -> None:
    """Check that the checkpoint extends what was cosigned last; from size 0 there is no proof."""
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        raise InconsistentError("the root of a tree of size 0 is not the empty root")
    if state.size == 0:
        if proof:
            raise InconsistentError("there is no proof from an empty tree")
        return
    verify_consistency(
        old_size=state.size,
        old_root=state.root,
        size=checkpoint.size,
        root=checkpoint.root,
        proof=proof,
    )


def _refuse(status: int, text: str) -> Decision:
    return Decision(status=status, body=f"{text}\n".encode())


def parse_size_answer(body: bytes) -> int:
    """Read the body of an answer 409: the size the witness has.

    Raises:
        MalformedProofError: anything but a canonical decimal and a newline.
    """
    if not re.fullmatch(rb"(?:0|[1-9][0-9]{0,18})\n", body):
        raise MalformedProofError("answer 409 does not hold a size")
    return int(body)

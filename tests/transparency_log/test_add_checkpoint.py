from collections.abc import Sequence
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tests.transparency_log.memory_log import NOW, ORIGIN, MemoryLog, key
from transparency_log import prover
from transparency_log.add_checkpoint import (
    CLOCK_STEP,
    SIZE_TYPE,
    AddCheckpointRequest,
    Decision,
    Request,
    WitnessState,
    decide,
    parse_request,
    parse_size_answer,
    read_request,
)
from transparency_log.checkpoint import Checkpoint
from transparency_log.cosignature import (
    CosignatureSigner,
    Cosigner,
    MLDSACosignatureSigner,
    parse_verifier,
)
from transparency_log.errors import MalformedProofError
from transparency_log.merkle import tree_root
from transparency_log.note import MAX_NOTE, NoteSigner, format_note, open_note, parse_note

LOG = MemoryLog(entries=[bytes([number]) for number in range(8)])
WITNESS = CosignatureSigner(name="witness.example", private_key=key(70))
ML_DSA = MLDSACosignatureSigner(
    name="witness.example", private_key=MLDSA44PrivateKey.from_seed_bytes(bytes(32))
)
LOGS = {ORIGIN: [parse_verifier(str(LOG.log.key))]}


def state(size: int) -> WitnessState:
    return WitnessState(size=size, root=tree_root(LOG.leaves[:size]))


def body(old: int, size: int, *, proof: list[bytes] | None = None, text: bytes = b"") -> bytes:
    if proof is None:
        proof = prover.consistency_proof(old, size, prover.memory_reader(LOG.leaves))
    text = text or LOG.text(size)
    note = format_note(text, [LOG.log.sign(text)])
    return AddCheckpointRequest(old_size=old, proof=tuple(proof), note=note).encode()


def answer(data: bytes, known: WitnessState) -> Decision:
    request = read_request(data)
    if isinstance(request, Decision):
        return request
    return decide(request, logs=LOGS, state=known, signers=[WITNESS], now=NOW)


@pytest.mark.parametrize(("old", "size"), [(0, 0), (0, 1), (0, 8), (1, 2), (3, 7), (8, 8)])
def test_cosigns_what_extends_the_last_tree(old: int, size: int) -> None:
    decision = answer(body(old, size), state(old))
    assert decision.status == 200
    note = LOG.text(size) + b"\n" + decision.body
    assert open_note(note, [parse_verifier(str(WITNESS.key))]).text == LOG.text(size)
    assert decision.state is not None
    assert (decision.state.size, decision.state.root) == (size, tree_root(LOG.leaves[:size]))
    assert len(parse_note(decision.state.note).signatures) == 2


def test_refuses_rollback_with_its_own_size() -> None:
    decision = answer(body(3, 5), state(7))
    assert (decision.status, decision.body, decision.content_type) == (409, b"7\n", SIZE_TYPE)
    assert decision.state is None


def test_refuses_a_smaller_tree_that_names_the_right_old_size() -> None:
    assert answer(body(7, 5, proof=[]), state(7)).status == 400


def test_refuses_another_tree_of_the_same_size() -> None:
    text = Checkpoint(origin=ORIGIN, size=7, root=bytes(32)).encode()
    assert answer(body(7, 7, proof=[], text=text), state(7)).status == 422


def test_refuses_a_proof_that_does_not_hold() -> None:
    proof = prover.consistency_proof(3, 7, prover.memory_reader(LOG.leaves))
    for changed in ([], proof[:-1], [*proof, bytes(32)], proof[::-1]):
        assert answer(body(3, 7, proof=changed), state(3)).status == 422


def test_refuses_a_proof_from_the_empty_tree() -> None:
    assert answer(body(0, 7, proof=[bytes(32)]), state(0)).status == 422


def test_refuses_an_empty_tree_with_a_root() -> None:
    text = Checkpoint(origin=ORIGIN, size=0, root=bytes(32)).encode()
    assert answer(body(0, 0, text=text), state(0)).status == 422


def test_unknown_log_comes_before_its_signature() -> None:
    text = Checkpoint(origin="log.example/else", size=1, root=bytes(32)).encode()
    assert answer(body(0, 1, text=text), state(0)).status == 404


def test_signature_comes_before_sizes() -> None:
    text = LOG.text(5)
    stranger = NoteSigner(name=ORIGIN, private_key=key(71))
    for line in (stranger.sign(text), LOG.log.sign(b"another\n")):
        note = format_note(text, [line])
        data = AddCheckpointRequest(old_size=9, proof=(), note=note).encode()
        assert answer(data, state(7)).status == 403


def test_malformed_checkpoint_that_is_signed_is_a_bad_request() -> None:
    assert answer(body(0, 1, text=f"{ORIGIN}\n01\nAAAA\n".encode()), state(0)).status == 400


def ask(data: bytes, known: WitnessState, *, now: int, witnesses: Sequence[Cosigner]) -> Decision:
    request = read_request(data)
    assert isinstance(request, Request)
    return decide(request, logs=LOGS, state=known, signers=witnesses, now=now)


def test_a_witness_with_two_keys_gives_a_line_of_each() -> None:
    decision = ask(body(3, 7), state(3), now=NOW, witnesses=[WITNESS, ML_DSA])
    assert decision.status == 200
    note = parse_note(LOG.text(7) + b"\n" + decision.body)
    for signer in (WITNESS, ML_DSA):
        one = format_note(LOG.text(7), note.signatures)
        assert open_note(one, [parse_verifier(str(signer.key))]).text == LOG.text(7)
    assert len(note.signatures) == 2


def test_whoever_repeats_a_checkpoint_gets_the_same_cosignature_and_no_write() -> None:
    first = ask(body(3, 7), state(3), now=NOW, witnesses=[WITNESS, ML_DSA])
    assert first.state is not None
    again = ask(body(7, 7), first.state, now=NOW, witnesses=[WITNESS, ML_DSA])
    assert (again.status, again.body, again.state) == (200, first.body, None)
    later = ask(body(7, 7), first.state, now=NOW + 1, witnesses=[WITNESS, ML_DSA])
    assert later.state is not None
    assert later.state.time == NOW + 1
    other = ask(body(7, 7), first.state, now=NOW, witnesses=[WITNESS, replace(ML_DSA, name="x")])
    assert other.state is not None  # a new key signs at once


def test_time_never_goes_back() -> None:
    first = ask(body(0, 3), state(0), now=NOW, witnesses=[WITNESS])
    assert first.state is not None
    known = first.state
    for now in (NOW - CLOCK_STEP, NOW - 1, NOW):
        decision = ask(body(3, 7), known, now=now, witnesses=[WITNESS])
        assert decision.state is not None
        assert decision.state.time == NOW
    for now in (NOW - CLOCK_STEP - 1, 0, -1):
        refused = ask(body(3, 7), known, now=now, witnesses=[WITNESS])
        assert (refused.status, refused.state) == (503, None)
    assert ask(body(0, 7), state(0), now=0, witnesses=[WITNESS]).status == 503
    rotated = ask(body(3, 7), known, now=NOW - 900, witnesses=[ML_DSA])
    assert rotated.state is not None  # the remedy if the clock was far ahead for once
    assert rotated.state.time == NOW - 900


def test_a_second_tree_of_one_size_is_kept_as_proof() -> None:
    first = ask(body(3, 7), state(3), now=NOW, witnesses=[WITNESS])
    assert first.state is not None
    text = Checkpoint(origin=ORIGIN, size=7, root=bytes(32)).encode()
    refused = answer(body(7, 7, proof=[], text=text), first.state)
    assert refused.status == 422
    assert refused.conflict is not None
    assert open_note(refused.conflict, LOGS[ORIGIN]).text == text
    wrong = answer(body(7, 8, proof=[bytes(32)]), first.state)
    assert (wrong.status, wrong.conflict) == (422, None)  # proves nothing: a proof may be garbled


def test_a_signature_repeated_many_times_is_kept_once() -> None:
    text = LOG.text(7)
    note = format_note(text, [LOG.log.sign(text)] * 64)
    decision = answer(AddCheckpointRequest(old_size=0, proof=(), note=note).encode(), state(0))
    assert decision.state is not None
    assert len(parse_note(decision.state.note).signatures) == 2


def test_what_is_kept_can_be_read_again() -> None:
    room = MAX_NOTE - len(format_note(LOG.text(3), [LOG.log.sign(LOG.text(3))]))
    text = LOG.text(3) + b"e" * (room - 1) + b"\n"
    decision = answer(body(0, 3, text=text), state(0))
    assert (decision.status, decision.state) == (400, None)
    text = LOG.text(3) + b"e" * (room - 200) + b"\n"
    known = answer(body(0, 3, text=text), state(0)).state
    assert known is not None
    assert answer(body(3, 5), known).status == 200


def test_either_key_of_a_log_in_rotation_is_cosigned() -> None:
    following = NoteSigner(name="log.example/next", private_key=key(73))
    logs = {ORIGIN: [*LOGS[ORIGIN], parse_verifier(str(following.key))]}
    text = LOG.text(7)
    good, bad = following.sign(text), following.sign(b"another\n")
    for lines, status in (
        ([good], 200),
        ([good, LOG.log.sign(text)], 200),
        ([bad], 403),
        ([LOG.log.sign(text), bad], 403),
    ):
        data = AddCheckpointRequest(old_size=0, proof=(), note=format_note(text, lines)).encode()
        request = read_request(data)
        assert isinstance(request, Request)
        found = decide(request, logs=logs, state=state(0), signers=[WITNESS], now=NOW)
        assert found.status == status


def test_an_origin_too_long_for_a_key_is_refused_by_it() -> None:
    origin = "o" * 256
    log = NoteSigner(name="log.example/long", private_key=key(74))
    text = Checkpoint(origin=origin, size=1, root=bytes(32)).encode()
    note = format_note(text, [log.sign(text)])
    request = read_request(AddCheckpointRequest(old_size=0, proof=(), note=note).encode())
    assert isinstance(request, Request)
    logs = {origin: [parse_verifier(str(log.key))]}
    cases: list[tuple[list[Cosigner], int]] = [
        ([WITNESS], 200),
        ([ML_DSA], 400),
        ([WITNESS, ML_DSA], 400),
    ]
    for signers, status in cases:
        found = decide(request, logs=logs, state=WitnessState(), signers=signers, now=NOW)
        assert found.status == status


def test_largest_sizes_are_judged_like_any_other() -> None:
    text = Checkpoint(origin=ORIGIN, size=2**63 - 1, root=bytes(32)).encode()
    assert answer(body(3, 7, proof=[bytes(32)] * 63, text=text), state(3)).status == 422
    assert answer(body(0, 7, proof=[], text=text), state(0)).status == 200
    beyond = f"{ORIGIN}\n{2**63}\n{'A' * 43}=\n".encode()
    assert answer(body(0, 7, proof=[], text=beyond), state(0)).status == 400


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"old 1\n",
        b"old 1\n\n",
        b"old 01\n\n" + body(0, 1).split(b"\n\n", 1)[1],
        b"old -1\n\n" + body(0, 1).split(b"\n\n", 1)[1],
        b"old 0 \n\n" + body(0, 1).split(b"\n\n", 1)[1],
        b"Old 0\n\n" + body(0, 1).split(b"\n\n", 1)[1],
        b"old 0\nAAAA\n\n" + body(0, 1).split(b"\n\n", 1)[1],
        body(0, 1, proof=[bytes(32)] * 64),
        bytes(10**6),
    ],
)
def test_malformed_requests_are_bad_requests(data: bytes) -> None:
    assert answer(data, state(0)).status == 400


@given(st.binary(max_size=200))
def test_any_bytes_give_an_answer(data: bytes) -> None:
    for text in (data, b"old 0\n\n" + data, b"old 0\n\n" + ORIGIN.encode() + b"\n" + data):
        assert answer(text, state(0)).status in (400, 403, 404)


@given(st.binary(max_size=40))
def test_any_bytes_give_a_request_or_the_own_error(data: bytes) -> None:
    try:
        parse_request(b"old " + data)
    except MalformedProofError:
        pass


@pytest.mark.parametrize(
    "data", [b"", b"3", b"03\n", b"-3\n", b"3\n\n", b"3 \n", b"9" * 20 + b"\n"]
)
def test_refuses_other_spellings_of_a_size(data: bytes) -> None:
    with pytest.raises(MalformedProofError):
        parse_size_answer(data)
    assert parse_size_answer(b"3\n") == 3

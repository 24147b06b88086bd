import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transparency_log.memory_log import NOW, ORIGIN, MemoryLog, key
from transparency_log import prover
from transparency_log.add_checkpoint import (
    SIZE_TYPE,
    AddCheckpointRequest,
    Decision,
    WitnessState,
    decide,
    parse_request,
    parse_size_answer,
    read_request,
)
from transparency_log.checkpoint import Checkpoint
from transparency_log.cosignature import CosignatureSigner, parse_verifier
from transparency_log.errors import MalformedProofError
from transparency_log.merkle import tree_root
from transparency_log.note import NoteSigner, format_note, open_note, parse_note

LOG = MemoryLog(entries=[bytes([number]) for number in range(8)])
WITNESS = CosignatureSigner(name="witness.example", private_key=key(70))
LOGS = {ORIGIN: parse_verifier(str(LOG.log.key))}


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
    return decide(request, logs=LOGS, state=known, signer=WITNESS, now=NOW)


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

"""What a third party may conclude from two kept statements, and what it may not."""

from dataclasses import replace

import pytest

from tests.transparency_log.memory_log import (
    NOW,
    MemoryLog,
    key,
    service_entry,
    status_entry,
    status_statement,
)
from transparency_log import prover
from transparency_log.contradiction import Judgement, Weight, judge_checkpoints, judge_entries
from transparency_log.cosignature import CosignatureSigner
from transparency_log.entry import sign_entry
from transparency_log.errors import MalformedEntryError, MalformedError, NotSignedError
from transparency_log.note import NoteSigner, format_note

LOG = MemoryLog(entries=[bytes([number]) for number in range(8)])
FORK = MemoryLog(entries=[b"x", *LOG.entries[1:]])


def judged(first: bytes, second: bytes, **options: list[bytes]) -> tuple[Weight, tuple[str, ...]]:
    """Judge a pair both ways round: the order says nothing."""
    found: list[Judgement] = [
        judge_checkpoints(one, other, LOG.policy, proof=options.get("proof"))
        for one, other in ((first, second), (second, first))
    ]
    assert found[0] == found[1]
    assert found[0].text
    return found[0].weight, found[0].against


def test_two_trees_of_one_size_prove_a_fork_whoever_cosigned_them() -> None:
    for times in ((), (NOW,), (NOW, NOW)):
        weight, against = judged(LOG.note(5, times=times), FORK.note(5, times=times))
        assert weight is Weight.PROOF
        assert against == ("log.example/test", *(f"witness-{n}.example" for n in range(len(times))))


def test_a_witness_that_cosigned_one_of_them_is_accused_of_nothing() -> None:
    _, against = judged(LOG.note(5, times=(NOW, NOW)), FORK.note(5, times=()))
    assert against == ("log.example/test",)


def test_the_same_tree_twice_is_no_contradiction() -> None:
    assert judged(LOG.note(5), LOG.note(5, times=(NOW + 9,)))[0] is Weight.NOTHING


def test_a_witness_that_went_back_contradicts_itself() -> None:
    smaller = LOG.note(3, times=(NOW + 1, NOW, NOW))
    assert judged(smaller, LOG.note(5, times=(NOW, NOW))) == (
        Weight.PROOF,
        ("witness-0.example",),
    )
    text = LOG.text(5)
    twice = [LOG.witnesses[0].cosign(text, time) for time in (NOW, NOW + 900)]
    larger = format_note(text, [LOG.log.sign(text), *twice])
    assert judged(smaller, larger)[1] == ("witness-0.example",)


@pytest.mark.parametrize("offset", [0, 1, 900])
def test_a_larger_tree_seen_later_is_a_suspicion_until_it_is_proved(offset: int) -> None:
    proof = prover.consistency_proof(3, 5, prover.memory_reader(LOG.leaves))
    smaller, larger = LOG.note(3), LOG.note(5, times=(NOW + offset, NOW + offset))
    assert judged(smaller, larger) == (Weight.SUSPICION, ())
    assert judged(smaller, larger, proof=proof) == (Weight.NOTHING, ())
    assert judged(smaller, larger, proof=proof[::-1]) == (Weight.SUSPICION, ())
    assert judged(smaller, FORK.note(5), proof=proof) == (Weight.SUSPICION, ())
    assert judged(LOG.note(0), larger) == (Weight.NOTHING, ())


def test_nobody_is_accused_without_a_signature() -> None:
    good, text = LOG.note(5), FORK.text(5)
    stranger = NoteSigner(name=LOG.log.name, private_key=key(99))
    witness = CosignatureSigner(name="witness-0.example", private_key=key(98))
    for lines in ([stranger.sign(text)], [witness.cosign(text, NOW)], [LOG.log.sign(b"x\n")]):
        with pytest.raises(NotSignedError):
            judge_checkpoints(good, format_note(text, lines), LOG.policy)
    other = text.replace(b"log.example/test", b"log.example/else")
    with pytest.raises(NotSignedError):
        judge_checkpoints(good, format_note(other, [LOG.log.sign(other)]), LOG.policy)
    with pytest.raises(MalformedError):
        judge_checkpoints(good, b"", LOG.policy)


def entries(first: bytes, second: bytes) -> Judgement:
    return judge_entries(
        first,
        second,
        status_signers=LOG.signers(LOG.status),
        service_signers=LOG.signers(LOG.service),
    )


def test_two_entries_of_one_number_are_proof_against_their_signers() -> None:
    other = sign_entry(replace(status_statement(1), issued=NOW + 9), [LOG.status])
    found = entries(status_entry(LOG, 1), other)
    assert (found.weight, found.against) == (Weight.PROOF, ("status signers",))
    found = entries(service_entry(LOG, 1), service_entry(LOG, 1, NOW + 600))
    assert (found.weight, found.against) == (Weight.PROOF, ("service signers",))


def test_entries_of_different_places_contradict_nothing() -> None:
    one = status_entry(LOG, 1)
    for other in (one, status_entry(LOG, 2), service_entry(LOG, 1),
                  status_entry(LOG, 1, origin="log.example/else")):  # fmt: skip
        assert entries(one, other).weight is Weight.NOTHING


def test_entries_of_strangers_are_refused() -> None:
    other = sign_entry(replace(status_statement(1), issued=NOW + 9), [LOG.service])
    with pytest.raises(NotSignedError):
        entries(status_entry(LOG, 1), other)
    with pytest.raises(MalformedEntryError):
        entries(status_entry(LOG, 1), b"{}")

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from tests.transparency_log.memory_log import NOW, ORIGIN, MemoryLog, key
from transparency_log.checkpoint import Checkpoint
from transparency_log.cosignature import CosignatureSigner, MLDSACosignatureSigner
from transparency_log.errors import (
    LogError,
    NotSignedError,
    PolicyError,
    TooFewWitnessesError,
)
from transparency_log.note import NoteSigner, format_note
from transparency_log.witness_policy import LogPolicy, verify_checkpoint


def test_quorum_of_witnesses_makes_a_checkpoint(memory_log: MemoryLog) -> None:
    witnessed = verify_checkpoint(memory_log.note(), memory_log.policy)
    assert witnessed.checkpoint.origin == ORIGIN
    assert witnessed.witnesses == ("witness-0.example", "witness-1.example")


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ((NOW, NOW), NOW),
        ((NOW, NOW - 5), NOW - 5),
        ((NOW + 10**6, NOW, NOW - 5), NOW),
        ((1, NOW, NOW + 7), NOW),
    ],
)
def test_time_is_the_quorum_th_largest(
    memory_log: MemoryLog, times: tuple[int, ...], expected: int
) -> None:
    assert verify_checkpoint(memory_log.note(times=times), memory_log.policy).time == expected


def test_refuses_fewer_witnesses_than_the_quorum(memory_log: MemoryLog) -> None:
    with pytest.raises(TooFewWitnessesError) as caught:
        verify_checkpoint(memory_log.note(times=(NOW,)), memory_log.policy)
    assert (caught.value.expected, caught.value.actual) == (2, 1)


def test_one_witness_counts_once(memory_log: MemoryLog) -> None:
    text, witness = memory_log.text(), memory_log.witnesses[0]
    lines = [witness.cosign(text, NOW + second) for second in range(3)]
    note = format_note(text, [memory_log.log.sign(text), *lines])
    with pytest.raises(TooFewWitnessesError):
        verify_checkpoint(note, memory_log.policy)


def test_strangers_do_not_count(memory_log: MemoryLog) -> None:
    text = memory_log.text()
    stranger = CosignatureSigner(name="witness-1.example", private_key=key(99))
    lines = [memory_log.witnesses[0].cosign(text, NOW), stranger.cosign(text, NOW)]
    note = format_note(text, [memory_log.log.sign(text), *lines])
    with pytest.raises(TooFewWitnessesError):
        verify_checkpoint(note, memory_log.policy)


def test_witnesses_do_not_replace_the_log(memory_log: MemoryLog) -> None:
    text = memory_log.text()
    note = format_note(text, [one.cosign(text, NOW) for one in memory_log.witnesses])
    with pytest.raises(NotSignedError):
        verify_checkpoint(note, memory_log.policy)


def test_refuses_another_origin_under_the_same_key(memory_log: MemoryLog) -> None:
    text = Checkpoint(origin="log.example/else", size=0, root=bytes(32)).encode()
    lines = [one.cosign(text, NOW) for one in memory_log.witnesses]
    note = format_note(text, [memory_log.log.sign(text), *lines])
    with pytest.raises(NotSignedError):
        verify_checkpoint(note, memory_log.policy)


def test_no_changed_byte_of_a_checkpoint_is_accepted(memory_log: MemoryLog) -> None:
    note, policy = memory_log.note(times=(NOW, NOW)), memory_log.policy
    for position in range(len(note)):
        changed = bytearray(note)
        changed[position] ^= 1
        with pytest.raises(LogError):
            verify_checkpoint(bytes(changed), policy)


def with_operators(log: MemoryLog, *names: str) -> LogPolicy:
    """Give the log's policy, its witnesses run by these operators."""
    pairs = zip(log.policy.witnesses, names, strict=True)
    return replace(log.policy, witnesses=tuple(replace(one, operator=name) for one, name in pairs))


def test_keys_of_one_operator_count_once(memory_log: MemoryLog) -> None:
    policy = with_operators(memory_log, "One", "One", "Two")
    with pytest.raises(TooFewWitnessesError) as caught:
        verify_checkpoint(memory_log.note(times=(NOW, NOW)), policy)
    assert (caught.value.expected, caught.value.actual) == (2, 1)
    assert verify_checkpoint(memory_log.note(times=(NOW, NOW, NOW)), policy).time == NOW


def test_one_operator_cannot_make_a_checkpoint_young(memory_log: MemoryLog) -> None:
    policy = with_operators(memory_log, "One", "One", "Two")
    note = memory_log.note(times=(NOW + 900, NOW + 900, NOW))
    assert verify_checkpoint(note, policy).time == NOW


def test_one_witness_may_have_a_key_of_each_kind(memory_log: MemoryLog) -> None:
    first = memory_log.policy.witnesses[0]
    seed = MLDSA44PrivateKey.from_seed_bytes(bytes(32))
    other = MLDSACosignatureSigner(name=first.name, private_key=seed)
    twin = replace(first, vkey=str(other.key))
    policy = replace(memory_log.policy, witnesses=(*memory_log.policy.witnesses, twin))
    text = memory_log.text()
    lines = [memory_log.witnesses[0].cosign(text, NOW), other.cosign(text, NOW)]
    alone = format_note(text, [memory_log.log.sign(text), *lines])
    with pytest.raises(TooFewWitnessesError):
        verify_checkpoint(alone, policy)
    lines = [other.cosign(text, NOW), memory_log.witnesses[1].cosign(text, NOW)]
    found = verify_checkpoint(format_note(text, [memory_log.log.sign(text), *lines]), policy)
    assert sorted(found.witnesses) == [first.name, "witness-1.example"]
    with pytest.raises(PolicyError):
        replace(policy, witnesses=(*policy.witnesses[:3], replace(twin, operator="Another")))


@pytest.mark.parametrize("first", [0, 1])
def test_either_key_of_a_log_in_rotation_may_sign(memory_log: MemoryLog, first: int) -> None:
    following = NoteSigner(name="log.example/test-2", private_key=key(51))
    keys = (str(memory_log.log.key), str(following.key))
    policy = replace(memory_log.policy, log_vkey=keys[first], overlap_vkeys=(keys[1 - first],))
    text = memory_log.text()
    cosigned = [one.cosign(text, NOW) for one in memory_log.witnesses]
    for signers in ([memory_log.log], [following], [memory_log.log, following]):
        note = format_note(text, [*(one.sign(text) for one in signers), *cosigned])
        assert verify_checkpoint(note, policy).checkpoint.origin == ORIGIN
    bad = replace(following.sign(text), signature=bytes(64))
    for note in (format_note(text, cosigned), format_note(text, [memory_log.log.sign(text), bad])):
        with pytest.raises(NotSignedError):
            verify_checkpoint(note, policy)


def test_a_log_may_sign_with_ml_dsa(memory_log: MemoryLog) -> None:
    seed = MLDSA44PrivateKey.from_seed_bytes(bytes(32))
    log = MLDSACosignatureSigner(name=ORIGIN, private_key=seed)
    text = memory_log.text()
    note = format_note(
        text, [log.cosign(text, NOW + 99), *(one.cosign(text, NOW) for one in memory_log.witnesses)]
    )
    policy = replace(memory_log.policy, log_vkey=str(log.key))
    assert verify_checkpoint(note, policy).time == NOW


def test_policies_that_cannot_hold_are_refused(memory_log: MemoryLog) -> None:
    policy = memory_log.policy
    first, second, third = policy.witnesses
    same_key = CosignatureSigner(name="twin.example", private_key=memory_log.log.private_key)
    twin = replace(first, name="twin.example", vkey=str(same_key.key))
    plain = NoteSigner(name=first.name, private_key=key(50))
    one_operator = tuple(replace(one, operator="One") for one in policy.witnesses)
    two_names = replace(first, operator=second.operator.upper())
    for change in (
        {"witnesses": one_operator},
        {"witnesses": (two_names, second, third)},
        {"witnesses": (replace(first, operator=" "), second, third)},
        {"witnesses": (replace(first, operator="a\nb"), second, third)},
        {"overlap_vkeys": (policy.log_vkey,)},
        {"overlap_vkeys": (first.vkey,)},
        {"overlap_vkeys": ("not a key",)},
        {"quorum": 0},
        {"quorum": 4},
        {"witnesses": ()},
        {"witnesses": (first, first)},
        {"witnesses": (first, replace(second, name="other.example"))},
        {"witnesses": (first, second, twin)},
        {"witnesses": (first, second, replace(third, vkey=str(plain.key)))},
        {"log_vkey": first.vkey},
        {"log_vkey": "not a key"},
    ):
        with pytest.raises(PolicyError):
            replace(policy, **change)

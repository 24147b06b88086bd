"""New keys for a policy: only what its own keys have announced, once, and in order."""

from dataclasses import replace
from pathlib import Path

import pytest

from openpcc import key_rotation
from openpcc.config import ClientPolicy
from openpcc.errors import RotationError
from tests.fakes.world import NOW, World
from tests.transparency_log.memory_log import ORIGIN, key
from transparency_log.client import LogClient
from transparency_log.cosignature import CosignatureSigner
from transparency_log.entry import Signer, sign_entry
from transparency_log.note import NoteSigner
from transparency_log.rotation import Role, RoleKeys, RotationStatement
from transparency_log.strict_json import b64encode

NEW = [Signer(private_key=key(number)) for number in (50, 51)]
OLD = {
    Role.LOG: [key(1)],
    Role.WITNESS: [key(10)],
    Role.RELEASE: [key(20)],
    Role.STATUS: [key(21)],
    Role.SERVICE: [key(22)],
}
NAMES = {Role.WITNESS: "witness-0.example", Role.SERVICE: "demo.example"}


def texts(role: Role, signers: list[Signer]) -> tuple[str, ...]:
    """Keys of a role as a policy writes them."""
    name = NAMES.get(role, ORIGIN)
    if role is Role.LOG:
        return tuple(str(NoteSigner(name=name, private_key=one.private_key).key) for one in signers)
    if role is Role.WITNESS:
        return tuple(
            str(CosignatureSigner(name=name, private_key=one.private_key).key) for one in signers
        )
    return tuple(b64encode(one.public_key) for one in signers)


def statement(role: Role, **changes) -> RotationStatement:
    old = [Signer(private_key=one) for one in OLD[role]]
    return replace(
        RotationStatement(
            log=ORIGIN,
            role=role,
            name=NAMES.get(role, ORIGIN),
            old=RoleKeys(keys=texts(role, old), threshold=1),
            new=RoleKeys(keys=texts(role, NEW[:1]), threshold=1),
            not_before=NOW,
            issued=NOW,
        ),
        **changes,
    )


class Announcing:
    """A world whose log has an announcement."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)

    @property
    def policy(self) -> ClientPolicy:
        return self.world.policy

    def proof(self, said: RotationStatement, signers: list[Signer] | None = None) -> bytes:
        log = self.world.log
        by = [Signer(private_key=one) for one in OLD[said.role]] + NEW[:1]
        log.entries.append(sign_entry(said, by if signers is None else signers))
        index = len(log.entries) - 1
        client = LogClient(log.policy, log.fetch)
        return client.proof(log.witnessed(), index, log.entries[index])


@pytest.fixture
def announcing(tmp_path: Path) -> Announcing:
    return Announcing(tmp_path)


def applied(
    proof: bytes, policy: ClientPolicy, *, now: int = NOW, overlap: bool = False
) -> ClientPolicy:
    found = key_rotation.verify_announcement(proof, policy, now=now, overlap=overlap)
    return key_rotation.apply(policy, found, overlap=overlap)


def refused(proof: bytes, policy: ClientPolicy, **how) -> str:
    with pytest.raises(RotationError) as caught:
        applied(proof, policy, **how)
    return str(caught.value)


@pytest.mark.parametrize("role", list(Role))
def test_new_keys_take_the_place_of_the_old(announcing: Announcing, role: Role):
    policy = applied(announcing.proof(statement(role)), announcing.policy)
    name = NAMES.get(role, ORIGIN)
    assert key_rotation.keys_of(policy, role, name).keys == texts(role, NEW[:1])
    assert policy.rotated == 2
    others = {
        other: key_rotation.keys_of(policy, other, NAMES.get(other, ORIGIN)) for other in Role
    }
    for other, keys in others.items():
        before = key_rotation.keys_of(announcing.policy, other, NAMES.get(other, ORIGIN))
        assert (keys == before) == (other is not role)


@pytest.mark.parametrize("role", list(Role))
def test_in_an_overlap_both_stand_and_then_the_new_ones_alone(announcing: Announcing, role: Role):
    proof = announcing.proof(statement(role, not_before=NOW + 86400))
    assert "until then" in refused(proof, announcing.policy)
    both = applied(proof, announcing.policy, overlap=True)
    name = NAMES.get(role, ORIGIN)
    assert len(key_rotation.keys_of(both, role, name).keys) == 2
    assert both.rotated is None
    assert "until then" in refused(proof, both)
    last = applied(proof, both, now=NOW + 86400)
    assert key_rotation.keys_of(last, role, name).keys == texts(role, NEW[:1])


def test_a_witness_in_an_overlap_is_one_voice(announcing: Announcing):
    both = applied(announcing.proof(statement(Role.WITNESS)), announcing.policy, overlap=True)
    assert [one.name for one in both.log.witnesses].count("witness-0.example") == 2
    assert len({one.operator for one in both.log.witnesses}) == 3


def test_a_larger_set_with_a_threshold(announcing: Announcing):
    new = RoleKeys(keys=texts(Role.STATUS, NEW), threshold=2)
    said = statement(Role.STATUS, new=new)
    by = [Signer(private_key=key(21)), *NEW]
    policy = applied(announcing.proof(said, by), announcing.policy)
    assert policy.status_signers.threshold == 2


@pytest.mark.parametrize("role", list(Role))
def test_old_and_new_keys_must_have_signed(announcing: Announcing, role: Role):
    old = [Signer(private_key=one) for one in OLD[role]]
    for signers in (old, NEW[:1], [Signer(private_key=key(99)), *NEW]):
        proof = announcing.proof(statement(role), signers)
        assert "not proved" in refused(proof, announcing.policy)


def test_every_new_key_must_have_signed(announcing: Announcing):
    said = statement(Role.STATUS, new=RoleKeys(keys=texts(Role.STATUS, NEW), threshold=1))
    assert "not proved" in refused(announcing.proof(said), announcing.policy)


def test_the_threshold_of_the_old_keys_must_be_met(announcing: Announcing):
    policy = announcing.policy
    three = tuple(Signer(private_key=key(number)).public_key for number in (21, 60, 61))
    policy = replace(policy, status_signers=replace(policy.status_signers, keys=three, threshold=2))
    old = RoleKeys(keys=tuple(b64encode(one) for one in three), threshold=2)
    proof = announcing.proof(statement(Role.STATUS, old=old))
    assert "not proved" in refused(proof, policy)


def test_another_old_set_than_the_policys_is_refused(announcing: Announcing):
    mine = statement(Role.STATUS)
    more = replace(mine.old, keys=(*mine.old.keys, b64encode(NEW[1].public_key)))
    proof = announcing.proof(replace(mine, old=more))
    assert "does not list" in refused(proof, announcing.policy)


def test_another_log_is_refused(announcing: Announcing):
    said = statement(Role.STATUS, log="log.example/else", name="log.example/else")
    assert "for the log log.example/else" in refused(announcing.proof(said), announcing.policy)


def test_another_service_or_witness_is_refused(announcing: Announcing):
    said = statement(Role.SERVICE, name="other.example")
    assert "does not list" in refused(announcing.proof(said), announcing.policy)


def test_it_must_be_in_the_log_and_witnessed(announcing: Announcing):
    proof = announcing.proof(statement(Role.STATUS))
    moved = proof.replace(b"\nindex 2\n", b"\nindex 1\n")
    assert "not proved" in refused(moved, announcing.policy)
    lines = proof.split(b"\n")
    alone = b"\n".join(line for line in lines if not line.startswith("— witness-1".encode()))
    assert "quorum" in refused(alone, announcing.policy)


def test_an_older_announcement_does_not_come_back(announcing: Announcing):
    """New keys, the old ones again, and then the first announcement once more."""
    there = announcing.proof(statement(Role.STATUS))
    first = applied(there, announcing.policy)
    said = statement(Role.STATUS)
    back = announcing.proof(replace(said, old=said.new, new=said.old))
    second = applied(back, first)
    assert second.status_signers == announcing.policy.status_signers
    assert "older one" in refused(there, second)


def test_an_older_announcement_that_is_logged_again_does_not_come_back(announcing: Announcing):
    """The same statement with its signatures in another order is another leaf of the log."""
    said = statement(Role.STATUS)
    first = applied(announcing.proof(said), announcing.policy)
    later = replace(said, issued=NOW + 1, not_before=NOW + 1)
    back = announcing.proof(replace(later, old=said.new, new=said.old))
    second = applied(back, first, now=NOW + 1)
    by = [Signer(private_key=one) for one in OLD[Role.STATUS]] + NEW[:1]
    again = announcing.proof(said, by[::-1])
    assert "older one" in refused(again, second, now=NOW + 1)


def test_it_is_applied_once(announcing: Announcing):
    proof = announcing.proof(statement(Role.STATUS))
    assert "does not list" in refused(proof, applied(proof, announcing.policy))


def test_a_key_of_another_kind_is_not_taken(announcing: Announcing):
    release = Signer(private_key=key(20))
    said = statement(Role.STATUS, new=RoleKeys(keys=texts(Role.STATUS, [release]), threshold=1))
    by = [Signer(private_key=key(21)), release]
    assert "two kinds" in refused(announcing.proof(said, by), announcing.policy)


def test_other_entries_and_bare_proofs_are_refused(announcing: Announcing):
    world = announcing.world
    assert "no announcement" in refused(world.proof(world.release_index), announcing.policy)
    proof = announcing.proof(statement(Role.STATUS))
    bare = b"\n".join(line for line in proof.split(b"\n") if not line.startswith(b"extra "))
    assert "does not carry" in refused(bare, announcing.policy)
    assert "not proved" in refused(b"nothing", announcing.policy)

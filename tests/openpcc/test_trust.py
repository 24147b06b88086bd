"""The trust decision: every check of the relying party is reached by breaking exactly one thing."""

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attestation.checks import CHECKS, Outcome
from openpcc import release_checks, trust
from openpcc.errors import DirectoryError, RefusedError
from openpcc.protocol import hpke
from openpcc.protocol.sealing import NodePrivateKey
from tests.fakes.world import NOW, World
from tests.transparency_log.memory_log import key
from transparency_log.entry import Signer, verify_status


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "machine")


def refused(world: World, *args: Any, **changes: Any) -> list[str]:
    """Judge, expect a refusal, and give the ids of the checks that failed."""
    with pytest.raises(RefusedError) as caught:
        world.establish(*args, **changes)
    return [check.id for check in caught.value.report.checks if check.outcome is Outcome.FAIL]


def test_an_honest_node_is_trusted_after_every_check(world: World):
    node = world.establish()
    assert [check.id for check in node.report.checks] == list(CHECKS)
    assert not node.report.failed
    assert node.report.simulated
    assert node.models == ("demo",)


def test_trust_ends_with_the_first_thing_it_rests_on(world: World):
    assert world.establish().expires == world.not_after - 120
    issued = NOW - 60
    world.not_after = NOW + 80000
    assert world.establish().expires == issued + release_checks.STATUS_AGE


def test_bytes_that_are_no_bundle_are_refused_at_the_first_step(world: World):
    bundle = world.bundle()
    with pytest.raises(RefusedError) as caught:
        trust.establish(
            bundle.encode()[:-1], leaf=world.leaf(bundle), now=NOW, policy=world.policy,
            view=world.view(), consistency=None, newest={},
        )  # fmt: skip
    assert caught.value.report.failed[0].id == "1.parse"


def test_evidence_of_another_leaf_is_refused(world: World):
    bundle = world.bundle()
    other = replace(world.leaf(bundle), node_key_ids=(bytes(32),))
    assert refused(world, bundle, leaf=other) == ["1.leaf"]
    elsewhere = replace(world.leaf(bundle), machine=bytes(32))
    assert refused(world, bundle, leaf=elsewhere) == ["1.leaf"]


def test_a_slow_local_clock_is_refused_by_name(world: World):
    view = world.view(witnessed=NOW + 301)
    assert refused(world, view=view) == ["5.clock"]
    assert not world.establish(view=world.view(witnessed=NOW + 299)).report.failed


def test_the_local_clock_may_be_behind_but_the_time_is_the_witnesses(world: World):
    view = world.view()
    later = world.view(witnessed=NOW + 299)
    old_status = replace(view.status, issued=NOW - release_checks.STATUS_AGE + 200)
    assert not world.establish(view=replace(view, status=old_status)).report.failed
    assert refused(world, view=replace(later, status=old_status)) == ["7.fresh"]
    world.not_after = NOW + 120 + 200  # clients stop 120 s before the epoch ends
    assert not world.establish().report.failed
    assert [name[0] for name in refused(world, view=later)] == ["4"]


def test_a_beacon_without_a_quorum_is_refused(world: World):
    world.beacon = world.log.note(times=(NOW - 90,))
    assert refused(world) == ["5.beacon"]


def test_a_beacon_of_another_log_is_refused(world: World):
    world.beacon = world.beacon.replace(b"log.example/test", b"log.example/else", 1)
    assert refused(world) == ["5.beacon"]


def test_a_beacon_from_the_future_is_refused(world: World):
    world.beacon = world.log.note(times=(NOW + 400, NOW + 400))
    assert refused(world) == ["5.age"]


def test_a_beacon_far_from_the_epochs_begin_is_refused(world: World):
    world.beacon = world.log.note(times=(NOW - 661, NOW - 661))
    assert refused(world) == ["5.order"]


def test_a_beacon_without_a_proof_is_refused_as_skipped(world: World):
    world.beacon = world.log.note(size=1, times=(NOW - 90, NOW - 90))
    with pytest.raises(RefusedError) as caught:
        world.establish(consistency=None)
    assert [check.id for check in caught.value.report.failed] == ["5.consistency"]


def test_the_very_tree_this_client_knows_needs_no_proof(world: World):
    assert world.establish(consistency=None).expires


def test_a_beacon_of_another_history_is_refused(world: World):
    forked = World.__new__(World)
    forked.__dict__.update(world.__dict__)
    forked.log = dataclasses.replace(world.log, entries=[b"another history", *world.log.entries])
    forked.beacon = forked.log.note(size=1, times=(NOW - 90, NOW - 90))
    world.beacon = forked.beacon
    assert refused(world, consistency=(bytes(32),)) == ["5.consistency"]


def test_a_release_that_nobody_stapled_is_refused(world: World):
    bundle = world.bundle()
    bare = bundle.with_endorsements(
        tuple(one for one in bundle.endorsements if one.type != "log-entry")
    )
    assert refused(world, bare) == ["7.signers"]


def test_a_release_by_other_signers_is_refused(world: World):
    policy = replace(world.policy, release_signers=world.log.signers(Signer(private_key=key(99))))
    assert refused(world, policy=policy) == ["7.signers"]


def test_a_release_at_another_place_of_the_log_is_refused(world: World):
    moved = world.proof(world.release_index).replace(b"\nindex 0\n", b"\nindex 1\n")
    assert refused(world, world.bundle(proof=moved)) == ["7.inclusion"]


def test_a_release_under_an_unwitnessed_checkpoint_is_refused(world: World):
    proof = world.proof(world.release_index)
    head, _, note = proof.partition(b"\n\n")
    lines = note.split(b"\n")
    unwitnessed = b"\n".join(line for line in lines if b"witness-" not in line)
    assert refused(world, world.bundle(proof=head + b"\n\n" + unwitnessed)) == ["7.witnesses"]


def test_a_release_that_is_not_listed_is_refused(world: World):
    world.status = world.add_status([bytes(32)])
    assert refused(world) == ["7.status"]


def test_an_old_status_is_refused(world: World):
    world.status = world.add_status([world.release], issued=NOW - 7201)
    assert refused(world) == ["7.fresh"]


def test_an_expired_release_is_refused(world: World):
    world.release_index = len(world.log.entries)
    world.release = world.add_release(expires=NOW)
    world.status = world.add_status([world.release])
    assert refused(world) == ["7.expiry"]


def test_a_suite_the_policy_does_not_name_is_refused(world: World):
    world.node_key = NodePrivateKey.generate(kem_id=hpke.KEM_X25519, key_id=1)
    assert refused(world) == ["9.suite"]
    allowed = replace(world.policy, kems=(hpke.KEM_XWING, hpke.KEM_X25519))
    assert world.establish(policy=allowed).kem_id == hpke.KEM_X25519


def test_a_node_seals_only_until_its_trust_expires(world: World):
    node = world.establish()
    assert trust.seal([node], b"message", model="demo", now=node.expires - 1).body
    with pytest.raises(DirectoryError) as caught:
        trust.seal([node], b"message", model="demo", now=node.expires)
    assert caught.value.code == "stale"


def test_nothing_but_a_trusted_node_can_be_sealed_to(world: World):
    with pytest.raises(TypeError):
        trust.seal([world.node_key.node_key], b"message", model="demo", now=NOW)  # type: ignore[list-item]


def test_a_request_expires_on_a_whole_minute_within_the_nodes_limit(world: World):
    node = world.establish()
    for now in range(NOW, NOW + 60, 7):
        header = trust.seal([node], b"m", model="demo", now=now).header
        assert header.expires % 60 == 0
        assert now + 120 <= header.expires < now + 180


def test_the_view_is_read_from_signed_status_alone(world: World):
    status = verify_status(world.status, world.log.signers(world.log.status))
    assert world.view().status == status

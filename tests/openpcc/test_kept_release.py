"""A release by itself: step 7, each check reached by breaking one thing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attestation.result import Outcome, Report, Scope
from attestation.strict_json import dumps
from openpcc import kept_release
from openpcc.log_checks import Known
from tests.fakes.world import NOW, World
from tests.transparency_log.memory_log import key
from transparency_log.client import LogClient
from transparency_log.entry import Signer, verify_status
from transparency_log.errors import LogError


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def judge(world: World, data: bytes | None = None, **changes: Any) -> Report:
    arguments: dict[str, Any] = {
        "now": NOW,
        "policy": world.policy,
        "status": verify_status(world.status, world.policy.status_signers),
        "known": None,
        "consistency": None,
        "provenances": [],
    } | changes
    data = world.proof(world.release_index) if data is None else data
    return kept_release.judge_release_file(data, **arguments)[0]


def refused(world: World, data: bytes | None = None, **changes: Any) -> list[str]:
    return [check.id for check in judge(world, data, **changes).failed]


def test_a_good_release_is_accepted_and_says_until_when(world: World):
    report = judge(world)
    assert report.failed == ()
    assert (report.scope, report.platform) == (Scope.RELEASE, "release")
    assert report.simulated
    assert report.release == world.release
    assert report.expires == NOW - 60 + 7200
    assert Report.parse(dumps(report.to_json())) == report


def test_without_a_status_its_listing_is_out_of_scope_and_said(world: World):
    report = judge(world, status=None)
    assert report.failed == ()
    outcomes = {check.id: check.outcome for check in report.checks}
    assert outcomes["7.status"] is outcomes["7.fresh"] is Outcome.SKIP
    assert outcomes["2.signature"] is Outcome.SKIP
    assert report.expires == NOW + 86400


def test_an_entry_alone_is_not_shown_to_be_logged(world: World):
    entry = world.log.entries[world.release_index]
    assert set(refused(world, entry)) == {"7.inclusion", "7.witnesses"}


def test_what_is_no_release_is_refused(world: World):
    for data in (b"", b"nothing", b"{}", world.log.entries[-1], world.proof(1)):
        assert "7.signers" in refused(world, data)


def test_a_proof_without_its_entry_is_refused(world: World):
    lines = world.proof(world.release_index).split(b"\n")
    bare = b"\n".join(line for line in lines if not line.startswith(b"extra "))
    assert "7.signers" in refused(world, bare)


def test_other_signers_are_refused(world: World):
    policy = replace(world.policy, release_signers=world.log.signers(Signer(private_key=key(99))))
    assert "7.signers" in refused(world, policy=policy)


def test_another_place_and_missing_witnesses_are_refused(world: World):
    proof = world.proof(world.release_index)
    assert refused(world, proof.replace(b"\nindex 0\n", b"\nindex 1\n")) == ["7.inclusion"]
    lines = proof.split(b"\n")
    alone = b"\n".join(line for line in lines if not line.startswith("— witness-1".encode()))
    assert refused(world, alone) == ["7.witnesses", "7.inclusion"]


def test_a_release_that_is_not_listed_is_refused(world: World):
    world.status = world.add_status([bytes(32)])
    assert refused(world) == ["7.status"]


def test_an_old_status_and_an_expired_release_are_refused(world: World):
    assert refused(world, now=NOW + 7141) == ["7.fresh"]
    assert refused(world, now=NOW + 86400, status=None) == ["7.expiry"]


def test_the_proofs_checkpoint_is_held_against_a_known_one(world: World):
    early = world.proof(world.release_index)
    known = Known(checkpoint=world.log.witnessed().checkpoint, witnessed=None)
    assert refused(world, early, known=known) == []
    before = world.log.witnessed()
    world.add_status([world.release])
    known = Known(checkpoint=world.log.witnessed().checkpoint, witnessed=None)
    assert refused(world, early, known=known) == ["5.consistency"]
    client = LogClient(world.log.policy, world.log.fetch)
    proof = client.consistency(before, world.log.witnessed())
    assert refused(world, early, known=known, consistency=proof) == []
    assert refused(world, early, known=known, consistency=(bytes(32),)) == ["5.consistency"]


def test_provenance_is_asked_where_the_policy_insists(world: World):
    attestation = replace(world.attestation, required=frozenset({"7.provenance"}))
    policy = replace(world.policy, attestation=attestation)
    assert refused(world, policy=policy) == ["7.provenance"]


def test_a_status_is_read_from_its_proof(world: World):
    status = kept_release.read_status(world.proof(1), world.policy)
    assert status.releases == (world.release,)
    for proof in (b"", world.proof(0), world.proof(1).replace(b"\nindex 1\n", b"\nindex 0\n")):
        with pytest.raises(LogError):
            kept_release.read_status(proof, world.policy)

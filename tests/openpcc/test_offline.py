"""A bundle or raw parts alone: what they show is judged, the rest is told as out of scope."""

from dataclasses import replace

import pytest

from attestation.checks import CHECKS, NOT_OF_A_BUNDLE, OF_A_QUOTE, Outcome
from attestation.evidence import Endorsement
from attestation.parts import read_parts
from attestation.result import Report, Scope, Verdict
from attestation.strict_json import dumps
from openpcc.log_checks import Known
from openpcc.offline import judge_bundle
from openpcc.raw_evidence import judge_parts
from tests.fakes.real_bundles import amd, snp_machine
from tests.fakes.world import NOW, World
from transparency_log.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


def known(world: World, **changes) -> Known:
    view = world.view()
    return Known(**{"checkpoint": view.newest.checkpoint, "witnessed": view.witnessed, **changes})


def refused(report: Report) -> list[str]:
    return [check.id for check in report.failed]


def test_accepts_a_bundle_and_says_what_it_could_not_show(world: World):
    report = judge_bundle(world.bundle().encode(), now=NOW, policy=world.policy)
    assert refused(report) == []
    assert report.scope is Scope.BUNDLE
    assert report.expires is not None
    assert {check.id for check in report.checks} == set(CHECKS)
    skipped = {one.id for one in report.checks if one.outcome is Outcome.SKIP and not one.required}
    assert skipped >= NOT_OF_A_BUNDLE


def test_a_report_on_a_bundle_is_not_one_on_a_node(world: World):
    """Whoever edits the scope of a report gets a refusal: what was skipped is required there."""
    report = judge_bundle(world.bundle().encode(), now=NOW, policy=world.policy)
    assert report.verdict is Verdict.ACCEPTED
    assert replace(report, scope=Scope.NODE).verdict is Verdict.REFUSED
    assert Report.parse(dumps(report.to_json())) == report


def test_holds_the_beacon_against_a_known_checkpoint(world: World):
    bundle = world.bundle().encode()
    assert not judge_bundle(bundle, now=NOW, policy=world.policy, known=known(world)).failed
    size = world.view().newest.checkpoint.size
    forked = Checkpoint(origin=world.policy.log.origin, size=size, root=bytes(32))
    other = judge_bundle(
        bundle, now=NOW, policy=world.policy, known=known(world, checkpoint=forked)
    )
    assert refused(other) == ["5.consistency"]
    larger = replace(forked, size=size + 1)
    without = judge_bundle(
        bundle, now=NOW, policy=world.policy, known=known(world, checkpoint=larger)
    )
    assert refused(without) == ["5.consistency"]


def test_judges_the_clock_against_what_is_known(world: World):
    late = known(world, witnessed=NOW + 301)
    report = judge_bundle(world.bundle().encode(), now=NOW, policy=world.policy, known=late)
    assert "5.clock" in refused(report)


def test_refuses_a_bundle_without_its_release(world: World):
    bundle = world.bundle()
    bare = bundle.with_endorsements(
        tuple(one for one in bundle.endorsements if one.type != "log-entry")
    )
    report = judge_bundle(bare.encode(), now=NOW, policy=world.policy)
    assert refused(report)[0] == "7.signers"
    assert report.expires is None


def test_refuses_what_has_expired(world: World):
    report = judge_bundle(world.bundle().encode(), now=NOW + 10**8, policy=world.policy)
    assert {"4.epoch", "7.expiry", "2.chain"} <= set(refused(report))


def test_bytes_that_are_no_bundle_are_refused(world: World):
    report = judge_bundle(b"{}", now=NOW, policy=world.policy)
    assert report.platform == "unknown"
    assert refused(report)[0] == "1.parse"
    assert report.simulated


def test_raw_parts_are_judged_for_what_they_show():
    bundle = snp_machine().bundle()
    chain, crl = bundle.endorsements
    parts = read_parts(
        "sev-snp", [("report", bundle.quote), ("leaf", chain.data), ("crl", crl.data)]
    )
    report = judge_parts(parts, now=NOW, policy=amd().policy())
    assert report.scope is Scope.PARTS
    assert report.verdict is Verdict.ACCEPTED
    assert report.simulated
    passed = {check.id for check in report.checks if check.outcome is Outcome.PASS}
    assert passed <= set(OF_A_QUOTE)
    assert Report.parse(dumps(report.to_json())) == report
    assert replace(report, scope=Scope.BUNDLE).verdict is Verdict.REFUSED
    assert replace(report, scope=Scope.NODE).verdict is Verdict.REFUSED


def test_raw_parts_without_a_list_are_refused_as_unjudged():
    bundle = snp_machine().bundle()
    parts = read_parts("sev-snp", [("report", bundle.quote), ("leaf", bundle.endorsements[0].data)])
    report = judge_parts(parts, now=NOW, policy=amd().policy())
    assert refused(report) == ["2.revocation", "2.recency"]


def test_a_stapled_entry_of_another_release_does_not_count(world: World):
    bundle = world.bundle()
    spoiled = tuple(
        Endorsement(type="log-entry", data=world.proof(world.release_index + 1))
        if one.type == "log-entry"
        else one
        for one in bundle.endorsements
    )
    report = judge_bundle(bundle.with_endorsements(spoiled).encode(), now=NOW, policy=world.policy)
    assert "7.signers" in refused(report)

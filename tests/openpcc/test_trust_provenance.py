"""7.provenance: asked for, it must be there and hold; not asked for, it is not looked at."""

from dataclasses import replace
from pathlib import Path

import pytest

from attestation.checks import Check, Outcome
from attestation.evidence import parse_endorsements
from attestation.strict_json import b64encode, dumps
from openpcc.errors import RefusedError
from openpcc.offline import judge_bundle
from tests.fakes.provenance import BuiltWorld
from tests.fakes.world import NOW
from tests.transparency_log.memory_log import key
from transparency_log.entry import Signer as EntrySigner

PROVENANCE = "7.provenance"


@pytest.fixture
def world(tmp_path: Path) -> BuiltWorld:
    return BuiltWorld(tmp_path / "machine")


def refusing(world: BuiltWorld) -> Check:
    """Judge, expect that this check refuses, and that none that stands before it does."""
    with pytest.raises(RefusedError) as caught:
        world.establish()
    checks = {check.id: check for check in caught.value.report.checks}
    failed = [name for name, check in checks.items() if check.outcome is Outcome.FAIL]
    assert failed in ([PROVENANCE], [])
    assert checks[PROVENANCE] in caught.value.report.failed
    return checks[PROVENANCE]


def test_a_release_that_was_built_in_public_is_trusted(world: BuiltWorld):
    report = world.establish().report
    outcomes = {check.id: check.outcome for check in report.checks}
    assert outcomes[PROVENANCE] is Outcome.PASS
    assert not report.failed


def test_nothing_stapled_refuses_and_says_so(world: BuiltWorld):
    world.stapled = []
    check = refusing(world)
    assert (check.outcome, check.required) == (Outcome.SKIP, True)
    assert "no Sigstore bundle" in check.refusal


@pytest.mark.parametrize(
    ("named", "change"),
    [
        ("subject", {"subject": [{"digest": {"sha256": "00" * 32}}]}),
        ("predicate type", {"predicateType": "https://slsa.dev/provenance/v0.2"}),
    ],
)
def test_provenance_of_something_else_is_refused_by_name(world: BuiltWorld, named, change):
    world.stapled = [world.provenance(**change)]
    check = refusing(world)
    assert check.outcome is Outcome.FAIL
    assert named in check.refusal


def test_it_comes_by_the_operators_file_of_endorsements(world: BuiltWorld):
    rows = [{"type": "sigstore-bundle", "data": b64encode(world.provenance())}]
    world.stapled = []
    quoted = world.bundle()
    pushed = parse_endorsements(dumps({"endorsements": rows}))
    whole = quoted.with_endorsements((*quoted.endorsements, *pushed))
    assert not world.establish(whole).report.failed


def test_a_release_without_provenance_is_nothing_to_compare_a_machine_with(world: BuiltWorld):
    world.stapled = []
    with pytest.raises(RefusedError) as caught:
        world.establish()
    outcomes = {check.id: check.outcome for check in caught.value.report.checks}
    assert outcomes["7.inclusion"] is Outcome.PASS
    assert outcomes["8.measurement"] is Outcome.SKIP
    assert caught.value.report.expires is None


def test_a_bundle_that_is_none_is_refused(world: BuiltWorld):
    world.stapled = [b"{}", b"\xff"]
    assert "mediaType" in refusing(world).refusal


def test_provenance_of_another_commit_than_the_releases_is_refused(world: BuiltWorld):
    world.sigstore.commit = "1" * 40  # the certificate's own word
    world.stapled = [world.provenance()]
    assert "source commit" in refusing(world).refusal
    source = replace(world.statement().source, commit="2" * 40)
    world.release = world.add_release(source=source)
    world.release_index = len(world.log.entries) - 1
    world.status = world.add_status([world.release])
    world.beacon = world.log.note(times=(NOW - 90, NOW - 90))
    world.sigstore.commit = "0" * 40
    world.stapled = [world.provenance()]
    assert "source commit" in refusing(world).refusal


def test_another_identity_or_builder_is_refused(world: BuiltWorld):
    assert world.asked is not None
    asked = world.asked
    world.asked = replace(asked, signer=replace(asked.signer, identity="mailto:else"))
    assert "identity" in refusing(world).refusal
    world.asked = replace(asked, builder="else")
    assert "builder" in refusing(world).refusal


def test_one_of_several_will_do_and_only_the_first_four_are_looked_at(world: BuiltWorld):
    good = world.provenance()
    world.stapled = [b"{}", b"{}", b"{}", good]
    assert not world.establish().report.failed
    world.stapled = [b"{}", b"{} ", b" {}", b"{ }", good]
    assert refusing(world).outcome is Outcome.FAIL


def test_a_policy_that_does_not_ask_looks_at_none(world: BuiltWorld):
    world.asked = None
    world.stapled = [b"{}"]
    checks = {check.id: check for check in world.establish().report.checks}
    assert (checks[PROVENANCE].outcome, checks[PROVENANCE].required) == (Outcome.SKIP, False)


def test_a_release_nobody_signed_has_no_provenance_to_judge(world: BuiltWorld):
    world.log.release = EntrySigner(private_key=key(99))
    policy = world.policy
    world.log.release = EntrySigner(private_key=key(98))
    with pytest.raises(RefusedError) as caught:
        world.establish(policy=policy)
    checks = {check.id: check for check in caught.value.report.checks}
    assert checks[PROVENANCE].outcome is Outcome.SKIP
    assert checks[PROVENANCE].required


def test_a_bundle_alone_shows_its_provenance_as_well(world: BuiltWorld):
    report = judge_bundle(world.bundle().encode(), now=NOW, policy=world.policy)
    assert {check.id: check.outcome for check in report.checks}[PROVENANCE] is Outcome.PASS
    world.stapled = [b"{}"]
    report = judge_bundle(world.bundle().encode(), now=NOW, policy=world.policy)
    assert PROVENANCE in [check.id for check in report.failed]

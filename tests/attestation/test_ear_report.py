"""Of a report, an EAR says what the checks say: never more, and never that a toy is genuine."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.checks import CHECKS, ONLY_WHERE_ASKED, Check, Outcome
from attestation.ear import Ear, Tier
from attestation.ear_report import CPU, GPU, from_report
from attestation.result import OUTSIDE, Report, Scope, Verdict
from tests.fakes.simulated import scene

NOW = 1_800_000_000
JUDGE_NOTHING = {"9.region"}


def check(name: str, outcome: Outcome = Outcome.PASS) -> Check:
    return Check(id=name, outcome=Outcome.INFO if name in JUDGE_NOTHING else outcome)


PASSED = tuple(check(name) for name in CHECKS)


def but(*changed: Check) -> tuple[Check, ...]:
    """All checks passed, but these."""
    instead = {one.id: one for one in changed}
    return tuple(instead.get(one.id, one) for one in PASSED)


def not_asked(name: str) -> Check:
    return Check(id=name, outcome=Outcome.SKIP, required=False)


NO_DEVICES = tuple(not_asked(name) for name in CHECKS if name[:2] == "6." and name != "6.count")


def ear(checks: tuple[Check, ...] = PASSED, **changes) -> Ear:
    members = {"platform": "tdx", "at": NOW, "checks": checks, **changes}
    return made(Report(**members))


def made(report: Report, **changes) -> Ear:
    members = {
        "developer": "d",
        "build": "b",
        "nonce": None,
        "issued": NOW,
        "audience": "me",
        "lifetime": 60,
        **changes,
    }
    return from_report(report, **members)


def test_every_check_that_judges_speaks_for_something():
    named = {name for table in (CPU, GPU) for ids in table.values() for name in ids}
    assert named == set(CHECKS) - JUDGE_NOTHING


def test_affirms_what_passed_in_full():
    found = ear()
    assert found.status is Tier.AFFIRMING
    assert found.submods["cpu"].vector == {
        "instance-identity": 2,
        "configuration": 2,
        "executables": 3,
        "file-system": 2,
        "hardware": 2,
        "runtime-opaque": 2,
    }
    assert found.submods["gpu"].vector == {
        "instance-identity": 2,
        "hardware": 2,
        "executables": 3,
        "configuration": 2,
    }


def test_names_no_devices_where_the_release_has_none():
    found = ear(but(*NO_DEVICES))
    assert list(found.submods) == ["cpu"]
    assert found.status is Tier.AFFIRMING


def test_what_nobody_asked_for_takes_nothing_away():
    unasked = [not_asked(name) for name in ("2.collateral", "7.provenance", "9.machine", "9.model")]
    assert ear(but(*unasked)).submods == {
        label: replace(one, checks={**one.checks, **{name.id: "SKIP" for name in unasked}})
        if label == "cpu"
        else one
        for label, one in ear().submods.items()
    }


@pytest.mark.parametrize("name", sorted(set(CHECKS) - JUDGE_NOTHING))
@pytest.mark.parametrize(
    ("outcome", "tier"), [(Outcome.FAIL, Tier.CONTRAINDICATED), (Outcome.SKIP, Tier.WARNING)]
)
def test_each_check_that_refuses_shows_where_it_speaks(name: str, outcome: Outcome, tier: Tier):
    found = ear(but(Check(id=name, outcome=outcome)))
    assert found.status is tier
    for label, table in (("cpu", CPU), ("gpu", GPU)):
        vector = found.submods[label].vector or {}
        hit = {category for category, value in vector.items() if Tier.of(value) is tier}
        assert hit == {category for category, ids in table.items() if name in ids}


def test_a_check_that_nobody_made_is_a_warning():
    found = ear(tuple(one for one in PASSED if one.id != "8.measurement"))
    assert found.status is Tier.WARNING
    assert (found.submods["cpu"].vector or {})["executables"] == Tier.WARNING


def test_a_failure_that_the_policy_tolerates_is_a_warning():
    found = ear(but(Check(id="2.recency", outcome=Outcome.FAIL, required=False)))
    assert found.about["verdict"] == Verdict.ACCEPTED
    assert found.status is Tier.WARNING
    assert (found.submods["cpu"].vector or {})["hardware"] == Tier.WARNING


@pytest.mark.parametrize("platform", ["simulated", "tdx"])
def test_simulated_evidence_affirms_nothing(platform: str):
    found = ear(platform=platform, simulated=True)
    assert found.status is Tier.WARNING
    for one in found.submods.values():
        assert {Tier.of(value) for value in (one.vector or {}).values()} == {Tier.WARNING}
    assert found.about["simulated"] == "yes"


@pytest.mark.parametrize("scope", [Scope.BUNDLE, Scope.PARTS])
def test_less_than_a_node_is_never_affirmed(scope: Scope):
    outside = (not_asked(name) for name in OUTSIDE[scope])
    found = ear(but(*outside), scope=scope)
    assert found.about["verdict"] == Verdict.ACCEPTED
    assert {found.status, *(one.status for one in found.submods.values())} == {Tier.NONE}
    vector = found.submods["cpu"].vector or {}
    assert vector["hardware"] == Tier.AFFIRMING
    assert "executables" not in vector
    assert ("gpu" in found.submods) is (scope is Scope.BUNDLE)


def test_a_refused_bundle_is_refused():
    found = ear(scene(flags=1).appraise().checks, platform="simulated")
    assert found.status is Tier.CONTRAINDICATED
    assert found.submods["cpu"].checks["8.debug"] == "FAIL"


def test_echoes_the_nonce():
    assert made(Report(platform="tdx", at=NOW, checks=PASSED), nonce=bytes(8)).nonces == (
        "AAAAAAAAAAA",
    )
    for size in (7, 65):
        with pytest.raises(ValueError, match="8 to 64"):
            made(Report(platform="tdx", at=NOW, checks=PASSED), nonce=bytes(size))


@pytest.mark.parametrize(("expires", "expected"), [(None, 60), (30, 30), (90, 60)])
def test_is_good_no_longer_than_what_it_rests_on(expires: int | None, expected: int):
    report = Report(
        platform="tdx", at=NOW, checks=PASSED, expires=None if expires is None else NOW + expires
    )
    assert made(report).expires == NOW + expected


def test_says_what_it_is_about():
    found = ear(machine=bytes(64), release=bytes(32), platform="sev-snp")
    assert found.about == {
        "verdict": "accepted",
        "scope": "node",
        "at": str(found.issued),
        "platform": "sev-snp",
        "simulated": "no",
        "machine": "00" * 64,
        "release": "00" * 32,
    }


OUTCOMES = st.sampled_from([*Outcome, None])
RECORDED = st.fixed_dictionaries({name: st.tuples(OUTCOMES, st.booleans()) for name in CHECKS})


@given(RECORDED, st.sampled_from(Scope), st.booleans())
def test_affirms_only_what_was_accepted_in_full(recorded, scope: Scope, simulated):
    checks = tuple(
        Check(id=name, outcome=outcome, required=required)
        for name, (outcome, required) in recorded.items()
        if outcome is not None
    )
    report = Report(platform="tdx", at=NOW, checks=checks, scope=scope, simulated=simulated)
    found = made(report)
    assert Ear.parse(found.encode()) == found
    if found.status is Tier.AFFIRMING:
        assert report.verdict is Verdict.ACCEPTED
        assert scope is Scope.NODE
        assert not simulated
    if found.status is Tier.NONE:
        assert report.verdict is Verdict.ACCEPTED
    for label, table in (("cpu", CPU), ("gpu", GPU)):
        vector = (found.submods[label].vector or {}) if label in found.submods else {}
        for category, value in vector.items():
            if Tier.of(value) is Tier.AFFIRMING:
                for name in table[category]:
                    outcome = recorded[name][0]
                    assert outcome is Outcome.PASS or name in ONLY_WHERE_ASKED

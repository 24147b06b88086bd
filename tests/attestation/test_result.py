"""A report survives the wire, and its verdict cannot say what its checks do not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.checks import CHECKS, Check, Outcome
from attestation.errors import AttestationError, MalformedEvidenceError
from attestation.result import Report, Verdict
from attestation.strict_json import dumps
from tests.fakes.simulated import MACHINE_ID, NOW, RELEASE, scene

PASSED = tuple(Check(id=name, outcome=Outcome.PASS) for name in CHECKS)


def report(**changes) -> Report:
    members = {"platform": "simulated", "at": NOW, "checks": PASSED, **changes}
    return Report(**members)


def document(found: Report) -> bytes:
    return dumps(found.to_json())


@pytest.mark.parametrize(
    "found",
    [
        report(),
        report(expires=NOW + 5, machine=MACHINE_ID, release=RELEASE, region="somewhere"),
        report(machine=bytes(64), platform="sev-snp"),
        report(platform="unknown", checks=(Check(id="1.parse", outcome=Outcome.FAIL),)),
        report(checks=scene(flags=1).appraise().checks),
    ],
)
def test_a_report_survives_the_wire(found: Report):
    assert Report.parse(document(found)) == found


def test_accepts_only_if_every_check_was_judged():
    assert report().verdict is Verdict.ACCEPTED
    for left_out in range(len(PASSED)):
        partial = report(checks=PASSED[:left_out] + PASSED[left_out + 1 :])
        assert partial.verdict is Verdict.REFUSED
        assert [one.id for one in partial.failed] == [PASSED[left_out].id]


def test_says_simulated():
    assert report().simulated
    assert not report(platform="tdx").simulated


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("verdict", "refused"),
        ("verdict", "maybe"),
        ("simulated", False),
        ("platform", "quantum"),
        ("machine", "00"),
        ("machine", "AA" * 32),
        ("release", "00" * 31),
        ("region", "a\u202eb"),
        ("version", 2),
        ("at", -1),
        ("more", 1),
    ],
)
def test_refuses_a_report_that_contradicts_itself_or_the_format(member: str, value: object):
    with pytest.raises(MalformedEvidenceError):
        Report.parse(json.dumps({**report().to_json(), member: value}).encode())


@pytest.mark.parametrize(
    ("member", "value"),
    [("id", "8.nothing"), ("step", 3), ("text", "other"), ("outcome", "OK"), ("required", 1)],
)
def test_refuses_a_check_that_is_not_of_the_table(member: str, value: object):
    members = report().to_json()
    checks = json.loads(json.dumps(members["checks"]))
    checks[0][member] = value
    with pytest.raises(MalformedEvidenceError):
        Report.parse(json.dumps({**members, "checks": checks}).encode())


def test_refuses_checks_out_of_order_or_twice():
    for checks in (PASSED[::-1], (PASSED[0], *PASSED[:-1])):
        with pytest.raises(MalformedEvidenceError):
            Report.parse(document(report(checks=checks)))


@given(st.binary())
def test_any_bytes_give_a_report_or_this_packages_error(data: bytes):
    try:
        Report.parse(data)
    except AttestationError:
        return


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(st.sampled_from(sorted(report().to_json())), json_values)
def test_any_member_gives_a_report_or_this_packages_error(member: str, value: object):
    try:
        Report.parse(json.dumps({**report().to_json(), member: value}).encode())
    except AttestationError:
        return

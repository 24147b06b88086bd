"""A whole bundle of each real platform is accepted, and refused by name for one thing wrong."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from attestation.checks import ONLY_WHERE_ASKED, Outcome, refusing
from attestation.evidence import Endorsement
from attestation.policy import Floors, Mark, NewestAccepted
from attestation.tdx.layout import TdReport15
from attestation.verifier import JUDGED, Appraisal, verify_parts
from tests.fakes.amd import NOW
from tests.fakes.real_bundles import Machine, amd, snp_machine, tdx_machine

MACHINES: list[tuple[str, Callable[..., Machine]]] = [
    ("sev-snp", snp_machine),
    ("tdx v4", tdx_machine),
    ("tdx v5", lambda **fields: tdx_machine(TdReport15, 5, **fields)),
]
EACH = pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in MACHINES])


def refused(appraisal: Appraisal) -> list[str]:
    return [check.id for check in refusing(appraisal.checks, JUDGED)]


@EACH
def test_accepts_a_valid_bundle(make: Callable[..., Machine]):
    appraisal = make().appraise()
    assert refused(appraisal) == []
    assert appraisal.accepted
    assert appraisal.keys is not None
    assert appraisal.machine
    assert appraisal.expires is not None
    assert appraisal.expires > NOW
    assert appraisal.marks
    outcomes = {check.id: check.outcome for check in appraisal.checks}
    skipped = {name for name, outcome in outcomes.items() if outcome is Outcome.SKIP}
    assert skipped <= ONLY_WHERE_ASKED


@EACH
def test_refuses_another_measurement(make: Callable[..., Machine]):
    other = replace(make(), measurement=bytes(48))
    assert refused(other.appraise()) == ["8.measurement"]


@EACH
def test_refuses_sections_the_quote_is_not_bound_to(make: Callable[..., Machine]):
    machine = make()
    other = replace(machine, event_log=b"").bundle()
    bundle = replace(machine.bundle(), quote=other.quote, freshness=b'{"checkpoint":"AA=="}')
    assert refused(machine.appraise(bundle)) == ["3.binding"]


@EACH
def test_refuses_machines_of_no_list(make: Callable[..., Machine]):
    machine = make()
    own = machine.appraise().machine
    assert own is not None
    for listed, expected in ((own, []), (bytes(len(own)), ["9.machine"])):
        policy = replace(machine.policy, machines=frozenset({listed}))
        assert refused(replace(machine, policy=policy).appraise()) == expected


@EACH
def test_holds_endorsements_to_floors_and_memory(make: Callable[..., Machine]):
    """Rollback: a list or TCB data, signed and in its validity, and older than one seen before."""
    machine = make()
    marks = machine.appraise().marks
    for issuer, mark in marks.items():
        newer = Mark(number=mark.number + 1, time=mark.time)
        later = Mark(number=0, time=mark.time + 1)
        much_later = Mark(number=0, time=mark.time + 86401)
        for changed in (
            replace(machine, floors=Floors(crl={issuer: newer})),
            replace(machine, floors=Floors(crl={issuer: later})),
            replace(machine, newest=NewestAccepted(marks={issuer: newer})),
            replace(machine, newest=NewestAccepted(marks={issuer: much_later})),
        ):
            assert refused(changed.appraise()) == ["2.floors"]
        for changed in (
            replace(machine, floors=Floors(crl={issuer: mark})),
            replace(machine, newest=NewestAccepted(marks={issuer: mark})),
            replace(machine, newest=NewestAccepted(marks={issuer: later})),
        ):
            assert changed.appraise().accepted


@EACH
def test_remembering_what_was_accepted_keeps_accepting_it(make: Callable[..., Machine]):
    machine = make()
    again = replace(machine, newest=NewestAccepted(marks=machine.appraise().marks))
    assert again.appraise().accepted


@EACH
def test_refuses_revocation_data_that_is_not_fresh(make: Callable[..., Machine]):
    machine = make()
    strict = replace(machine.policy, ages=replace(machine.policy.ages, crl=1, root_crl=1))
    assert refused(replace(machine, policy=strict).appraise()) == ["2.recency"]


@EACH
def test_shows_stale_revocation_data_that_the_policy_does_not_insist_on(
    make: Callable[..., Machine],
):
    machine = make()
    policy = replace(
        machine.policy,
        ages=replace(machine.policy.ages, crl=1, root_crl=1),
        optional=frozenset({"2.recency"}),
    )
    appraisal = replace(machine, policy=policy).appraise()
    assert appraisal.accepted
    assert appraisal.marks == {}
    found = {check.id: check for check in appraisal.checks}
    assert found["2.recency"].outcome is Outcome.FAIL
    assert not found["2.recency"].required


@EACH
def test_there_is_nothing_to_test_without_a_floor_and_a_memory(make: Callable[..., Machine]):
    bare = replace(make(), floors=Floors())
    found = {check.id: check for check in bare.appraise().checks}["2.floors"]
    assert (found.outcome, found.required) == (Outcome.SKIP, False)
    assert bare.appraise().accepted
    strict = replace(bare.policy, required=frozenset({"2.floors"}))
    assert refused(replace(bare, policy=strict).appraise()) == ["2.floors"]


def test_a_policy_has_a_floor_of_its_own_for_intels_knowledge():
    machine = tdx_machine()
    for number, expected in ((1, []), (10**6, ["2.floors"])):
        policy = replace(machine.policy, tcb_evaluation=number)
        bare = replace(machine, floors=Floors(), policy=policy)
        assert refused(bare.appraise()) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sev-snp", ["9.tcb"]),
        ("sev-snp/genoa", ["9.tcb"]),
        ("sev-snp/milan", []),
        ("sev-snp/turin", []),
    ],
)
def test_a_minimum_may_be_of_one_product_line(name: str, expected: list[str]):
    machine = snp_machine()
    policy = replace(machine.policy, minimum_tcb={name: {"snp": 255}})
    assert refused(replace(machine, policy=policy).appraise()) == expected
    floors = replace(machine.floors, minimum_tcb={name: {"snp": 255}})
    assert refused(replace(machine, floors=floors).appraise()) == expected


def test_a_key_of_the_clouds_names_no_machine():
    machine, host = snp_machine(), amd().vlek()
    clouds = replace(
        machine,
        quote=lambda binding: amd().report(
            host, report_data=binding, measurement=machine.measurement
        ),
        endorsements=amd().endorsements(host),
    )
    appraisal = clouds.appraise()
    assert appraisal.accepted
    assert appraisal.machine is None
    listed = replace(machine.policy, machines=frozenset({bytes(64)}))
    assert refused(replace(clouds, policy=listed).appraise()) == ["9.machine"]


@EACH
def test_refuses_without_endorsements(make: Callable[..., Machine]):
    appraisal = replace(make(), endorsements=()).appraise()
    assert "2.revocation" in refused(appraisal)
    assert all(check.outcome is not Outcome.FAIL for check in appraisal.checks)


@EACH
def test_the_vendors_own_roots_do_not_accept_a_throw_away_vendor(make: Callable[..., Machine]):
    machine = make()
    appraisal = replace(machine, policy=replace(machine.policy, roots={})).appraise()
    assert "2.chain" in refused(appraisal)
    assert appraisal.marks == {}


@EACH
def test_raw_parts_are_judged_like_the_bundle_and_give_no_keys(make: Callable[..., Machine]):
    machine = make()
    bundle = machine.bundle()
    found = verify_parts(
        bundle.platform,
        bundle.quote,
        bundle.endorsements,
        now=NOW,
        policy=machine.policy,
        floors=machine.floors,
    )
    assert found.accepted
    assert found.keys is None
    whole = {check.id: check for check in machine.appraise().checks}
    assert all(whole[check.id] == check for check in found.checks)


@EACH
def test_minimum_tcb_is_of_components_the_platform_names(make: Callable[..., Machine]):
    machine = make()
    name = machine.platform
    unknown = replace(machine.policy, minimum_tcb={name: {"flux": 1}})
    assert refused(replace(machine, policy=unknown).appraise()) == ["9.tcb"]


@pytest.mark.parametrize(
    ("fields", "check_id"),
    [
        ({"vmpl": 1}, "8.guest"),
        ({"policy": 1 << 17 | 1 << 16 | 1 << 19}, "8.debug"),
        ({"policy": 1 << 17 | 1 << 16 | 1 << 18}, "8.migration"),
    ],
)
def test_refuses_an_snp_guest_others_can_enter(fields, check_id: str):
    assert refused(snp_machine(**fields).appraise()) == [check_id]


@pytest.mark.parametrize(
    ("fields", "check_id"),
    [
        ({"td_attributes": (1 << 28 | 1).to_bytes(8, "little")}, "8.debug"),
        ({"td_attributes": (1 << 28 | 1 << 29).to_bytes(8, "little")}, "8.migration"),
        ({"td_attributes": bytes(8)}, "8.guest"),
        ({"rt_mr0": b"x" * 48}, "8.eventlog"),
    ],
)
def test_refuses_a_td_others_can_enter(fields, check_id: str):
    assert refused(tdx_machine(**fields).appraise()) == [check_id]


def test_refuses_an_event_log_on_a_platform_without_registers():
    assert refused(replace(snp_machine(), event_log=b"log").appraise()) == ["8.eventlog"]


def test_refuses_collateral_older_than_the_policy_or_the_floor():
    machine = tdx_machine()
    ages = replace(machine.policy.ages, collateral=1)
    strict = replace(machine, policy=replace(machine.policy, ages=ages))
    assert refused(strict.appraise()) == ["2.recency"]
    assert refused(replace(machine, floors=Floors(tcb_evaluation=10**6)).appraise()) == ["2.floors"]


def test_a_hostile_endorsement_beside_the_good_ones_changes_nothing():
    junk = tuple(
        Endorsement(type=kind, data=data)
        for kind in ("x509-crl", "tdx-collateral")
        for data in (b"", b"{}", b"\x30\x00")
    )
    for machine in (snp_machine(), tdx_machine()):
        crowded = replace(machine, endorsements=(*junk, *machine.endorsements, *junk))
        assert crowded.appraise().accepted

"""Whole bundles of the `*-vtpm` platforms are accepted, and refused by name for one thing wrong."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from attestation import verifier
from attestation.binding import tpm_binding
from attestation.checks import ONLY_WHERE_ASKED, Outcome, refusing
from attestation.evidence import EvidenceBundle
from attestation.policy import AppraisalPolicy, Floors, Mark
from attestation.verifier import JUDGED, PLATFORMS, Appraisal, verify_parts
from tests.fakes import simulated, tcg, tpm
from tests.fakes.amd import DAY, NOW
from tests.fakes.real_bundles import Machine, amd
from tests.fakes.tpm import cloud, ec_ak, rsa_ak, runtime_data, runtime_report_data, selection
from tests.fakes.vtpm_bundles import (
    EVENTS,
    EVERY,
    azure_snp,
    azure_tdx,
    direct_simulated,
    direct_snp,
    direct_tdx,
    event_log,
    registers,
)

Make = Callable[..., Machine]
EACH = pytest.mark.parametrize("make", EVERY.values(), ids=list(EVERY))


def refused(appraisal: Appraisal) -> list[str]:
    return [check.id for check in refusing(appraisal.checks, JUDGED)]


def refusal(appraisal: Appraisal) -> str:
    """Give the one refusal there is."""
    (check,) = refusing(appraisal.checks, JUDGED)
    return check.refusal


@EACH
def test_accepts_a_valid_bundle(make: Make):
    appraisal = make().appraise()
    assert refused(appraisal) == []
    assert appraisal.accepted
    assert appraisal.keys is not None
    assert appraisal.machine
    assert appraisal.expires is not None
    assert appraisal.expires > NOW
    assert appraisal.marks
    skipped = {check.id for check in appraisal.checks if check.outcome is Outcome.SKIP}
    assert skipped <= ONLY_WHERE_ASKED


@EACH
def test_the_machine_and_its_tcb_are_the_hardwares(make: Make):
    machine = make()
    found = machine.appraise().machine
    assert found is not None
    listed = replace(machine.policy, machines=frozenset({bytes(len(found))}))
    assert refused(replace(machine, policy=listed).appraise()) == ["9.machine"]
    name = machine.platform
    demanding = replace(machine.policy, minimum_tcb={name: {"flux": 1}})
    assert refused(replace(machine, policy=demanding).appraise()) == ["9.tcb"]


# 1. hardware


@EACH
def test_refuses_what_the_vendor_does_not_vouch_for(make: Make):
    machine = make()
    stranger = {**machine.policy.roots, machine.platform: bytes(32)}
    other = replace(machine, policy=replace(machine.policy, roots=stranger))
    assert refused(other.appraise())[0] == "2.chain"
    assert "2.revocation" in refused(replace(machine, endorsements=()).appraise())


@pytest.mark.parametrize("name", [name for name in EVERY if name != "simulated"])
def test_the_vendors_own_roots_do_not_accept_a_throw_away_vendor(name: str):
    machine = EVERY[name]()
    appraisal = replace(machine, policy=replace(machine.policy, roots={})).appraise()
    assert "2.chain" in refused(appraisal)
    assert appraisal.marks == {}


@EACH
def test_refuses_another_launch_measurement(make: Make):
    assert refused(replace(make(), measurement=bytes(48)).appraise()) == ["8.measurement"]


@EACH
def test_holds_the_hardwares_endorsements_to_floors_and_ages(make: Make):
    machine = make()
    for issuer, mark in machine.appraise().marks.items():
        floors = Floors(crl={issuer: Mark(number=mark.number + 1)})
        assert refused(replace(machine, floors=floors).appraise()) == ["2.floors"]
    strict = replace(machine.policy, ages=replace(machine.policy.ages, crl=1, root_crl=1))
    assert refused(replace(machine, policy=strict).appraise()) == ["2.recency"]


@pytest.mark.parametrize(
    ("machine", "check_id"),
    [
        (direct_snp(hardware={"vmpl": 2}), "8.guest"),
        (azure_snp(hardware={"vmpl": 2}), "8.guest"),
        (azure_snp(hardware={"policy": 1 << 17 | 1 << 19}), "8.debug"),
        (azure_snp(hardware={"policy": 1 << 17 | 1 << 18}), "8.migration"),
        (azure_snp(hardware={"policy": 1 << 17 | 1 << 40}), "8.guest"),
        (azure_tdx(hardware={"td_attributes": b"\1".ljust(8, b"\0")}), "8.debug"),
        (azure_tdx(hardware={"xfam": bytes(8)}), "8.guest"),
        (direct_tdx(hardware={"td_attributes": bytes(8)}), "8.guest"),
        (direct_simulated(hardware={"flags": 1}), "8.debug"),
        (direct_simulated(hardware={"flags": 2}), "8.migration"),
    ],
)
def test_refuses_a_machine_others_can_enter(machine: Machine, check_id: str):
    assert refused(machine.appraise()) == [check_id]


@pytest.mark.parametrize(
    "machine",
    [
        azure_tdx(hardware={"rt_mr0": b"x" * 48}),
        direct_tdx(hardware={"rt_mr3": b"x" * 48}),
        direct_simulated(hardware={"registers": (bytes(48), b"x" * 48, bytes(48), bytes(48))}),
    ],
)
def test_refuses_measurements_that_no_release_could_name(machine: Machine):
    assert "hardware register" in refusal(machine.appraise())


def test_a_report_the_hardware_did_not_sign_is_refused():
    chip = amd().vcek()
    named = tpm.ak_report_data(ec_ak(), b"challenge")
    report = bytearray(amd().report(chip, report_data=named))
    report[0x90] ^= 1
    parts = {"quote": bytes(report)}
    machine = direct_snp()
    bundle = replace(
        machine.bundle(), quote=tpm.document(parts, ec_ak(), tpm.pcr_values() | registers())
    )
    assert "2.signature" in refused(machine.appraise(bundle))


# 2. AK


@EACH
def test_refuses_the_quote_of_another_vm(make: Make):
    """Its own AK signed it, well formed and true; this machine's hardware names another."""
    kind = rsa_ak if make in (azure_snp, azure_tdx) else ec_ak
    machine = make(named=kind("another VM's"))
    assert refused(machine.appraise()) == ["2.identity"]
    assert "AK" in refusal(machine.appraise()) or "report data" in refusal(machine.appraise())


@EACH
def test_refuses_a_signature_of_another_key(make: Make):
    kind = rsa_ak if make in (azure_snp, azure_tdx) else ec_ak
    assert refused(make(signer=kind("stranger")).appraise()) == ["2.signature"]


@pytest.mark.parametrize("make", [direct_snp, direct_tdx])
def test_refuses_report_data_that_names_no_ak(make: Make):
    machine = make(hardware={"report_data": bytes(64)})
    assert refused(machine.appraise()) == ["2.identity"]
    assert "names the AK" in refusal(machine.appraise())


@pytest.mark.parametrize("make", [azure_snp, azure_tdx])
def test_refuses_runtime_data_the_hardware_did_not_sign(make: Make):
    other = runtime_report_data(runtime_data(rsa_ak("another VM's")))
    machine = make(hardware={"report_data": other})
    assert refused(machine.appraise()) == ["2.identity"]
    assert "SHA256 of the runtime data" in refusal(machine.appraise())


def test_refuses_a_td_report_that_was_not_quoted():
    machine = azure_tdx(inside=tpm.td_report(bytes(64)))
    assert refused(machine.appraise()) == ["2.identity"]


def test_runtime_data_counts_by_the_hash_it_names():
    """A frame that names another hash than the hardware's report data was made with."""
    assert refused(azure_snp(frame={"hash_type": 2}).appraise()) == ["2.identity"]


@EACH
def test_a_clouds_word_is_judged_where_it_is_given(make: Make):
    kind = rsa_ak() if make in (azure_snp, azure_tdx) else ec_ak()
    good = make(chain=cloud().chain(kind))
    assert good.appraise().accepted
    for wrong in (
        cloud("another").chain(kind),
        cloud().chain(rsa_ak("another")),
        cloud().chain(kind, not_after=NOW - 1),
        cloud().chain(kind, usages=("1.3.6.1.5.5.7.3.2",)),
    ):
        appraisal = make(chain=wrong).appraise()
        assert refused(appraisal) == ["2.chain"]
        assert appraisal.expires is None
    soon = make(chain=cloud().chain(kind, not_after=NOW + 10)).appraise()
    assert soon.expires == NOW + 10


def test_a_clouds_published_root_is_replaced_by_ones_own():
    machine = azure_snp(chain=cloud().chain(rsa_ak()))
    roots = {name: one for name, one in machine.policy.roots.items() if name != "tpm"}
    other = replace(machine, policy=replace(machine.policy, roots=roots))
    assert refused(other.appraise()) == ["2.chain"]


# 3. quote


@EACH
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"magic": 0xFF544348}, "not made by a TPM"),
        ({"kind": 0x8017}, "no quote"),
        ({"trailing": b"\0"}, "1 bytes follow"),
        ({"members": {"surprise": 1}}, "unknown member"),
        ({"members": {"message": None}}, "is missing"),
    ],
)
def test_what_is_no_quote_is_refused_at_the_signature(
    make: Make, changes: dict[str, Any], reason: str
):
    appraisal = make(**changes).appraise()
    assert refused(appraisal)[0] == "2.signature"
    failed = [check for check in appraisal.checks if check.outcome is Outcome.FAIL]
    assert [check.id for check in failed] == ["2.signature"]
    assert reason in failed[0].refusal
    assert appraisal.machine is None


@EACH
def test_refuses_pcr_values_that_were_not_quoted(make: Make):
    values = {str(pcr): value.hex() for pcr, value in (tpm.pcr_values() | registers()).items()}
    for pcrs in (
        {"sha384": values | {"8": "11" * 48}},
        {"sha384": {pcr: value for pcr, value in values.items() if pcr != "8"}},
        {"sha384": values, "sha256": {"0": "00" * 32}},
        {},
    ):
        assert "2.signature" in refused(make(members={"pcrs": pcrs}).appraise())


@EACH
def test_refuses_a_selection_that_leaves_something_out(make: Make):
    """Nothing is wrong with what is quoted; the kernel's PCR is not."""
    kept = {pcr: value for pcr, value in (tpm.pcr_values() | registers()).items() if pcr != 11}
    partial = {
        "selections": (selection(tuple(kept)),),
        "pcr_digest": tpm.digest_of(kept),
        "members": {"pcrs": {"sha384": {str(pcr): one.hex() for pcr, one in kept.items()}}},
    }
    machine = make(**partial)
    assert refused(machine.appraise()) == ["8.eventlog", "8.guest"]
    # And a release that names no such PCR, with a log that has none, changes nothing.
    named = {pcr: value for pcr, value in registers().items() if pcr != 11}
    log = tcg.header() + b"".join(tcg.record(pcr, one) for pcr, one in EVENTS if pcr != 11)
    lax = replace(machine, registers=named, event_log=log)
    assert "8.guest" in refused(lax.appraise())
    assert "8.eventlog" in refused(lax.appraise())


@EACH
def test_refuses_another_bank(make: Make):
    values = tpm.pcr_values(tpm.SHA256)
    other = {
        "selections": (selection(bank=tpm.SHA256),),
        "pcr_digest": tpm.digest_of(values),
        "members": {"pcrs": {"sha256": {str(pcr): one.hex() for pcr, one in values.items()}}},
    }
    assert refused(make(**other).appraise()) == ["8.eventlog", "8.guest"]


@EACH
def test_refuses_what_was_measured_beside_the_release(make: Make):
    for pcr in (0, 8, 15, 16, 17, 23):
        machine = make(pcrs={pcr: b"x" * 48})
        assert refused(machine.appraise()) == ["8.eventlog"]
    more = event_log() + tcg.record(8, b"more", banks=(tcg.SHA256, tcg.SHA384))
    told = make(pcrs={8: tcg.replayed("sha384", b"more")})
    assert refused(replace(told, event_log=more).appraise()) == ["8.eventlog"]


@EACH
def test_refuses_a_log_that_does_not_lead_there(make: Make):
    for log in (b"", event_log()[:-1], tcg.header(), b"{}"):
        machine = make()
        assert refused(replace(machine, event_log=log).appraise()) == ["8.eventlog"]


@EACH
@pytest.mark.parametrize("hashed", [tpm.SHA384, tpm.SHA512])
def test_accepts_other_hashes(make: Make, hashed: int):
    assert make(hashed=hashed).appraise().accepted


@pytest.mark.parametrize("make", [azure_snp, azure_tdx])
def test_accepts_rsapss(make: Make):
    assert make(scheme=tpm.RSAPSS).appraise().accepted


@EACH
def test_refuses_sha_1(make: Make):
    appraisal = make(hashed=tpm.SHA1).appraise()
    assert refused(appraisal) == ["2.signature"]
    assert "found SHA1" in refusal(appraisal)


# 4. binding


@EACH
def test_refuses_a_replayed_quote(make: Make):
    """The quote of another epoch beside the keys of this one."""
    machine = make()
    old = machine.quote(bytes(64))
    bundle = replace(machine.bundle(), quote=old)
    assert refused(machine.appraise(bundle)) == ["3.binding"]


@pytest.mark.parametrize("make", [direct_snp, direct_tdx, direct_simulated])
def test_refuses_a_hardware_report_of_another_time(make: Make):
    """What the hardware signed for an earlier quote vouches for no later one by the same key."""
    machine = make()
    bundle = machine.bundle()
    old, new = (json.loads(one) for one in (machine.quote(bytes(64)), bundle.quote))
    quote = json.dumps({**new, "hardware": old["hardware"]}, separators=(",", ":")).encode()
    appraisal = machine.appraise(replace(bundle, quote=quote))
    assert refused(appraisal) == ["2.identity"]
    assert "names the AK and this quote" in refusal(appraisal)


@pytest.mark.parametrize("make", [azure_snp, azure_tdx])
def test_on_azure_the_hardwares_report_is_of_the_guests_start(make: Make):
    machine = make()
    first, second = (json.loads(machine.quote(bytes((one,)) * 64)) for one in (1, 2))
    assert first["hardware"] == second["hardware"]
    assert machine.appraise().accepted


@EACH
def test_refuses_another_binding(make: Make):
    for extra in (b"", bytes(32), bytes(64), tpm_binding(bytes(64))):
        assert refused(make(extra_data=extra).appraise()) == ["3.binding"]


def test_report_data_is_of_its_own_domain():
    for name in ("sev-snp-vtpm", "tdx-vtpm", "simulated-vtpm"):
        assert PLATFORMS[name].report_data(bytes(64)) == tpm_binding(bytes(64))


# Other platforms


def test_hardware_of_one_platform_is_none_of_another():
    snp, tdx = azure_snp().bundle(), azure_tdx().bundle()
    for machine, bundle in ((azure_tdx(), snp), (azure_snp(), tdx), (direct_simulated(), snp)):
        foreign = replace(machine.bundle(), quote=bundle.quote)
        appraisal = machine.appraise(foreign)
        assert refused(appraisal)[0] == "2.signature"
        assert "HCL report: of" in refusing(appraisal.checks, JUDGED)[0].refusal


def test_a_bundle_says_which_platform_it_is_and_another_judges_it_otherwise():
    for make in EVERY.values():
        machine = make()
        bundle = machine.bundle()
        plain = replace(bundle, platform=bundle.platform.removesuffix("-vtpm"))
        assert "2.signature" in refused(machine.appraise(plain))
        hardware = replace(simulated.scene().bundle(), platform=bundle.platform)
        assert "2.signature" in refused(machine.appraise(hardware))


@EACH
def test_a_policy_of_another_platform_refuses_and_nothing_is_raised(make: Make):
    machine = make()
    own = machine.policy.roots[machine.platform]
    plain = machine.platform.removesuffix("-vtpm")
    for policy in (
        AppraisalPolicy(platforms=("sev-snp",)),
        AppraisalPolicy(platforms=("tdx", "sev-snp")),
        AppraisalPolicy(platforms=("simulated",), roots={"simulated": bytes(32)}),
        AppraisalPolicy(platforms=(plain,), roots={plain: own}),
    ):
        appraisal = replace(machine, policy=policy).appraise()
        assert "9.platform" in refused(appraisal)
        bundle = machine.bundle()
        assert verifier.explain(bundle.platform, bundle.quote, bundle.endorsements, policy)


def test_a_minimum_tcb_is_named_under_the_platform():
    machine = azure_snp()
    for snp, expected in ((1, []), (2**20, ["9.tcb"])):
        minimum = {"sev-snp-vtpm": {"snp": snp}}
        policy = replace(machine.policy, minimum_tcb=minimum)
        assert refused(replace(machine, policy=policy).appraise()) == expected


@EACH
def test_a_real_bundle_travels(make: Make):
    bundle = make().bundle()
    assert EvidenceBundle.parse(bundle.encode()) == bundle


@EACH
def test_raw_parts_are_judged_like_the_bundle_and_give_no_keys(make: Make):
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
def test_shows_stale_revocation_data_that_the_policy_does_not_insist_on(make: Make):
    machine = make()
    policy = replace(
        machine.policy,
        ages=replace(machine.policy.ages, crl=1, root_crl=1),
        optional=frozenset({"2.recency"}),
    )
    appraisal = replace(machine, policy=policy).appraise()
    assert appraisal.accepted
    assert appraisal.marks == {}


def test_collateral_may_be_insisted_on_only_where_there_is_some():
    for make, expected in ((azure_snp, ["2.collateral"]), (azure_tdx, [])):
        machine = make()
        policy = replace(machine.policy, required=frozenset({"2.collateral"}))
        assert refused(replace(machine, policy=policy).appraise()) == expected


@EACH
def test_expires_with_the_hardwares_endorsements(make: Make):
    machine = make()
    late = replace(machine, now=NOW + 400 * DAY).appraise()
    assert "2.recency" in refused(late)
    assert late.expires is None

"""The verdict as a whole: what is accepted, until when, and what is said when parts are missing."""

import re
from dataclasses import replace
from typing import Any

import pytest

from attestation import devices, verifier
from attestation.checks import CHECKS, Checks, Outcome
from attestation.errors import MalformedEvidenceError
from attestation.evidence import Endorsement, EvidenceBundle
from attestation.simulated import authenticate as simulated
from attestation.simulated.issuing import Validity
from attestation.simulated.vendor import SimulatedVendor
from tests.fakes.simulated import (
    EPOCH,
    MACHINE_ID,
    MODELS,
    NOW,
    check,
    failures,
    keys_section,
    machine,
    outcomes,
    policy,
    reference_values,
    scene,
    vendor,
)
from tests.fakes.simulated_parts import (
    PAST,
    crl,
    leaf,
    revoked,
    rim,
    serial,
    with_chain,
    with_crl,
    with_rim,
)


def test_accepts_a_valid_bundle():
    appraisal = scene().appraise()
    assert appraisal.accepted
    assert appraisal.keys == keys_section()
    assert appraisal.machine == MACHINE_ID
    assert set(outcomes(appraisal)) == set(verifier.JUDGED)
    assert {mark.number for mark in appraisal.marks.values()} == {1}
    assert len(appraisal.marks) == 3


def test_reports_the_region_without_judging_it():
    appraisal = scene().appraise()
    assert appraisal.accepted
    assert check(appraisal, "9.region").outcome is Outcome.INFO


@pytest.mark.parametrize("mode", ["on", "protected-pcie"])
def test_accepts_devices_that_the_agent_says_are_confidential(mode: str):
    appraisal = scene(mode=mode).appraise()
    assert appraisal.accepted
    assert check(appraisal, "6.mode").outcome is Outcome.PASS


def test_accepts_machine_and_model_on_the_lists():
    listed = policy(machines=frozenset({MACHINE_ID}), models=frozenset({MODELS[0][1]}))
    appraisal = scene(policy=listed).appraise()
    assert appraisal.accepted
    assert outcomes(appraisal)["9.machine"] is Outcome.PASS
    assert outcomes(appraisal)["9.model"] is Outcome.PASS


def test_accepts_a_machine_without_devices_if_the_release_has_none():
    alone = scene(device_count=0, reference=reference_values(device_count=0, device_kinds=()))
    appraisal = alone.appraise()
    assert appraisal.accepted
    assert outcomes(appraisal)["6.authentic"] is Outcome.SKIP


def test_refuses_a_machine_whose_devices_are_missing():
    appraisal = scene(device_count=0).appraise()
    assert failures(appraisal) == {"6.count"}
    assert check(appraisal, "6.authentic").refuses


def test_refuses_without_reference_values():
    appraisal = scene(reference=None).appraise()
    assert not appraisal.accepted
    assert not failures(appraisal)
    skipped = {one for one, outcome in outcomes(appraisal).items() if outcome is Outcome.SKIP}
    assert skipped >= {"6.count", "8.measurement", "8.eventlog", "8.model"}


def test_an_old_list_beside_a_newer_one_hides_nothing():
    newer = vendor().revoke(serial(machine().chain), now=EPOCH).crls.values()
    both = (*machine().endorsements(), *(Endorsement(type="x509-crl", data=der) for der in newer))
    assert failures(scene(endorsements=both).appraise()) == {"2.revocation"}


def test_remembers_a_newer_list_even_where_it_revokes():
    appraisal = scene(endorsements=revoked(serial(machine().chain))).appraise()
    assert not appraisal.accepted
    assert {mark.number for mark in appraisal.marks.values()} == {2}


def test_remembers_no_list_of_a_chain_it_does_not_trust():
    stranger = SimulatedVendor.create(EPOCH).machine(MACHINE_ID)
    appraisal = scene(machine=stranger).appraise()
    assert {"2.chain", "6.authentic", "6.measurements"} <= failures(appraisal)
    assert appraisal.marks == {}


def test_refuses_lists_older_than_the_policy_allows():
    ages = replace(policy().ages, root_crl=60)
    assert "2.recency" in failures(scene(policy=policy(ages=ages)).appraise())


def test_of_a_renewed_chain_the_newer_counts():
    old, new = leaf(validity=PAST), machine().chain
    assert scene(endorsements=with_chain(old, new)).appraise().accepted


def test_expires_with_the_first_of_everything_it_rests_on():
    assert scene().appraise().expires == keys_section().not_after - 120
    soon = Validity(not_before=EPOCH, not_after=NOW + 10)
    for endorsements in (
        with_chain(leaf(validity=soon)),
        with_crl("machine-ca", crl("machine-ca", soon)),
        with_crl("device-ca", crl("device-ca", soon)),
        with_rim(rim(validity=soon)),
    ):
        assert scene(endorsements=endorsements).appraise().expires == NOW + 10
    ages = replace(policy().ages, crl=500)
    assert scene(policy=policy(ages=ages)).appraise().expires == EPOCH - 300 + 500


@pytest.mark.parametrize("platform", ["sgx", "sev-es"])
def test_refuses_a_platform_it_cannot_verify_by_name(platform: str):
    appraisal = scene().appraise(replace(scene().bundle(), platform=platform))
    assert failures(appraisal) == {"2.signature", "9.platform"}
    assert check(appraisal, "2.signature").actual == platform
    assert check(appraisal, "9.platform").actual == platform
    assert not appraisal.accepted


def test_refuses_a_device_it_cannot_verify_by_name(monkeypatch):
    monkeypatch.setattr(devices, "FAMILIES", {"simulated-gpu": simulated})
    unknown = scene(kind="nvidia-gpu", reference=reference_values(device_kinds=("nvidia-gpu",)))
    appraisal = unknown.appraise()
    assert failures(appraisal) == {"6.authentic"}
    assert check(appraisal, "6.authentic").actual == "nvidia-gpu"
    assert check(appraisal, "6.nonce").refuses


def test_a_simulated_device_counts_for_no_real_machine():
    real = policy(platforms=("tdx",), roots={}, minimum_tcb={})
    appraisal = scene(policy=real).appraise(replace(scene().bundle(), platform="tdx"))
    assert not {"6.authentic", "6.measurements"} & {
        one for one, outcome in outcomes(appraisal).items() if outcome is Outcome.PASS
    }
    assert check(appraisal, "6.authentic").refuses


@pytest.mark.parametrize("position", range(0, 448, 7))
def test_refuses_a_quote_with_any_byte_changed(position: int):
    bundle = scene().bundle()
    quote = bytearray(bundle.quote)
    quote[position] ^= 0x80
    assert not scene().appraise(replace(bundle, quote=bytes(quote))).accepted


def with_section(bundle: EvidenceBundle, section: str, data: bytes) -> EvidenceBundle:
    sections: dict[str, Any] = {section: data}
    return replace(bundle, **sections)


@pytest.mark.parametrize("section", ["keys", "freshness", "devices", "software"])
def test_refuses_a_section_with_any_byte_changed(section: str):
    bundle = scene().bundle()
    data = getattr(bundle, section)
    for position in range(0, len(data), max(1, len(data) // 24)):
        changed = bytearray(data)
        changed[position] ^= 0x02
        try:
            altered = with_section(bundle, section, bytes(changed))
        except MalformedEvidenceError:
            continue
        assert "3.binding" in failures(scene().appraise(altered)), (section, position)


def test_refuses_a_section_left_out():
    appraisal = scene().appraise(replace(scene().bundle(), devices=None))
    assert {"3.binding", "6.count"} == failures(appraisal)


@pytest.mark.parametrize("quote", [b"", b"OPSQ", bytes(448), bytes(449)])
def test_says_that_bytes_are_no_quote_and_judges_the_rest(quote: bytes):
    appraisal = scene().appraise(replace(scene().bundle(), quote=quote))
    assert failures(appraisal) == {"2.signature"}
    assert appraisal.machine is None
    assert outcomes(appraisal)["3.binding"] is Outcome.SKIP
    assert outcomes(appraisal)["2.chain"] is Outcome.PASS
    assert outcomes(appraisal)["6.authentic"] is Outcome.PASS


def test_judges_what_it_can_without_a_chain():
    appraisal = scene(endorsements=()).appraise()
    assert not failures(appraisal)
    for name in ("2.signature", "2.chain", "6.authentic", "6.measurements"):
        assert check(appraisal, name).refuses
    assert outcomes(appraisal)["3.binding"] is Outcome.PASS


def test_parse_records_what_is_no_bundle():
    checks = Checks()
    assert verifier.parse(b"{}", checks) is None
    assert checks.done()[0].id == "1.parse"
    assert checks.done()[0].refuses


def test_parse_gives_the_bundle():
    checks = Checks()
    bundle = verifier.parse(scene().bundle().encode(), checks)
    assert isinstance(bundle, EvidenceBundle)
    assert checks.passed("1.parse")


def test_the_verifier_alone_makes_an_appraisal(root):
    makers = [
        path.relative_to(root).as_posix()
        for package in ("attestation", "openpcc", "gateway", "node_image")
        for path in (root / package).rglob("*.py")
        if re.search(r"\bAppraisal\(", path.read_text())
    ]
    # An EAR has appraisals too; those are words about a report and open nothing.
    of_an_ear = {"attestation/ear_report.py", "openpcc/audit/ear.py"}
    assert all("from attestation.verifier" not in (root / one).read_text() for one in of_an_ear)
    assert set(makers) - of_an_ear == {"attestation/verifier.py"}


def test_judged_checks_are_those_of_the_table_in_its_order():
    assert list(verifier.JUDGED) == [name for name in CHECKS if name in verifier.JUDGED]

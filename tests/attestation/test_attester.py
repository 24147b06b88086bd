"""What the attester collects is what the verifier accepts, bound in the order of the argument."""

from dataclasses import replace

import pytest

from attestation import attester
from attestation.attester import Attester
from attestation.errors import AttesterError, MalformedEvidenceError
from attestation.evidence import PLATFORMS, DevicesSection, FreshnessSection, SoftwareSection
from attestation.simulated.collect import expected_values
from attestation.simulated.evidence import DeviceReport
from tests.fakes.simulated import (
    MACHINE_ID,
    MODELS,
    failures,
    keys_section,
    machine,
    reference_values,
    scene,
    software_section,
)

ARGUMENTS = ("--max-model-len", "1024")
CHECKPOINT = b"a cosigned checkpoint"


@pytest.fixture
def opened(tmp_path) -> Attester:
    machine().save(tmp_path / "machine")
    return attester.open("simulated", tmp_path / "machine")


def booted(opened: Attester) -> SoftwareSection:
    return replace(software_section(), event_log=opened.event_log(MODELS, ARGUMENTS))


def released():
    measurement, registers = expected_values(MODELS, ARGUMENTS)
    return scene(reference=reference_values(measurement=measurement, registers=registers))


def test_the_verifier_accepts_what_the_attester_collects(opened: Attester):
    bundle = opened.collect(keys_section(), CHECKPOINT, booted(opened))
    appraisal = released().appraise(type(bundle).parse(bundle.encode()))
    assert not failures(appraisal)
    assert appraisal.accepted
    assert appraisal.machine == opened.machine == MACHINE_ID


def test_a_challenge_is_bound_like_everything_else(opened: Attester):
    software = booted(opened)
    bundle = opened.collect(keys_section(), CHECKPOINT, software, challenge=b"c" * 32)
    assert FreshnessSection.parse(bundle.freshness).challenge == b"c" * 32
    assert released().appraise(bundle).accepted
    without = FreshnessSection(checkpoint=CHECKPOINT).encode()
    assert "6.nonce" in failures(released().appraise(replace(bundle, freshness=without)))


def test_every_epoch_asks_the_devices_anew(opened: Attester):
    software = booted(opened)
    nonces = set()
    for receipt in (b"1" * 32, b"2" * 32):
        keys = replace(keys_section(), receipt=receipt)
        bundle = opened.collect(keys, CHECKPOINT, software)
        assert bundle.devices is not None
        report = DevicesSection.parse(bundle.devices).devices[0].report
        nonces.add(DeviceReport.parse(report).nonce)
    assert len(nonces) == 2


def test_a_machine_that_has_not_measured_is_refused(opened: Attester):
    software = replace(software_section(), event_log=b'{"events":[]}')
    bundle = opened.collect(keys_section(), CHECKPOINT, software)
    assert failures(released().appraise(bundle)) == {"8.eventlog"}


def test_refuses_to_quote_sections_that_nobody_could_read(opened: Attester):
    with pytest.raises(MalformedEvidenceError):
        opened.collect(replace(keys_section(), hpke=()), CHECKPOINT, booted(opened))


def test_refuses_a_platform_it_cannot_collect_on_by_name(tmp_path):
    with pytest.raises(AttesterError, match="abacus: not one of the platforms here"):
        attester.open("abacus", tmp_path)


@pytest.mark.parametrize(
    ("platform", "remedy"),
    [
        ("sev-snp", "mount configfs"),
        ("tdx", "mount configfs"),
        ("sev-snp-vtpm", "give the machine a TPM"),
        ("tdx-vtpm", "give the machine a TPM"),
        ("simulated", "make the machine with the vendor"),
        ("simulated-vtpm", "give the machine a TPM"),
    ],
)
def test_says_what_a_platform_lacks(platform: str, remedy: str, tmp_path):
    assert set(attester.PLATFORMS) == set(PLATFORMS)
    with pytest.raises(AttesterError, match=remedy):
        attester.open(platform, tmp_path)


def test_names_the_folder_that_is_no_machine(tmp_path):
    with pytest.raises(AttesterError, match=r"machine\.key"):
        attester.open("simulated", tmp_path)

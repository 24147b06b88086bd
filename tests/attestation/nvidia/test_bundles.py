"""A whole bundle of a machine with devices is accepted, and refused by name for one thing wrong."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.x509 import ocsp

from attestation import verifier
from attestation.binding import device_nonce, evidence_binding
from attestation.checks import refusing
from attestation.evidence import (
    DeviceEvidence,
    DevicesSection,
    Endorsement,
    EvidenceBundle,
)
from attestation.nvidia.evidence import Opaque
from attestation.policy import AppraisalPolicy
from attestation.reference_values import ReferenceValues
from attestation.verifier import JUDGED, Appraisal
from tests.fakes.amd import NOW
from tests.fakes.nvidia import DAY, NONCE, VBIOS, Chip, Nvidia, key_of, nvidia
from tests.fakes.real_bundles import MODELS, Machine, snp_machine

GPU, SWITCH = nvidia(), nvidia("LS_10")
CHIP = GPU.device()
SWITCHES = tuple(SWITCH.device(f"switch {number}") for number in range(2))
MACHINE = snp_machine()
POLICY = AppraisalPolicy(platforms=("sev-snp",), roots={**MACHINE.policy.roots, **GPU.roots})
PLAIN = MACHINE.bundle()
DEVICE_NONCE = device_nonce(PLAIN.keys, PLAIN.freshness)
ENDORSEMENTS = GPU.endorsements(CHIP)


def gpu(chip: Chip = CHIP, **changes) -> DeviceEvidence:
    return chip.evidence(GPU.report(chip, **{"nonce": DEVICE_NONCE, **changes}))


def bundle(
    *devices: DeviceEvidence, endorsements: tuple[Endorsement, ...] = ENDORSEMENTS
) -> EvidenceBundle:
    """Give the bundle of a machine with these devices, its quote bound to them."""
    section = DevicesSection(devices=devices).encode()
    binding = evidence_binding(PLAIN.keys, PLAIN.freshness, section, PLAIN.software)
    return replace(
        PLAIN,
        quote=MACHINE.quote(binding),
        devices=section,
        endorsements=(*PLAIN.endorsements, *endorsements),
    )


def appraise(
    made: EvidenceBundle,
    *,
    count: int = 1,
    kinds: tuple[str, ...] = ("nvidia-gpu",),
    policy: AppraisalPolicy = POLICY,
    machine: Machine = MACHINE,
) -> Appraisal:
    values = ReferenceValues(
        measurement=machine.measurement,
        registers=machine.registers,
        device_count=count,
        device_kinds=kinds,
        models=dict(MODELS),
    )
    parsed = EvidenceBundle.parse(made.encode())
    return verifier.verify(parsed, now=NOW, policy=policy, reference_values=values)


def refused(made: EvidenceBundle, **changes) -> list[str]:
    return [check.id for check in refusing(appraise(made, **changes).checks, JUDGED)]


def stapled(**changes) -> tuple[Endorsement, ...]:
    return GPU.endorsements(CHIP, **changes)


def test_accepts_a_machine_with_a_gpu():
    appraisal = appraise(bundle(gpu()))
    assert refusing(appraisal.checks, JUDGED) == ()
    assert appraisal.accepted
    assert appraisal.keys is not None
    assert appraisal.expires is not None
    assert NOW < appraisal.expires < NOW + DAY
    assert GPU.root.spki_sha256 in appraisal.marks


def test_accepts_several_gpus_and_the_switches_between_them():
    chips = (CHIP, GPU.device("second"))
    links = b"".join(one.pdi[::-1] for one in SWITCHES)
    opaque = {Opaque.PROTECTED_PCIE_STATUS: b"\xaa", Opaque.SWITCH_PDIS: links}
    devices = [
        *(gpu(chip, opaque=opaque) for chip in chips),
        *(one.evidence(SWITCH.report(one, nonce=DEVICE_NONCE)) for one in SWITCHES),
    ]
    endorsements = (*GPU.endorsements(*chips), *SWITCH.endorsements(*SWITCHES))
    kinds = ("nvidia-gpu", "nvidia-switch")
    whole = bundle(*devices, endorsements=endorsements)
    assert refused(whole, count=4, kinds=kinds) == []
    elsewhere = SWITCH.device("elsewhere")
    devices[3] = elsewhere.evidence(SWITCH.report(elsewhere, nonce=DEVICE_NONCE))
    other = bundle(*devices, endorsements=(*endorsements, *SWITCH.endorsements(elsewhere)))
    assert refused(other, count=4, kinds=kinds) == ["6.authentic"]


WRONG: dict[str, tuple[Callable[[], EvidenceBundle], list[str]]] = {
    "a nonce of another epoch": (lambda: bundle(gpu(nonce=NONCE)), ["6.nonce"]),
    "a report signed by another key": (lambda: bundle(gpu(key=key_of("x"))), ["6.authentic"]),
    "a report changed after signing": (
        lambda: bundle(gpu(after={37 + 8 + 64 * 55: b"x"})),
        ["6.authentic"],
    ),
    "another firmware id": (
        lambda: bundle(gpu(opaque={Opaque.FWID: b"\1" * 48})),
        ["6.authentic"],
    ),
    "another measurement": (lambda: bundle(gpu(blocks={5: bytes(48)})), ["6.measurements"]),
    "a report that does not parse": (
        lambda: bundle(CHIP.evidence(b"no report")),
        ["6.authentic", "6.measurements", "6.nonce"],
    ),
    "no RIM": (lambda: bundle(gpu(), endorsements=stapled(rims=())), ["6.measurements"]),
    "a RIM changed after signing": (
        lambda: bundle(
            gpu(),
            endorsements=stapled(
                rims=GPU.rims(after=lambda text: text.replace("Measurement_7", "Measurement_8"))
            ),
        ),
        ["6.measurements"],
    ),
    "no OCSP answer": (
        lambda: bundle(gpu(), endorsements=stapled(answers=())),
        ["6.authentic", "6.measurements"],
    ),
    "old OCSP answers": (
        lambda: bundle(
            gpu(), endorsements=stapled(answers=GPU.answers(CHIP, this_update=NOW - 2 * DAY))
        ),
        ["6.authentic", "6.measurements"],
    ),
    "a certificate on hold": (
        lambda: bundle(
            gpu(),
            endorsements=(
                *ENDORSEMENTS,
                Endorsement(
                    type="ocsp",
                    data=GPU.answer(
                        CHIP.holders[1],
                        CHIP.holders[2],
                        status=ocsp.OCSPCertStatus.REVOKED,
                        this_update=NOW - 60,
                    ),
                ),
            ),
        ),
        ["6.authentic"],
    ),
    "a switch in place of the GPU": (
        lambda: bundle(
            replace(
                SWITCHES[0].evidence(SWITCH.report(SWITCHES[0], nonce=DEVICE_NONCE)),
                kind="nvidia-gpu",
            ),
            endorsements=SWITCH.endorsements(SWITCHES[0]),
        ),
        ["6.authentic", "6.measurements"],
    ),
    "a chain of another vendor": (
        lambda: bundle(
            Nvidia(root="other")
            .device()
            .evidence(GPU.report(Nvidia(root="other").device(), nonce=DEVICE_NONCE))
        ),
        ["6.authentic"],
    ),
    "a GPU whose switches nobody shows": (
        lambda: bundle(
            gpu(opaque={Opaque.PROTECTED_PCIE_STATUS: b"\xaa", Opaque.SWITCH_PDIS: b"s" * 8})
        ),
        ["6.authentic"],
    ),
    "another VBIOS": (
        lambda: bundle(gpu(opaque={Opaque.VBIOS_VERSION: VBIOS.replace("9F", "A0").encode()})),
        ["6.measurements"],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_refuses_by_name_for_one_thing_wrong(name):
    make, checks = WRONG[name]
    assert sorted(refused(make())) == checks


def test_refuses_devices_the_quote_is_not_bound_to():
    made = replace(bundle(gpu()), quote=bundle(gpu(CHIP), gpu(GPU.device("second"))).quote)
    assert refused(made) == ["3.binding"]


def test_refuses_another_number_of_devices():
    assert refused(bundle(gpu()), count=2) == ["6.count"]
    assert refused(bundle(gpu()), kinds=("nvidia-switch",)) == ["6.count"]


def test_refuses_one_gpu_shown_twice():
    assert refused(bundle(gpu(), gpu()), count=2) == ["6.authentic"]


def test_throw_away_devices_count_for_no_vendor():
    policy = AppraisalPolicy(platforms=("sev-snp",), roots=MACHINE.policy.roots)
    assert sorted(refused(bundle(gpu()), policy=policy)) == ["6.authentic", "6.measurements"]

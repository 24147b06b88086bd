"""Whole bundles from stand-ins of real machines are what the verifier accepts, for every platform.

Kernel, driver and TPM are stand-ins, everything above them is the real thing: FUSE mounts, NVML's
binding, tpm2-tools.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from attestation import attester, verifier
from attestation.attester import Attester
from attestation.ccel import replay_ccel
from attestation.checks import refusing
from attestation.errors import AttesterError
from attestation.evidence import DevicesSection, Endorsement, EvidenceBundle
from attestation.policy import AppraisalPolicy
from attestation.reference_values import ReferenceValues
from attestation.simulated.collect import measure_software
from attestation.tdx import collect as tdx
from attestation.tpm import collect as tpm
from attestation.tpm.device import Tpm
from attestation.verifier import JUDGED, Appraisal
from tests.fakes import simulated, tcg
from tests.fakes.amd import NOW
from tests.fakes.simulated import MODELS, keys_section, software_section
from tests.standins import running
from tests.standins.hardware import MEASUREMENT
from tests.standins.paravisor import Paravisor
from tests.standins.running import Gpus, Guest, gpus, guest, whole_root

ARGUMENTS = ("--max-model-len", "1024")
CCEL = tcg.header() + tcg.record(1, b"firmware")
FIRMWARE = tcg.header() + tcg.record(0, b"firmware") + b"\xff" * 100


@pytest.fixture(scope="module")
def snp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    with guest(tmp_path_factory.mktemp("snp"), "amd") as mounted:
        yield mounted


@pytest.fixture(scope="module")
def td(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    with guest(tmp_path_factory.mktemp("td"), "intel") as mounted:
        yield mounted


@pytest.fixture(scope="module")
def cards() -> Iterator[Gpus]:
    with gpus(2) as running:
        yield running


def collected(opened: Attester) -> EvidenceBundle:
    """Boot, and collect as an agent does; what comes out has travelled."""
    log = opened.event_log(MODELS, ARGUMENTS)
    software = replace(software_section(), event_log=log)
    bundle = opened.collect(keys_section(), b"a cosigned checkpoint", software)
    return EvidenceBundle.parse(bundle.encode())


def judged(
    bundle: EvidenceBundle,
    endorsements: tuple[Endorsement, ...],
    roots: Mapping[str, bytes],
    *,
    measurement: bytes = MEASUREMENT,
    registers: Mapping[int, bytes] | None = None,
    devices: Sequence[str] = (),
) -> Appraisal:
    return verifier.verify(
        bundle.with_endorsements((*bundle.endorsements, *endorsements)),
        now=NOW,
        policy=AppraisalPolicy(platforms=(bundle.platform,), roots=dict(roots)),
        reference_values=ReferenceValues(
            measurement=measurement,
            registers=registers or {},
            device_count=len(devices),
            device_kinds=tuple(devices),
            models=dict(MODELS),
        ),
    )


def refused(appraisal: Appraisal) -> list[str]:
    return [check.id for check in refusing(appraisal.checks, JUDGED)]


def test_sev_snp(snp: Guest, tmp_path: Path):
    opened = attester.open("sev-snp", whole_root(tmp_path, snp))
    appraisal = judged(collected(opened), snp.endorsements, {"sev-snp": snp.vendor_root})
    assert refused(appraisal) == []
    assert appraisal.machine == opened.machine
    assert opened.monitor() is None


def test_tdx(td: Guest, tmp_path: Path):
    td.start_again()
    td.ccel.write_bytes(CCEL)
    # The firmware has measured itself before the kernel runs.
    (td.root / tdx.MEASUREMENTS / "rtmr0:sha384").write_bytes(hashlib.sha384(b"firmware").digest())
    opened = attester.open("tdx", whole_root(tmp_path, td))
    registers = {0: replay_ccel(CCEL)[0], **tdx.expected_registers(MODELS, ARGUMENTS)}
    appraisal = judged(
        collected(opened), td.endorsements, {"tdx": td.vendor_root}, registers=registers
    )
    assert refused(appraisal) == []
    assert appraisal.machine == opened.machine


def test_gpus_belong_to_the_bundle(snp: Guest, cards: Gpus, tmp_path: Path):
    root = whole_root(tmp_path, snp)
    cards.offer(root)
    opened = attester.open("sev-snp", root)
    bundle = collected(opened)
    roots = {"sev-snp": snp.vendor_root, **cards.roots}
    stapled = (*snp.endorsements, *cards.endorsements)
    appraisal = judged(bundle, stapled, roots, devices=["nvidia-gpu"] * 2)
    assert refused(appraisal) == []
    assert bundle.devices is not None
    modes = [device.mode for device in DevicesSection.parse(bundle.devices).devices]
    assert modes == ["on", "on"]
    assert refused(judged(bundle, stapled, roots, devices=["nvidia-gpu"] * 3)) == ["6.count"]


def test_gpus_are_watched(snp: Guest, cards: Gpus, tmp_path: Path):
    root = whole_root(tmp_path, snp)
    cards.offer(root)
    monitor = attester.open("sev-snp", root).monitor()
    assert monitor is not None
    assert monitor.changes() == ()
    (cards.folder / "gpu1" / "energy").write_text("1")
    (change,) = monitor.changes()
    assert change.endswith("was reset")


@pytest.mark.parametrize("platform", ["sev-snp-vtpm", "tdx-vtpm"])
def test_a_tpm_under_hardware_that_names_its_key(
    platform: str, snp: Guest, td: Guest, tmp_path: Path
):
    td.start_again()
    mounted = snp if platform == "sev-snp-vtpm" else td
    root = whole_root(tmp_path, mounted, FIRMWARE)
    with running.tpm(root):
        Tpm.below(root).extend(0, hashlib.sha384(b"firmware").digest())
        opened = attester.open(platform, root)
        bundle = collected(opened)
    firmware = {0: tcg.replayed("sha384", b"firmware")}
    registers = {**firmware, **tpm.expected_registers(MODELS, ARGUMENTS)}
    roots = {platform: mounted.vendor_root}
    appraisal = judged(bundle, mounted.endorsements, roots, registers=registers)
    assert refused(appraisal) == []
    assert appraisal.machine == opened.machine


def test_a_simulated_machine_with_a_tpm(tmp_path: Path):
    simulated.machine().save(tmp_path)
    with running.tpm(tmp_path):
        bundle = collected(attester.open("simulated-vtpm", tmp_path))
    appraisal = judged(
        bundle,
        (),
        {"simulated-vtpm": simulated.vendor().root_spki_sha256},
        measurement=measure_software(),
        registers=tpm.expected_registers(MODELS, ARGUMENTS),
        devices=["simulated-gpu"],
    )
    assert refused(appraisal) == []


def test_names_the_platform_by_what_is_there(snp: Guest, td: Guest, tmp_path: Path):
    assert attester.detect(snp.root) == "sev-snp"
    assert attester.detect(td.root) == "tdx"
    simulated.machine().save(tmp_path)
    assert attester.detect(tmp_path) == "simulated"
    with pytest.raises(AttesterError, match="no confidential guest is here"):
        attester.detect(tmp_path / "nothing")


def test_a_tpm_beside_hardware_may_mean_two_platforms(snp: Guest, tmp_path: Path):
    root = whole_root(tmp_path, snp)
    with running.tpm(root):
        with pytest.raises(AttesterError, match="may be sev-snp or sev-snp-vtpm; name the one"):
            attester.detect(root)
        (root / "machine.key").touch()
        with pytest.raises(AttesterError, match="may be simulated or simulated-vtpm or sev-snp"):
            attester.detect(root)


@pytest.mark.parametrize("platform", ["sev-snp-vtpm", "tdx-vtpm"])
def test_a_paravisor_names_its_hardware(platform: str, tmp_path: Path):
    with running.tpm(tmp_path):
        paravisor = Paravisor(tmp_path)
        paravisor.store_snp() if platform == "sev-snp-vtpm" else paravisor.store_tdx()
        assert attester.detect(tmp_path) == platform


def test_refuses_a_provider_it_does_not_know(snp: Guest):
    snp.fail("provider.WRONG")
    with pytest.raises(AttesterError, match="sev_guest2 is not a platform here"):
        attester.detect(snp.root)

"""Reports of GPUs through the real binding of NVML, from a library that stands for the driver's."""

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from attestation.claims import Context
from attestation.errors import AttesterError
from attestation.monitor import MachineState, changes
from attestation.nvidia.authenticate import (
    appraise_measurements,
    authenticate_device,
    read_device,
)
from attestation.nvidia.collect import NvidiaDevices
from attestation.nvidia.evidence import Report
from attestation.policy import AppraisalPolicy, Floors, NewestAccepted
from attestation.x509 import parse_chain
from tests.fakes.amd import NOW
from tests.standins.gpus import CONFIDENTIAL
from tests.standins.running import ROOT, Gpus, gpus

NONCE = bytes(range(32))
GPU_IS_LOST, NO_PERMISSION, NOT_SUPPORTED, UNINITIALIZED = 15, 4, 3, 1


@pytest.fixture(scope="module")
def started() -> Iterator[Gpus]:
    with gpus(3) as running:
        yield running


@pytest.fixture
def machine(started: Gpus) -> Gpus:
    """The GPUs as they were at first."""
    for fault in (started.folder / "fail").iterdir():
        fault.unlink()
    (started.folder / "settings").write_text(CONFIDENTIAL)
    (started.folder / "ready").unlink(missing_ok=True)
    for number in range(3):
        (started.folder / f"gpu{number}" / "energy").write_text("1000")
        (started.folder / f"gpu{number}" / "report.bin").unlink(missing_ok=True)
    return started


def context(machine: Gpus) -> Context:
    return Context(
        now=NOW,
        endorsements=machine.endorsements,
        policy=AppraisalPolicy(
            platforms=("sev-snp",), roots={"sev-snp": bytes(32), **machine.roots}
        ),
        floors=Floors(),
        newest=NewestAccepted(),
    )


def test_every_gpu_answers_and_is_authentic(machine: Gpus):
    found = NvidiaDevices().devices(NONCE)
    assert len({read_device(device).identity for device in found}) == len(found) == 3
    for device in found:
        claims = read_device(device)
        assert (device.kind, device.mode, claims.nonce) == ("nvidia-gpu", "on", NONCE)
        assert authenticate_device(device, context(machine)).expires > NOW
        assert appraise_measurements(device, claims, context(machine)).expires > NOW


@pytest.mark.parametrize(
    ("settings", "mode"),
    [
        ({}, "on"),
        ({"multi_gpu": 2}, "on"),
        ({"feature": 0}, "off"),
        ({"tools": 1}, "devtools"),
        ({"tools": 1, "multi_gpu": 1}, "devtools"),
        ({"feature": 0, "multi_gpu": 1}, "protected-pcie"),
    ],
)
def test_the_mode_is_the_drivers_word(machine: Gpus, settings: dict[str, int], mode: str):
    machine.set_mode(**settings)
    assert NvidiaDevices().mode() == mode


def test_a_mode_that_counts_on_switches_is_refused_here(machine: Gpus):
    machine.set_mode(multi_gpu=1)
    with pytest.raises(AttesterError, match="switches' reports"):
        NvidiaDevices().devices(NONCE)


def test_gpus_take_work_only_when_told(machine: Gpus):
    devices = NvidiaDevices()
    devices.devices(NONCE)
    assert not devices.ready()
    devices.set_ready(ready=True)
    assert devices.ready()
    devices.set_ready(ready=False)
    assert not devices.ready()


@pytest.mark.parametrize(
    "function",
    [
        "nvmlInitWithFlags",
        "nvmlDeviceGetCount_v2",
        "nvmlDeviceGetHandleByIndex_v2",
        "nvmlSystemGetConfComputeSettings",
        "nvmlDeviceGetConfComputeGpuAttestationReport",
        "nvmlDeviceGetConfComputeGpuCertificate",
        "nvmlShutdown",
    ],
)
@pytest.mark.parametrize("error", [GPU_IS_LOST, NO_PERMISSION, NOT_SUPPORTED, UNINITIALIZED])
def test_says_what_the_library_says(machine: Gpus, function: str, error: int):
    devices = NvidiaDevices()
    machine.fail(function, error)
    with pytest.raises(AttesterError, match=r"NVML: [A-Z].*; see that driver and GPUs are there"):
        devices.devices(NONCE)


@pytest.mark.parametrize("function", ["Get", "Set"])
def test_says_that_the_ready_state_cannot_be_used(machine: Gpus, function: str):
    machine.fail(f"nvmlSystem{function}ConfComputeGpusReadyState", NO_PERMISSION)
    with pytest.raises(AttesterError, match="Insufficient Permissions"):
        NvidiaDevices().ready() if function == "Get" else NvidiaDevices().set_ready(ready=True)


@pytest.mark.parametrize(
    ("report", "said"),
    [
        pytest.param(b"", "0 bytes in a buffer", id="nothing"),
        pytest.param(b"SPDM" * 100, "this version reads other reports", id="another format"),
        pytest.param(None, "another nonce", id="an old report"),
    ],
)
def test_refuses_a_report_it_did_not_ask_for(machine: Gpus, report: bytes | None, said: str):
    old = NvidiaDevices().devices(bytes(32))[1].report
    (machine.folder / "gpu1" / "report.bin").write_bytes(old if report is None else report)
    with pytest.raises(AttesterError, match=said):
        NvidiaDevices().devices(NONCE)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_asks_with_32_bytes_or_not_at_all(machine: Gpus, size: int):
    with pytest.raises(AttesterError, match=f"{size} bytes instead of 32"):
        NvidiaDevices().devices(bytes(size))


def test_a_machine_without_gpus_is_said_so(machine: Gpus):
    (machine.folder / "gpu0").rename(machine.folder / "away")
    try:
        with pytest.raises(AttesterError, match="0 GPUs"):
            NvidiaDevices()
    finally:
        (machine.folder / "away").rename(machine.folder / "gpu0")


def test_a_reset_and_an_exchange_show_in_the_state(machine: Gpus):
    devices, states = NvidiaDevices(), []
    chains = [machine.folder / f"gpu{number}" / "chain.pem" for number in range(2)]
    kept = chains[0].read_bytes()
    states.append(devices.state())
    (machine.folder / "gpu2" / "energy").write_text("2000")
    states.append(devices.state())
    (machine.folder / "gpu2" / "energy").write_text("3")
    states.append(devices.state())
    chains[0].write_bytes(chains[1].read_bytes())
    machine.set_mode(tools=1)
    states.append(devices.state())
    chains[0].write_bytes(kept)
    names = [device.name for device in states[0].devices]
    assert isinstance(states[0], MachineState)
    assert [changes(before, after) for before, after in pairwise(states)] == [
        (),
        (f"{names[2]} was reset",),
        ("mode devtools instead of on", f"{names[0]} has another identity"),
    ]


PROGRAM = """
from attestation.nvidia.collect import NvidiaDevices
print(len(NvidiaDevices().devices(bytes(32))))
"""


def outcome(folder: Path, blocked: str = "") -> "subprocess.CompletedProcess[str]":
    """Run a program of its own, so that no library is loaded yet."""
    hide = f"import sys; sys.modules[{blocked!r}] = None\n" if blocked else ""
    environment = {**os.environ, "LD_LIBRARY_PATH": str(folder), "OPENPCC_NVML": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", hide + PROGRAM],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_stand_in_is_found_like_the_drivers_library(machine: Gpus):
    assert outcome(machine.folder).stdout == "3\n"


def test_says_that_library_or_binding_is_missing(machine: Gpus, tmp_path: Path):
    assert "AttesterError: NVML: NVML Shared Library Not Found" in outcome(tmp_path).stderr
    without = outcome(machine.folder, blocked="pynvml")
    assert "AttesterError: nvidia-ml-py is missing; install openpcc[node-gpu]" in without.stderr


@pytest.mark.parametrize("case", ["hopper-550.90.07-full", "blackwell-590.48.01-gpu0"])
def test_what_real_gpus_answered_is_taken_as_it_is(machine: Gpus, shared: Path, case: str):
    """The same answer from three handles: what is tried here is size and form."""
    recorded = shared / "vectors" / "nvidia" / case
    report = (recorded / "report.bin").read_bytes()
    chain = machine.folder / "gpu0" / "chain.pem"
    kept = chain.read_bytes()
    for number in range(3):
        (machine.folder / f"gpu{number}" / "report.bin").write_bytes(report)
    chain.write_bytes((recorded / "chain.pem").read_bytes())
    try:
        found = NvidiaDevices().devices(Report.parse(report).nonce)[0]
    finally:
        chain.write_bytes(kept)
    assert found.report == report
    expected = parse_chain((recorded / "chain.pem").read_bytes())
    assert [one.der for one in parse_chain(found.certificates)] == [one.der for one in expected]

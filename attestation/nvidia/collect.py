"""The attester's side of NVIDIA GPUs: reports and modes through NVML, by `nvidia-ml-py`.

NVML API Reference Guide, "Confidential Computing definitions". The library opens and closes with
every question, because after a reset of a GPU the handles of before name nothing. All GPUs are
asked at once: a report takes its GPU about a second, and the library waits outside of Python.

NVML knows no switches: the reports of NVSwitches come from another library (NSCQ), which this
version does not speak. GPUs in protected-PCIe mode count on attested switches, so they are refused
here and not first by every client. Blackwell's encrypted NVLink needs no switch to be trusted.

A GPU takes no work before its machine says that it is ready. Nothing here does so unless told;
`attestation.attester` does, once it has looked at the reports.
"""

import ctypes
import hashlib
import importlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from attestation.errors import AttesterError, MalformedEvidenceError
from attestation.evidence import DeviceEvidence
from attestation.monitor import DeviceState, MachineState
from attestation.nvidia.endorsements import GPU
from attestation.nvidia.evidence import Report
from attestation.sections import MAX_DEVICES
from attestation.x509 import armored, parse_chain

NONCE_SIZE = 32
"""Bytes of a nonce."""

ON, DEVTOOLS, OFF, PROTECTED_PCIE = "on", "devtools", "off", "protected-pcie"
"""Modes, in the words of a bundle."""


class NvidiaDevices:
    """The GPUs of this machine."""

    def __init__(self) -> None:
        """Find library, driver and GPUs.

        Raises:
            AttesterError: one of them is missing.
        """
        with _nvml() as nvml:
            _handles(nvml)

    def mode(self) -> str:
        """Say in which mode the driver runs the GPUs. Raises: AttesterError."""
        with _nvml() as nvml:
            return _mode(nvml)

    def devices(self, nonce: bytes) -> tuple[DeviceEvidence, ...]:
        """Ask every GPU, all at once.

        Raises:
            AttesterError: a GPU does not answer, answers with another nonce, or needs switches.
        """
        if len(nonce) != NONCE_SIZE:
            raise AttesterError(f"NVML: asked with {len(nonce)} bytes instead of {NONCE_SIZE}")
        with _nvml() as nvml:
            mode, handles = _mode(nvml), _handles(nvml)
            if mode == PROTECTED_PCIE:
                raise AttesterError(
                    "NVML: protected-PCIe mode needs the switches' reports, which this version "
                    "cannot collect; give each GPU a machine of its own"
                )
            with ThreadPoolExecutor(len(handles)) as pool:
                return tuple(pool.map(lambda one: _ask(nvml, one, nonce, mode), handles))

    def state(self) -> MachineState:
        """Say which GPUs there are, and how long they have been running. Raises: AttesterError."""
        with _nvml() as nvml:
            devices = tuple(_state(nvml, handle) for handle in _handles(nvml))
            return MachineState(mode=_mode(nvml), devices=devices)

    def ready(self) -> bool:
        """Say whether the GPUs take work. Raises: AttesterError."""
        with _nvml() as nvml:
            state = int(nvml.nvmlSystemGetConfComputeGpusReadyState())
            return state == int(nvml.NVML_CC_ACCEPTING_CLIENT_REQUESTS_TRUE)

    def set_ready(self, *, ready: bool) -> None:
        """Let the GPUs take work, or no more. Raises: AttesterError."""
        with _nvml() as nvml:
            nvml.nvmlSystemSetConfComputeGpusReadyState(
                nvml.NVML_CC_ACCEPTING_CLIENT_REQUESTS_TRUE
                if ready
                else nvml.NVML_CC_ACCEPTING_CLIENT_REQUESTS_FALSE
            )


@contextmanager
def _nvml() -> Iterator[Any]:
    """Open the library; an error of its own becomes one of ours."""
    try:
        # Only nodes with GPUs have it. It has no types, so nothing is lost by its name.
        nvml: Any = importlib.import_module("pynvml")
    except ImportError as error:
        raise AttesterError("nvidia-ml-py is missing; install openpcc[node-gpu]") from error
    try:
        nvml.nvmlInit()
        try:
            yield nvml
        finally:
            nvml.nvmlShutdown()
    except nvml.NVMLError as error:
        raise AttesterError(
            f"NVML: {error}; see that driver and GPUs are there, in confidential mode, and that "
            "this user may ask them"
        ) from error


def _handles(nvml: Any) -> list[Any]:
    count = int(nvml.nvmlDeviceGetCount())
    if not 1 <= count <= MAX_DEVICES:
        raise AttesterError(f"NVML: {count} GPUs; 1 to {MAX_DEVICES} can be shown")
    return [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]


def _mode(nvml: Any) -> str:
    settings = nvml.c_nvmlSystemConfComputeSettings_v1_t()
    # The binding returns this function's error instead of raising it.
    error = nvml.nvmlSystemGetConfComputeSettings(ctypes.byref(settings))
    if error != nvml.NVML_SUCCESS:
        raise nvml.NVMLError(error)
    # Developers' tools may look into the GPU, whatever else is protected.
    if settings.devToolsMode != nvml.NVML_CC_SYSTEM_DEVTOOLS_MODE_OFF:
        return DEVTOOLS
    if settings.multiGpuMode == nvml.NVML_CC_SYSTEM_MULTIGPU_PROTECTED_PCIE:
        return PROTECTED_PCIE
    return ON if settings.ccFeature == nvml.NVML_CC_SYSTEM_FEATURE_ENABLED else OFF


def _ask(nvml: Any, handle: Any, nonce: bytes, mode: str) -> DeviceEvidence:
    answer = nvml.nvmlDeviceGetConfComputeGpuAttestationReport(handle, nonce)
    report = _taken(answer.attestationReport, answer.attestationReportSize)
    chain = _chain(nvml, handle)
    try:
        found = Report.parse(report).nonce
        certificates = b"".join(armored(one.der) for one in parse_chain(chain))
    except MalformedEvidenceError as error:
        raise AttesterError(f"NVML: {error}; this version reads other reports") from error
    if found != nonce:
        raise AttesterError("NVML: a report with another nonce; load the driver again")
    return DeviceEvidence(kind=GPU, report=report, certificates=certificates, mode=mode)


def _chain(nvml: Any, handle: Any) -> bytes:
    answer = nvml.nvmlDeviceGetConfComputeGpuCertificate(handle)
    return _taken(answer.attestationCertChain, answer.attestationCertChainSize).rstrip(b"\0")


def _taken(buffer: Any, size: int) -> bytes:
    data = bytes(buffer)
    if not 0 < size <= len(data):
        raise AttesterError(f"NVML: {size} bytes in a buffer of {len(data)}; update the driver")
    return data[:size]


def _state(nvml: Any, handle: Any) -> DeviceState:
    return DeviceState(
        name=str(nvml.nvmlDeviceGetUUID(handle)),
        identity=hashlib.sha256(_chain(nvml, handle)).digest(),
        # Energy since the driver took the GPU up: it begins anew with the GPU.
        running=int(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)),
    )

"""The attester: asks a machine for evidence over the node's keys. DESIGN 4.1.

The order matters, because each step covers the ones before: keys and freshness fix the device
nonce, the devices answer it, and the quote is bound to all of it and to the software section. Only
then may GPUs take work (`Attester.admit_devices`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from attestation.binding import device_nonce, evidence_binding
from attestation.configfs_tsm import REPORTS, read_provider
from attestation.devices import check_modes
from attestation.errors import AppraisalError, AttesterError, MalformedEvidenceError, plain
from attestation.evidence import (
    DeviceEvidence,
    DevicesSection,
    Endorsement,
    EvidenceBundle,
    FreshnessSection,
    KeysSection,
    SoftwareSection,
)
from attestation.monitor import DeviceMonitor
from attestation.nvidia.collect import NvidiaDevices
from attestation.nvidia.own import check_own
from attestation.sev_snp.collect import PROVIDER as SEV_GUEST
from attestation.sev_snp.collect import SevSnpAttester
from attestation.simulated.collect import SimulatedAttester
from attestation.tdx.collect import PROVIDER as TDX_GUEST
from attestation.tdx.collect import TdxAttester
from attestation.tpm.collect import FIRMWARE_LOG, IMA_LIST, VtpmAttester, azure_hardware
from attestation.tpm.device import DEVICE, Tpm


class PlatformAttester(Protocol):
    """What a platform's `collect` module offers: the machine this runs on."""

    @property
    def machine(self) -> bytes | None:
        """Give the machine id; None where the platform names none."""
        ...

    def boot(self, models: Sequence[tuple[str, bytes]], engine_arguments: Sequence[str]) -> bytes:
        """Measure what is loaded after launch; gives the event log."""
        ...

    def devices(self, nonce: bytes) -> tuple[DeviceEvidence, ...]:
        """Ask every device; empty where there is none."""
        ...

    def quote(self, binding: bytes) -> bytes:
        """Quote a binding."""
        ...

    def endorsements(self) -> tuple[Endorsement, ...]:
        """Give the endorsements that the machine itself holds."""
        ...


def _sev_snp_vtpm(root: Path) -> PlatformAttester:
    hardware = partial(SevSnpAttester.open, root)
    return VtpmAttester(Tpm.below(root), root / FIRMWARE_LOG, hardware, ima_list=root / IMA_LIST)


def _tdx_vtpm(root: Path) -> PlatformAttester:
    hardware = partial(TdxAttester.open, root)
    return VtpmAttester(Tpm.below(root), root / FIRMWARE_LOG, hardware, ima_list=root / IMA_LIST)


def _simulated_vtpm(root: Path) -> PlatformAttester:
    # A simulated machine need not have firmware; where it has, its log counts as everywhere.
    log = root / FIRMWARE_LOG if (root / FIRMWARE_LOG).exists() else None
    simulated = partial(SimulatedAttester.open, root)
    return VtpmAttester(Tpm.below(root), log, simulated, ima_list=root / IMA_LIST)


PLATFORMS: Mapping[str, Callable[[Path], PlatformAttester]] = {
    "sev-snp": SevSnpAttester.open,
    "tdx": TdxAttester.open,
    "sev-snp-vtpm": _sev_snp_vtpm,
    "tdx-vtpm": _tdx_vtpm,
    "simulated": SimulatedAttester.open,
    "simulated-vtpm": _simulated_vtpm,
}
"""The platforms this version can collect evidence on."""

PROVIDERS = {SEV_GUEST: "sev-snp", TDX_GUEST: "tdx"}
"""Who answers through configfs-tsm, by platform."""

NVIDIA_DRIVER = Path("dev/nvidiactl")
"""What is there if NVIDIA's driver is loaded, below the root of the file system."""


@dataclass(frozen=True, kw_only=True)
class Attester:
    """Collects evidence on one machine, for one boot.

    Attributes:
        platform: one of `PLATFORMS`.
        evidence: the platform's own attester.
        gpus: those behind NVIDIA's driver; None where it is not loaded.
    """

    platform: str
    evidence: PlatformAttester = field(repr=False)
    gpus: NvidiaDevices | None = field(repr=False, default=None)

    @property
    def machine(self) -> bytes | None:
        """Give the machine id; None where the platform names none."""
        return self.evidence.machine

    def event_log(
        self, models: Sequence[tuple[str, bytes]], engine_arguments: Sequence[str]
    ) -> bytes:
        """Measure models and engine arguments, once, before the engine starts; gives the log."""
        return self.evidence.boot(models, engine_arguments)

    def collect(
        self,
        keys: KeysSection,
        checkpoint: bytes,
        software: SoftwareSection,
        challenge: bytes | None = None,
    ) -> EvidenceBundle:
        """Collect evidence over the keys of one epoch.

        Args:
            keys: of the epoch.
            checkpoint: a cosigned checkpoint, the newest known.
            software: with the event log of this boot.
            challenge: 32 bytes of an auditor; None outside an audit.

        Raises:
            AttesterError: the machine gave no evidence.
            MalformedEvidenceError: a section would not be read back.
        """
        # 1. keys and freshness are fixed first
        key_bytes = keys.encode()
        freshness = FreshnessSection(checkpoint=checkpoint, challenge=challenge).encode()
        # 2. every device answers the nonce that they give
        devices = self._devices(device_nonce(key_bytes, freshness))
        device_bytes = DevicesSection(devices=devices).encode() if devices else None
        # 3. the quote is bound to all sections
        software_bytes = software.encode()
        binding = evidence_binding(key_bytes, freshness, device_bytes, software_bytes)
        return EvidenceBundle(
            platform=self.platform,
            quote=self.evidence.quote(binding),
            keys=key_bytes,
            freshness=freshness,
            devices=device_bytes,
            software=software_bytes,
            endorsements=self.evidence.endorsements(),
        )

    def admit_devices(self, bundle: EvidenceBundle) -> None:
        """Let GPUs take work, once they have shown what a machine can judge of its own.

        Args:
            bundle: as `collect` gave it.

        Raises:
            AttesterError: one is not in order, or the driver does not do it; then none takes work.
        """
        if self.gpus is None or bundle.devices is None:
            return
        devices = DevicesSection.parse(bundle.devices).devices
        try:
            check_modes(devices)
            check_own(devices, device_nonce(bundle.keys, bundle.freshness))
        except (AppraisalError, MalformedEvidenceError) as error:
            self.gpus.set_ready(ready=False)
            raise AttesterError(f"GPUs: {error}; they take no work until this is mended") from error
        self.gpus.set_ready(ready=True)

    def stop_devices(self) -> None:
        """Let GPUs take no more work until they are admitted again. Raises: AttesterError."""
        if self.gpus is not None:
            self.gpus.set_ready(ready=False)

    def monitor(self) -> DeviceMonitor | None:
        """Begin to watch the devices; None where there is none that could change.

        Raises:
            AttesterError: they do not answer.
        """
        return None if self.gpus is None else DeviceMonitor(self.gpus.state)

    def _devices(self, nonce: bytes) -> tuple[DeviceEvidence, ...]:
        gpus = () if self.gpus is None else self.gpus.devices(nonce)
        return (*self.evidence.devices(nonce), *gpus)


def open(platform: str, folder: Path) -> Attester:  # noqa: A001 - attester.open reads well
    """Open the machine this runs on.

    Args:
        platform: of this machine, as the image's configuration names it.
        folder: with what the platform needs: on real hardware the root of the file system, below
            which the kernel offers its interfaces; on a simulated machine its own folder.

    Raises:
        AttesterError: this version collects no evidence on the platform, or something it needs is
            not there.
    """
    opener = PLATFORMS.get(platform)
    if opener is None:
        raise AttesterError(f"{platform}: not one of the platforms here: {', '.join(PLATFORMS)}")
    gpus = NvidiaDevices() if (folder / NVIDIA_DRIVER).exists() else None
    return Attester(platform=platform, evidence=opener(folder), gpus=gpus)


def detect(folder: Path) -> str:
    """Name the platform of a machine by what is there; for whoever writes a configuration.

    Raises:
        AttesterError: nothing is there, or what could be more than one platform: then only whoever
            built the image knows what it rests on.
    """
    found = _candidates(folder)
    if len(found) == 1:
        return found[0]
    if not found:
        raise AttesterError(
            f"{folder}: no confidential guest is here; load sev-guest or tdx-guest, give the "
            "machine a TPM, or make a simulated machine"
        )
    raise AttesterError(
        f"{folder}: may be {' or '.join(found)}; name the one that the image is built for"
    )


def _candidates(folder: Path) -> tuple[str, ...]:
    has_tpm = (folder / DEVICE).exists()
    azure = azure_hardware(Tpm.below(folder)) if has_tpm else None
    if azure is not None:
        # Above a paravisor there is nothing else to ask.
        return (f"{azure}-vtpm",)
    platforms = ["simulated"] if (folder / "machine.key").exists() else []
    provider = read_provider(folder / REPORTS)
    if provider is not None and provider not in PROVIDERS:
        raise AttesterError(f"{folder / REPORTS}: {plain(provider)} is not a platform here")
    if provider is not None:
        platforms.append(PROVIDERS[provider])
    return tuple(name for one in platforms for name in (one, f"{one}-vtpm")[: 1 + has_tpm])

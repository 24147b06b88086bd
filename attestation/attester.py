"""The attester: asks a machine for evidence over the node's keys. DESIGN 4.1.

The order matters, because each step covers the ones before: keys and freshness fix the device
nonce, the devices answer it, and the quote is bound to all of it and to the software section.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from attestation.binding import device_nonce, evidence_binding
from attestation.errors import AttesterError
from attestation.evidence import (
    DeviceEvidence,
    DevicesSection,
    Endorsement,
    EvidenceBundle,
    FreshnessSection,
    KeysSection,
    SoftwareSection,
)
from attestation.simulated.collect import SimulatedAttester


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


PLATFORMS: Mapping[str, Callable[[Path], PlatformAttester]] = {"simulated": SimulatedAttester.open}
"""The platforms this version can collect evidence on."""


@dataclass(frozen=True, kw_only=True)
class Attester:
    """Collects evidence on one machine, for one boot.

    Attributes:
        platform: one of `PLATFORMS`.
        evidence: the platform's own attester.
    """

    platform: str
    evidence: PlatformAttester = field(repr=False)

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
        devices = self.evidence.devices(device_nonce(key_bytes, freshness))
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


def open(platform: str, folder: Path) -> Attester:  # noqa: A001 - attester.open reads well
    """Open the machine this runs on.

    Args:
        platform: of this machine, as the image's configuration names it.
        folder: with what the platform needs; nothing on real hardware.

    Raises:
        AttesterError: this version collects no evidence on the platform, or the folder is unfit.
    """
    opener = PLATFORMS.get(platform)
    if opener is None:
        raise AttesterError(f"{platform}: not one of the platforms here: {', '.join(PLATFORMS)}")
    return Attester(platform=platform, evidence=opener(folder))

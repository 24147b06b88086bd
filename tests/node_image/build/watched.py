"""A guest that the host has put a probe into: what it tried to send, and what left it."""

import re
from dataclasses import dataclass
from pathlib import Path

from attestation.evidence import EvidenceBundle
from tests.node_image.build import intruder
from tests.node_image.build.ears import Ears, listening
from tests.node_image.build.guest import Boot
from tests.node_image.build.image_service import ImageService
from tests.node_image.build.packets import TCP, UDP, Frame, sent

LAST = "probe root frame"
"""What the probe says at the end."""

EXPERIMENTAL = 0x88B5
"""EtherType of its own frames."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What came out of the guest.

    Attributes:
        frames: by the emulator's record.
        ears: what was heard on the host.
    """

    bundle: EvidenceBundle
    console: str
    frames: tuple[Frame, ...]
    ears: Ears

    def left(self, phase: str) -> set[str]:
        """Say what left the guest, of what a phase tried."""
        port, label = self.ears.ports[phase], bytes([len(phase)]) + phase.encode() + b"\5probe"
        tests = {
            "tcp": lambda one: (one.protocol, one.port) == (TCP, port),
            "udp": lambda one: (one.protocol, one.port) == (UDP, port),
            "dns": lambda one: one.protocol == UDP and label in one.payload,
            "frame": lambda one: one.kind == EXPERIMENTAL and phase.encode() in one.payload,
        }
        return {name for name, test in tests.items() if any(map(test, self.frames))}

    def said(self, phase: str) -> dict[str, str]:
        """Give what the probe said of a phase: what was tried, to how it ended."""
        lines = re.findall(rf"\bprobe {phase} (\S+) (.*)", self.console)
        return {what: ended.strip() for what, ended in lines}


def watch(image: Path, folder: Path, service: ImageService) -> Watched:
    """Boot an image with the probe; bring it a beacon, as any node gets one."""
    disk = folder / "watched.raw"
    intruder.with_credentials(image, disk)
    with listening(intruder.PHASES) as ears:
        boot = Boot(
            image=image,
            host=service.host_disk("watched.disk", bytes(32)),
            options=("--net", "open", "--disk", str(disk)),
            words=intruder.probe_words(folder, ears.ports),
        )
        with boot.up(folder / "watched") as guest:
            guest.put("/beacon", service.checkpoint())
            evidence = guest.wait_for(f"{guest.service}/evidence")
            guest.wait_until(lambda: LAST in guest.console)
            console, frames = guest.console, tuple(sent(guest.packets))
    disk.unlink()
    return Watched(bundle=EvidenceBundle.parse(evidence), console=console, frames=frames, ears=ears)

"""What a boot measures, in order, from firmware's last step to the kernel.

TCG PC Client Platform Firmware Profile 1.06, section 3.3.4, for the firmware's part;
systemd-stub(7) for the stub's; Linux, drivers/firmware/efi/libstub, for the kernel's. It matters
where the image is loaded from:

    disk    "Calling EFI Application…", separators, the partition table, the image
    direct  (QEMU's -kernel) the image, "Calling EFI Application…", separators

    then    the sections of the image (PCR 11), the kernel as an image (PCR 4), its command line and
            initrd (PCR 9), and twice that boot services end (PCR 5)

What comes before (firmware's version, Secure Boot's variables, tables of the host, the order of
boot options) is in PCR 0 to 3, 6 and 7, and is not known from an image.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from attestation.measure.pe import PeImage
from attestation.measure.uki import Uki
from attestation.tcg_log import Bank

CALLING = b"Calling EFI Application from Boot Option"
EXITING = b"Exit Boot Services Invocation"
EXITED = b"Exit Boot Services Returned with Success"
SEPARATOR = bytes(4)

BOOT_MANAGER = 4
"""PCR of what is started."""

BOOT_CONFIGURATION = 5
"""PCR of how."""

KERNEL = 9
"""PCR of what the kernel is given."""

UKI = 11
"""PCR of the sections of a unified kernel image."""

LINED = range(7)
"""PCRs that firmware draws a line in before it starts anything; in 7 it has drawn it before."""


class BootWay(StrEnum):
    """Where from the image is loaded."""

    DISK = "disk"
    DIRECT = "direct"


@dataclass(frozen=True, kw_only=True)
class BootEvent:
    """One measurement.

    Attributes:
        pcr: where it goes; after `attestation.measure.tdx.in_rtmrs` the RTMR.
        what: in words, for people.
        content: what is hashed; of an image what its format says.
    """

    pcr: int
    what: str
    content: bytes | PeImage

    @property
    def separates(self) -> bool:
        """Say whether this is the line between firmware and what it starts."""
        return self.content == SEPARATOR

    def digest(self, bank: Bank) -> bytes:
        """Give what the register is extended with."""
        name = bank.name.lower()
        if isinstance(self.content, PeImage):
            return self.content.authenticode(name)
        return hashlib.new(name, self.content).digest()

    def into(self, register: int) -> "BootEvent":
        """Give the same measurement into another register."""
        return replace(self, pcr=register)


def boot_events(uki: Uki, way: BootWay, partitions: bytes | None) -> tuple[BootEvent, ...]:
    """Give what a boot of this image measures, from where it is known, in order.

    Args:
        uki: the image.
        way: where from it is loaded.
        partitions: what firmware measures of the disk's partition table; None: there is no disk.

    Raises:
        ArtifactError: a boot from disk without a partition table, or the reverse; or the kernel is
            no PE image.
    """
    if (partitions is None) != (way is BootWay.DIRECT):
        uki.image.file.refuse(f"a boot of way {way.value} and a partition table do not fit")
    return (*_loaded(uki, way, partitions), *_stub(uki), *_kernel(uki))


def _loaded(uki: Uki, way: BootWay, partitions: bytes | None) -> Iterator[BootEvent]:
    image = BootEvent(pcr=BOOT_MANAGER, what="the unified kernel image", content=uki.image)
    if way is BootWay.DIRECT:
        yield image
    yield BootEvent(pcr=BOOT_MANAGER, what="a boot option is started", content=CALLING)
    for pcr in LINED:
        yield BootEvent(pcr=pcr, what="separator", content=SEPARATOR)
    if partitions is not None:
        yield BootEvent(pcr=BOOT_CONFIGURATION, what="partition table", content=partitions)
    if way is BootWay.DISK:
        yield image


def _stub(uki: Uki) -> Iterator[BootEvent]:
    for name, content in uki.measured:
        yield BootEvent(pcr=UKI, what=f"name of {name}", content=f"{name}\0".encode())
        yield BootEvent(pcr=UKI, what=f"section {name}", content=content)
    yield BootEvent(pcr=BOOT_MANAGER, what="the kernel in it", content=uki.kernel)


def _kernel(uki: Uki) -> Iterator[BootEvent]:
    options = f"{uki.command_line}\0".encode("utf-16-le")
    yield BootEvent(pcr=KERNEL, what="command line", content=options)
    yield BootEvent(pcr=KERNEL, what="initrd", content=uki.initrd)
    yield BootEvent(pcr=BOOT_CONFIGURATION, what="boot services are to end", content=EXITING)
    yield BootEvent(pcr=BOOT_CONFIGURATION, what="boot services have ended", content=EXITED)

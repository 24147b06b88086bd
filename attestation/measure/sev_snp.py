"""SEV-SNP: the launch digest, which the report has as its measurement.

SEV Secure Nested Paging Firmware ABI 1.55, 8.17 (SNP_LAUNCH_UPDATE): the digest begins as zeros,
and each page that is put into the guest makes a new one out of the old:

    SHA-384(digest 48 | content 48 | 0070 | type 1 | imi 1 | vmpl3..1 3 | zero 1 | address 8)

`content` is SHA-384 of a page for pages that are measured, zeros for others. The order is that of
who starts the guest: the firmware; the ranges that its metadata names, among them the page with the
hashes of kernel, initrd and command line; the first registers of each processor.

With kernel hashes one digest names everything: firmware compares what QEMU loads with the page
before it starts it (OvmfPkg, BlobVerifierLibSevHashes). Without them it names the firmware alone.
"""

import hashlib
import struct
import uuid
from dataclasses import dataclass
from enum import IntEnum
from typing import assert_never

from attestation.errors import ArtifactError
from attestation.measure import vmsa
from attestation.measure.firmware import PAGE, Firmware, SevKind, SevSection
from attestation.measure.vmsa import Monitor

DIGEST_SIZE = 48
"""Bytes of a digest."""

VMSA_ADDRESS = 0xFFFF_FFFF_F000
"""Address that pages of registers are measured at: all bits that an address has, in whole pages."""

MAX_CPUS = 512
"""Processors of a guest."""

HASHES = uuid.UUID("9438d606-4f22-4cc9-b479-a793d411fd21").bytes_le
COMMAND_LINE = uuid.UUID("97d02dd8-bd20-4c94-aa78-e7714d36ab2a").bytes_le
INITRD = uuid.UUID("44baf731-3a2f-4bd7-9af1-41e29169781d").bytes_le
KERNEL = uuid.UUID("4de79437-abd2-427f-b835-d5b172d2045b").bytes_le


class PageType(IntEnum):
    """Types of pages (Firmware ABI, table 67)."""

    NORMAL = 1
    VMSA = 2
    ZERO = 3
    UNMEASURED = 4
    SECRETS = 5
    CPUID = 6


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """What QEMU loads for a guest with `kernel-hashes=on`, by SHA-256.

    A unified kernel image is the kernel; initrd and command line are then empty.
    """

    kernel: bytes
    initrd: bytes
    command_line: bytes

    @classmethod
    def of(cls, kernel: bytes, initrd: bytes = b"", command_line: str = "") -> "Kernel":
        """Hash them; the command line is hashed with the NUL that ends it."""
        parts = (kernel, initrd, command_line.encode() + b"\0")
        hashed = [hashlib.sha256(part).digest() for part in parts]
        return cls(kernel=hashed[0], initrd=hashed[1], command_line=hashed[2])


@dataclass(frozen=True, kw_only=True)
class Machine:
    """How the guest is started: all of it is in the digest.

    Attributes:
        cpus: how many processors.
        cpu: their type, one of `vmsa.CPU_TYPES`.
        features: the guest's features (SEV_FEATURES), bit 0 among them.
        monitor: who starts it.
    """

    cpus: int
    cpu: str
    features: int = vmsa.SNP_ACTIVE
    monitor: Monitor = Monitor.QEMU

    def __post_init__(self) -> None:
        if not 1 <= self.cpus <= MAX_CPUS:
            raise ArtifactError(f"machine: {self.cpus} processors, 1 to {MAX_CPUS} are possible")
        if self.cpu not in vmsa.CPU_TYPES:
            known = ", ".join(vmsa.CPU_TYPES)
            raise ArtifactError(f"machine: processor {self.cpu!r}; known are {known}")
        if not 0 <= self.features <= vmsa.FEATURES or not self.features & vmsa.SNP_ACTIVE:
            raise ArtifactError(f"machine: guest features {self.features:#x} without SEV-SNP")


def launch_digest(firmware: Firmware, machine: Machine, kernel: Kernel | None) -> bytes:
    """Give the measurement of a guest.

    Args:
        firmware: with AMD's metadata.
        machine: how it is started.
        kernel: what its kernel hashes are of; None: it boots from a disk, and the digest says
            nothing of what.

    Raises:
        ArtifactError: the firmware has no metadata, or no room for the hashes of a kernel.
    """
    hashes = None if kernel is None else hashes_page(kernel, firmware.hashes_address % PAGE)
    digest, sections = firmware_digest(firmware), firmware.sev_sections()
    return after_firmware(digest, sections, firmware.reset_address, machine, hashes)


def firmware_digest(firmware: Firmware) -> bytes:
    """Give the digest after the firmware alone."""
    return _normal(bytes(DIGEST_SIZE), firmware.address, firmware.image.data)


def after_firmware(
    digest: bytes,
    sections: tuple[SevSection, ...],
    reset_address: int,
    machine: Machine,
    hashes: bytes | None,
) -> bytes:
    """Give the measurement of a guest, from the digest after its firmware.

    Args:
        digest: after the firmware.
        sections: of its metadata.
        reset_address: where processors but the first begin.
        machine: how the guest is started.
        hashes: the page of kernel hashes; None: there are none.

    Raises:
        ArtifactError: there are hashes, and the metadata has no page for them.
    """
    if hashes is not None and not any(one.kind is SevKind.KERNEL_HASHES for one in sections):
        raise ArtifactError("firmware: its SEV metadata has no page for kernel hashes")
    for section in _ordered(sections, machine.monitor):
        digest = _section(digest, section, machine.monitor, hashes)
    for number in range(machine.cpus):
        address = reset_address if number else vmsa.BOOT_ADDRESS
        registers = vmsa.page(
            address, cpu=machine.cpu, features=machine.features, monitor=machine.monitor
        )
        digest = extend(digest, PageType.VMSA, VMSA_ADDRESS, _hash(registers))
    return digest


def hashes_page(kernel: Kernel, offset: int) -> bytes:
    """Give the page with the hashes, as QEMU writes it, at an offset (target/i386/sev.c).

    Raises:
        ArtifactError: it does not fit there.
    """
    entries = b"".join(
        guid + struct.pack("<H", 50) + value
        for guid, value in (
            (COMMAND_LINE, kernel.command_line),
            (INITRD, kernel.initrd),
            (KERNEL, kernel.kernel),
        )
    )
    written = HASHES + struct.pack("<H", 18 + len(entries)) + entries
    if offset + len(written) + 8 > PAGE:  # 8: up to the next 16 bytes
        raise ArtifactError(f"firmware: no room for kernel hashes at {offset} of a page")
    return bytes(offset) + written + bytes(PAGE - offset - len(written))


def extend(digest: bytes, kind: PageType, address: int, content: bytes) -> bytes:
    """Give the digest after one page."""
    info = digest + content + struct.pack("<HB5xQ", 0x70, kind, address)
    return _hash(info)


def _ordered(sections: tuple[SevSection, ...], monitor: Monitor) -> list[SevSection]:
    """Give sections in the order they are put in: EC2 puts the CPUID page in last."""
    last = monitor is Monitor.EC2
    return sorted(sections, key=lambda one: last and one.kind is SevKind.CPUID)


def _section(digest: bytes, section: SevSection, monitor: Monitor, hashes: bytes | None) -> bytes:
    match section.kind:
        case SevKind.SECRETS:
            return extend(digest, PageType.SECRETS, section.address, bytes(DIGEST_SIZE))
        case SevKind.CPUID:
            return extend(digest, PageType.CPUID, section.address, bytes(DIGEST_SIZE))
        case SevKind.KERNEL_HASHES if hashes is not None:
            return _normal(digest, section.address, hashes)
        case SevKind.MEMORY if monitor is Monitor.GCE:
            return _empty(digest, PageType.UNMEASURED, section)
        case SevKind.MEMORY | SevKind.SVSM_CAA | SevKind.KERNEL_HASHES:
            return _empty(digest, PageType.ZERO, section)
        case _:
            assert_never(section.kind)


def _normal(digest: bytes, address: int, data: bytes) -> bytes:
    for offset in range(0, len(data), PAGE):
        content = _hash(data[offset : offset + PAGE])
        digest = extend(digest, PageType.NORMAL, address + offset, content)
    return digest


def _empty(digest: bytes, kind: PageType, section: SevSection) -> bytes:
    for offset in range(0, section.size, PAGE):
        digest = extend(digest, kind, section.address + offset, bytes(DIGEST_SIZE))
    return digest


def _hash(data: bytes) -> bytes:
    return hashlib.sha384(data).digest()

"""The page of registers that a processor of an SEV-SNP guest starts with (VMSA).

AMD64 Architecture Programmer's Manual, volume 2, table B-4, for the offsets; what a processor holds
after INIT (volume 2, 14.1.3) and what KVM adds, for the values. A launch measures one page for each
processor, so their number and their type are in the measurement.

    000 es   010 cs   020 ss   030 ds   040 fs   050 gs   060 gdtr  070 ldtr  080 idtr  090 tr
    0d0 efer 148 cr4  158 cr0  160 dr7  168 dr6  170 rflags  178 rip
    268 g_pat  310 rdx  3b0 sev_features  3e8 xcr0  408 mxcsr  410 x87_fcw

A segment is selector, attributes, limit, base. Who starts the guest differs in few of them.
"""

import struct
from dataclasses import dataclass
from enum import StrEnum

from attestation.measure.firmware import PAGE

BOOT_ADDRESS = 0xFFFFFFF0
"""Where the first processor begins: 16 bytes before the firmware's end."""

SNP_ACTIVE = 1
"""Bit 0 of the guest's features."""

FEATURES = 0xFFFF_FFFF_FFFF_FFFF


class Monitor(StrEnum):
    """Who starts the guest."""

    QEMU = "qemu"
    EC2 = "ec2"
    GCE = "gce"


CPU_TYPES = {
    "EPYC-Milan": (25, 1, 1),
    "EPYC-Genoa": (25, 17, 0),
    "EPYC-Turin": (26, 0, 0),
    "EPYC-v4": (23, 1, 2),
}
"""Family, model, stepping of QEMU's processor types, as its table of them has it (target/i386,
builtin_x86_defs). `EPYC-v4` is what QEMU's users name who name no generation."""


@dataclass(frozen=True, kw_only=True)
class _Start:
    """What a monitor starts a processor with, where they differ."""

    cs: int = 0x9B
    ss: int = 0x93
    tr: int = 0x8B
    pat: int = 0x0007_0406_0007_0406
    rdx: int | None = 0x600
    mxcsr: int = 0
    fcw: int = 0


def cpu_signature(family: int, model: int, stepping: int) -> int:
    """Give EAX of CPUID leaf 1 (AMD's CPUID specification, Fn0000_0001_EAX)."""
    base, extended = min(family, 15), max(family - 15, 0)
    high, low = divmod(model, 16)
    return extended << 20 | high << 16 | base << 8 | low << 4 | stepping


def page(address: int, *, cpu: str, features: int, monitor: Monitor) -> bytes:
    """Give the page of a processor that begins at an address.

    Args:
        address: the first instruction.
        cpu: one of `CPU_TYPES`; what begins in EDX under QEMU.
        features: the guest's features (SEV_FEATURES).
        monitor: who starts the guest.
    """
    start = _start(monitor, address)
    rdx = cpu_signature(*CPU_TYPES[cpu]) if start.rdx is None else start.rdx
    data = bytearray(PAGE)
    for offset in (0x00, 0x30, 0x40, 0x50):  # es, ds, fs, gs
        _segment(data, offset, 0x93)
    _segment(data, 0x10, start.cs, selector=0xF000, base=address & 0xFFFF0000)
    _segment(data, 0x20, start.ss)
    for offset, attributes in ((0x60, 0), (0x70, 0x82), (0x80, 0), (0x90, start.tr)):
        _segment(data, offset, attributes)
    for offset, value in (
        (0x0D0, 0x1000),  # EFER.SVME, which KVM sets
        (0x148, 0x40),  # CR4.MCE, which KVM sets
        (0x158, 0x10),
        (0x160, 0x400),
        (0x168, 0xFFFF0FF0),
        (0x170, 2),
        (0x178, address & 0xFFFF),
        (0x268, start.pat),
        (0x310, rdx),
        (0x3B0, features & FEATURES),
        (0x3E8, 1),
    ):
        struct.pack_into("<Q", data, offset, value)
    struct.pack_into("<I", data, 0x408, start.mxcsr)
    struct.pack_into("<H", data, 0x410, start.fcw)
    return bytes(data)


def _start(monitor: Monitor, address: int) -> _Start:
    match monitor:
        case Monitor.QEMU:
            return _Start(rdx=None, mxcsr=0x1F80, fcw=0x37F)
        case Monitor.EC2:
            first = address == BOOT_ADDRESS
            return _Start(cs=0x9A if first else 0x9B, ss=0x92, tr=0x83)
        case Monitor.GCE:
            return _Start(pat=0x0007_0106)


def _segment(
    data: bytearray, offset: int, attributes: int, *, selector: int = 0, base: int = 0
) -> None:
    struct.pack_into("<HHIQ", data, offset, selector, attributes, 0xFFFF, base)

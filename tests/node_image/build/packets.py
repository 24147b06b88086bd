"""What a guest sent, read from the emulator's record of its network (pcap).

The record is the host's, below the guest's kernel: whatever a firewall inside says, a frame that
left stands here.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import dropwhile

GUEST = bytes.fromhex("525400123456")
"""QEMU's address of a first network device."""

PCAP = 0xA1B2C3D4
ETHERNET = 1
ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
TCP, UDP = 6, 17
SYN, ACK = 0x02, 0x10
SERVED = {8080, 8081}
"""Where the agent listens."""

FIRMWARE = {(0, 48): 131, (58, 40): 135}
"""What OVMF says to nobody in particular when it finds the device, so as to have an address of
IPv6: next header and place of ICMPv6's type, to that type. It joins a group (MLDv1 report, RFC
2710; Linux would write MLDv2's, 143) and asks whether the address is taken (RFC 4861)."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One frame of the guest's; what it does not have is zero.

    Attributes:
        kind: EtherType.
        protocol: of IPv4.
        flags: of TCP.
        payload: behind the last header that was read.
    """

    kind: int
    protocol: int = 0
    to: str = ""
    source: int = 0
    port: int = 0
    flags: int = 0
    payload: bytes = b""

    @property
    def asked_for(self) -> bool:
        """Whether a node may send this: for its address, or to whoever spoke to it first."""
        if self.kind == ARP:
            return True
        if self.protocol == UDP:
            return (self.source, self.port) == (68, 67)
        begins = self.flags & (SYN | ACK) == SYN
        return self.protocol == TCP and self.source in SERVED and not begins

    @property
    def of_firmware(self) -> bool:
        """Whether OVMF sends this, before there is a kernel; see `FIRMWARE`."""
        said = self.payload
        return self.kind == IPV6 and any(
            said[6:7] == bytes([header]) and said[place : place + 1] == bytes([type_])
            for (header, place), type_ in FIRMWARE.items()
        )


def sent(pcap: bytes) -> list[Frame]:
    """Give the frames that the guest sent."""
    return [_frame(data) for data in _records(pcap) if data[6:12] == GUEST]


def after_firmware(frames: Sequence[Frame]) -> list[Frame]:
    """Leave out what firmware sent at the start; the kernel has no IPv6, and no other MLD."""
    return list(dropwhile(lambda one: one.of_firmware, frames))


def _records(pcap: bytes) -> Iterator[bytes]:
    """Give each record; of one that is still being written nothing."""
    magic, _, _, _, _, _, link = struct.unpack("=IHHiIII", pcap[:24])
    assert (magic, link) == (PCAP, ETHERNET)
    at = 24
    while at + 16 <= len(pcap):
        (size,) = struct.unpack("=I", pcap[at + 8 : at + 12])
        if at + 16 + size <= len(pcap):
            yield pcap[at + 16 : at + 16 + size]
        at += 16 + size


def _frame(data: bytes) -> Frame:
    kind, packet = int.from_bytes(data[12:14], "big"), data[14:]
    if kind != IPV4:
        return Frame(kind=kind, payload=packet)
    header, protocol, to = (packet[0] & 15) * 4, packet[9], str(IPv4Address(packet[16:20]))
    inner = packet[header:]
    if protocol not in (TCP, UDP):
        return Frame(kind=kind, protocol=protocol, to=to, payload=inner)
    source, port = struct.unpack(">HH", inner[:4])
    return Frame(
        kind=kind,
        protocol=protocol,
        to=to,
        source=source,
        port=port,
        flags=inner[13] if protocol == TCP else 0,
        payload=inner[8:] if protocol == UDP else inner[(inner[12] >> 4) * 4 :],
    )

"""packets.py, which judges what leaves a guest: what it lets pass, and what not."""

import struct

import pytest

from tests.node_image.build.packets import ARP, GUEST, IPV4, IPV6, TCP, UDP, after_firmware, sent

OTHER = bytes.fromhex("52550a000202")
SYN, SYN_ACK, PUSH = 0x02, 0x12, 0x18


def pcap(*frames: bytes) -> bytes:
    """Write frames as QEMU's filter-dump does."""
    head = struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65536, 1)
    return head + b"".join(struct.pack("=4I", 0, 0, len(one), len(one)) + one for one in frames)


def ethernet(kind: int, packet: bytes, source: bytes = GUEST) -> bytes:
    return OTHER + source + kind.to_bytes(2, "big") + packet


def ip(protocol: int, inner: bytes, **more: bytes) -> bytes:
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(inner), 0, 0, 64, protocol, 0)
    return ethernet(IPV4, head + bytes([10, 0, 2, 15]) + bytes([10, 0, 2, 2]) + inner, **more)


def tcp(source: int, port: int, flags: int, payload: bytes = b"") -> bytes:
    return ip(TCP, struct.pack(">HHIIBBHHH", source, port, 0, 0, 0x50, flags, 0, 0, 0) + payload)


def udp(source: int, port: int, payload: bytes = b"") -> bytes:
    return ip(UDP, struct.pack(">4H", source, port, 8 + len(payload), 0) + payload)


@pytest.mark.parametrize(
    "frame",
    [
        ethernet(ARP, bytes(28)),
        udp(68, 67),
        tcp(8080, 40000, SYN_ACK),
        tcp(8081, 40000, PUSH, b"reply"),
    ],
    ids=["arp", "dhcp", "a handshake's second half", "a reply"],
)
def test_what_a_node_is_asked_for_passes(frame: bytes):
    (found,) = sent(pcap(frame))
    assert found.asked_for


@pytest.mark.parametrize(
    "frame",
    [
        tcp(40000, 443, SYN),
        tcp(8080, 443, SYN),
        tcp(40000, 443, PUSH, b"word"),
        udp(40000, 53),
        udp(68, 53),
        ip(1, bytes(8)),
        ip(2, bytes(8)),
        ethernet(IPV6, bytes(40)),
        ethernet(0x88B5, bytes(46)),
    ],
    ids=[
        "tcp",
        "from the port",
        "no handshake",
        "udp",
        "from dhcp",
        "icmp",
        "igmp",
        "ipv6",
        "frame",
    ],
)
def test_what_it_begins_itself_does_not(frame: bytes):
    (found,) = sent(pcap(frame))
    assert not found.asked_for


def test_reads_where_a_frame_goes_and_what_it_says():
    (found,) = sent(pcap(tcp(8080, 40000, PUSH, b"reply")))
    assert (found.to, found.source, found.port) == ("10.0.2.2", 8080, 40000)
    assert found.payload == b"reply"


def test_leaves_out_what_others_sent_and_what_is_not_whole():
    whole = pcap(ip(UDP, struct.pack(">4H", 1, 2, 8, 0), source=OTHER), udp(1, 2))
    assert len(sent(whole)) == 1
    assert sent(whole[:-1]) == []


def icmpv6(header: int, place: int, type_: int) -> bytes:
    packet = bytearray(72)
    packet[6], packet[place] = header, type_
    return ethernet(IPV6, bytes(packet))


JOIN, IS_IT_TAKEN, BY_LINUX = icmpv6(0, 48, 131), icmpv6(58, 40, 135), icmpv6(0, 48, 143)


def test_firmware_may_want_an_address_before_there_is_a_kernel_and_nobody_after():
    frames = sent(pcap(JOIN, IS_IT_TAKEN, udp(68, 67), JOIN))
    assert [one.asked_for for one in after_firmware(frames)] == [True, False]
    frames = sent(pcap(BY_LINUX, IS_IT_TAKEN))
    assert after_firmware(frames) == frames

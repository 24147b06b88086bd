"""Tries to get out of a node. Runs inside the guest, where nothing but Python's library is.

    python3 -I probe.py PHASE HOST PORT

Every line names the phase, what was tried, and how it ended: `reached`, or the error. The host's
record of packets is what counts; these lines say that it was tried.
"""

import errno
import socket
import struct
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

PATIENCE = 60
"""Seconds until the node must have an address."""

TRY = 3.0
"""Seconds for one attempt."""

CLOSED = {
    "modules": Path("/proc/sys/kernel/modules_disabled"),
    "lockdown": Path("/sys/kernel/security/lockdown"),
}
"""What says how far the kernel is closed."""


def main() -> None:
    phase, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if phase != "engine":
        tell(phase, "route", lambda: wait_for_route(host))
        for name, path in CLOSED.items():
            tell(phase, name, partial(read, path))
    word = f"from {phase}".encode()
    tell(phase, "tcp", lambda: over_tcp(host, port, word))
    tell(phase, "udp", lambda: over_udp(host, port, word))
    tell(phase, "dns", lambda: over_udp(host[:-1] + "3", 53, query(phase)))
    tell(phase, "frame", lambda: frame(word))


def tell(phase: str, what: str, attempt: Callable[[], str]) -> None:
    try:
        ended = attempt()
    except TimeoutError:
        ended = "no answer"
    except OSError as error:
        ended = errno.errorcode.get(error.errno or 0, str(error))
    print("probe", phase, what, ended, flush=True)


def read(path: Path) -> str:
    return path.read_text().strip()


def wait_for_route(host: str) -> str:
    """Wait until there is an address."""
    end = time.monotonic() + PATIENCE
    while not has_route(host):
        if time.monotonic() > end:
            return "none"
        time.sleep(0.2)
    return "there"


def has_route(host: str) -> bool:
    """A datagram socket that is connected has sent nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        return route.connect_ex((host, 9)) == 0


def over_tcp(host: str, port: int, word: bytes) -> str:
    with socket.create_connection((host, port), TRY) as there:
        there.sendall(word)
        return "reached" if there.recv(100) == word else "no answer"


def over_udp(host: str, port: int, message: bytes) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.settimeout(TRY)
        here.sendto(message, (host, port))
        here.recv(1500)
        return "reached"


def query(phase: str) -> bytes:
    """Ask for the address of PHASE.probe.invalid (RFC 1035)."""
    labels = (phase.encode(), b"probe", b"invalid")
    name = b"".join(bytes([len(one)]) + one for one in labels) + b"\0"
    return struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0) + name + struct.pack(">2H", 1, 1)


def frame(word: bytes) -> str:
    """Past the firewall, which stands above: what must stop this is the unit's sandbox."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        device = next(name for _, name in socket.if_nameindex() if name != "lo")
        raw.bind((device, 0))
        raw.send(b"\xff" * 6 + bytes.fromhex("525400123456") + b"\x88\xb5" + word.ljust(46))
        return "sent"


main()

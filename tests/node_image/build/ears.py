"""Listeners on the host, one port for each who may speak: they hear, and answer with the same."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from tests.fakes.nginx import free_port


@dataclass(kw_only=True)
class Ears:
    """Over what each was heard."""

    ports: Mapping[str, int]
    heard: dict[str, set[str]] = field(default_factory=dict)


@contextmanager
def listening(names: tuple[str, ...]) -> Iterator[Ears]:
    """Listen for each of them, over TCP and UDP, on this machine's loopback address."""
    ears = Ears(ports={name: free_port() for name in names}, heard={name: set() for name in names})
    with ExitStack() as opened:
        for name, port in ears.ports.items():
            tcp = opened.enter_context(socket.create_server(("127.0.0.1", port)))
            udp = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            udp.bind(("127.0.0.1", port))
            for listen, one in ((_tcp, tcp), (_udp, udp)):
                threading.Thread(target=listen, args=(one, ears.heard[name]), daemon=True).start()
        yield ears


def _tcp(server: socket.socket, heard: set[str]) -> None:
    while True:
        try:
            there, _ = server.accept()
        except OSError:
            return  # closed
        with there:
            heard.add("tcp")
            there.sendall(there.recv(100))


def _udp(here: socket.socket, heard: set[str]) -> None:
    while True:
        try:
            word, there = here.recvfrom(1500)
        except OSError:
            return  # closed
        heard.add("udp")
        here.sendto(word, there)

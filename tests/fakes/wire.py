"""A tap: stands between two programs, carries their bytes, and keeps every one of them."""

import socket
import threading
from collections.abc import Iterator
from typing import Self

import httptools

READ = 1 << 16


class Tap:
    """Listens in front of `upstream`; what passes either way is kept, connection by connection."""

    def __init__(self, upstream: str, *, source: str = "127.0.0.1") -> None:
        """Carry to `upstream`, from the address `source`, which is all the far side gets to see."""
        host, _, port = upstream.removeprefix("http://").rpartition(":")
        self._upstream = host, int(port)
        self._source = source
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.up: list[bytearray] = []
        self.down: list[bytearray] = []
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._listener, *self._open):
            shut(one)
            one.close()

    def everything(self) -> bytes:
        """Give all that passed, direction by direction."""
        return b"\n".join(bytes(one) for one in (*self.up, *self.down))

    def bodies(self) -> Iterator[bytes]:
        """Give the content of each request that passed."""
        for stream in self.up:
            yield from _Requests(bytes(stream)).bodies

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._upstream, source_address=(self._source, 0))
            except OSError:
                return
            self._open += [near, far]
            for source, target, kept in ((near, far, self.up), (far, near, self.down)):
                kept.append(bytearray())
                threading.Thread(
                    target=_carry, args=(source, target, kept[-1]), daemon=True
                ).start()


def _carry(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
    try:
        while data := source.recv(READ):
            kept += data
            target.sendall(data)
    except OSError:
        pass
    shut(target)


def shut(one: socket.socket) -> None:
    """Wake whoever waits on a socket."""
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


class _Requests:
    """Reads the requests of one connection."""

    def __init__(self, stream: bytes) -> None:
        self.bodies: list[bytes] = []
        httptools.HttpRequestParser(self).feed_data(stream)

    def on_message_begin(self) -> None:
        self.bodies.append(b"")

    def on_body(self, body: bytes) -> None:
        self.bodies[-1] += body

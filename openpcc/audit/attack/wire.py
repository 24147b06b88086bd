"""The attacker on the wire: forwards TCP to the relay, and cuts or forges an answer when told."""

import contextlib
import socket
import threading
from urllib.parse import urlsplit

from openpcc.protocol import messages

PIECE = 65536
"""Bytes forwarded at a time."""

TIMEOUT = 60.0
"""Seconds without a byte after which a connection is cut: nobody waits here for a stalled relay."""

PORTS = {"http": 80, "https": 443}


class Wire:
    """A loopback listener in front of one address. Close it when done."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0))
        self._left: int | None = None
        self._forged: bytes | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, name="wire", daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self._listener.getsockname()
        return f"http://{host}:{port}"

    def cut(self, after: int) -> None:
        """Cut the connection once so many bytes of replies have passed from now on."""
        self._left = after

    def forge(self, status: int, code: str) -> None:
        """Answer every request from now on with an error of this code."""
        body = messages.encode_error(code, "forged")
        head = f"HTTP/1.1 {status} Forged\r\ncontent-type: {messages.ERROR}\r\n"
        self._forged = f"{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
        self._forged += body

    def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            try:
                server = socket.create_connection(self._target, TIMEOUT)
            except OSError:
                client.close()
                continue
            for end in (client, server):
                end.settimeout(TIMEOUT)
            for source, sink, replies in ((client, server, False), (server, client, True)):
                threading.Thread(
                    target=self._pump, args=(source, sink), kwargs={"replies": replies}, daemon=True
                ).start()

    def _pump(self, source: socket.socket, sink: socket.socket, *, replies: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(PIECE):
                if not replies and self._forged is not None:
                    source.sendall(self._forged)
                    break
                if replies and self._left is not None:
                    data, self._left = data[: self._left], self._left - len(data)
                sink.sendall(data)
                if replies and self._left is not None and self._left <= 0:
                    break
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

"""What stands around a gateway in `bench_gateway`: a node, publisher and log that compute nothing.

    far_end.py PUBLICATION        a file; everything else is answered with a reply of 1 KiB

Answers are made beforehand and requests are looked at no more than finding their end needs, so that
the process costs little beside what is measured.
"""

import asyncio
import json
import re
import sys
from pathlib import Path

import uvloop

REPLY_SIZE = 1024
"""Bytes of a reply."""

_LENGTH = re.compile(rb"content-length: *([0-9]{1,9})\r\n", re.IGNORECASE)


def whole(kind: str, body: bytes) -> bytes:
    """Write an answer of known length."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def streamed(kind: str, body: bytes) -> bytes:
    """Write an answer in one chunk, as nodes answer."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"
    return head.encode() + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"


class FarEnd(asyncio.Protocol):
    """One connection."""

    publication: Path
    reply = streamed("application/vnd.openpcc.sealed-res", b"r" * REPLY_SIZE)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport
        self._data = bytearray()

    def data_received(self, data: bytes) -> None:
        """Answer as soon as a request is whole."""
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._data[: end + 2])
        if not self._is_whole(head, end + 4):
            return
        self._data.clear()
        answer = self.reply
        if head.startswith(b"GET "):
            answer = whole("application/json", self.publication.read_bytes())
        self._transport.write(answer)  # type: ignore[attr-defined]

    def _is_whole(self, head: bytes, start: int) -> bool:
        if (found := _LENGTH.search(head)) is not None:
            return len(self._data) >= start + int(found[1])
        return b"chunked" not in head or self._data.endswith(b"\r\n0\r\n\r\n")


async def serve() -> None:
    """Listen, say where, serve until killed."""
    server = await asyncio.get_running_loop().create_server(FarEnd, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"listening": f"http://127.0.0.1:{port}"}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    FarEnd.publication = Path(sys.argv[1])
    uvloop.run(serve())

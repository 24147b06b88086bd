"""Publishers of a log, as one process: submits entries of a file over many connections.

    log_load.py URL TOKEN ENTRIES START COUNT CONNECTIONS RESULT

Closed loop: each connection sends its next entry when its last was acknowledged. An entry that was
refused as "busy" is sent again. Writes RESULT, a JSON file: seconds from the first byte to the last
answer, refusals, and the times from sending an entry to its acknowledgement.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

LENGTH = 4
"""Bytes before each entry in the file."""


@dataclass
class Run:
    """What the connections share."""

    entries: Iterator[bytes]
    host: str
    token: str
    path: str = "/add"
    times: list[float] = field(default_factory=list)
    refused: int = 0

    def request(self, entry: bytes) -> bytes:
        """Write one submission as bytes on the wire."""
        head = (
            f"POST {self.path} HTTP/1.1\r\nhost: {self.host}\r\n"
            f"authorization: Bearer {self.token}\r\ncontent-length: {len(entry)}\r\n\r\n"
        )
        return head.encode() + entry


class Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self, run: Run, ended: asyncio.Future[None]) -> None:
        self._run = run
        self._ended = ended
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        """Wait for a whole answer; anything but an index or "busy" stops the run."""
        self._answer += data
        head, separator, body = self._answer.partition(b"\r\n\r\n")
        if not separator or not body.endswith(b"}"):
            return
        if head.startswith(b"HTTP/1.1 200"):
            self._run.times.append(time.perf_counter() - self._began)
            self._next()
        elif head.startswith(b"HTTP/1.1 503"):
            self._run.refused += 1
            asyncio.get_running_loop().call_later(0.05, self._send)
        else:
            self._ended.set_exception(RuntimeError(self._answer[:300].decode()))

    def connection_lost(self, error: Exception | None) -> None:
        """Tell when it was not us who closed it."""
        if not self._ended.done():
            self._ended.set_exception(error or ConnectionError("closed early"))

    def _next(self) -> None:
        entry = next(self._run.entries, None)
        if entry is None:
            self._ended.set_result(None)
            self._transport.close()
            return
        self._entry = entry
        self._began = time.perf_counter()
        self._send()

    def _send(self) -> None:
        self._answer = b""
        self._transport.write(self._run.request(self._entry))  # type: ignore[attr-defined]


def read(path: str, start: int, count: int) -> Iterator[bytes]:
    """Read entries `start` to `start + count` of a file of entries with their lengths."""
    with open(path, "rb") as file:
        for index in range(start + count):
            length = int.from_bytes(file.read(LENGTH), "big")
            if index < start:
                file.seek(length, 1)
            else:
                yield file.read(length)


async def load(url: str, run: Run, connections: int) -> float:
    """Send everything; gives seconds."""
    loop = asyncio.get_running_loop()
    host, port = url.removeprefix("http://").split(":")
    ends = [loop.create_future() for _ in range(connections)]
    began = time.perf_counter()
    for end in ends:
        await loop.create_connection(lambda end=end: Connection(run, end), host, int(port))  # type: ignore[misc]
    await asyncio.gather(*ends)
    return time.perf_counter() - began


def main() -> None:
    """Read the arguments; write the figures."""
    url, token, path, start, count, connections, result = sys.argv[1:]
    run = Run(
        entries=iter(list(read(path, int(start), int(count)))),
        host=url.removeprefix("http://"),
        token=token,
    )
    seconds = uvloop.run(load(url, run, int(connections)))
    said = {"seconds": seconds, "refused": run.refused, "times": run.times}
    Path(result).write_text(json.dumps(said))


if __name__ == "__main__":
    main()

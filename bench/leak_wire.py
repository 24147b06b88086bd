"""Stands on the wire between client and relay and notes when how many bytes pass, and which way.

    leak_wire.py UPSTREAM LANES FILE        one listening port per lane; the first line tells them

A process of its own, so that the client's work does not blur its clock. Every read of a socket is a
line of FILE: lane, connection, direction, monotonic nanoseconds, bytes. What is read goes on at
once. This is what an observer of the encrypted connection has: TLS would add a few bytes to each
write, the same whatever it carries.
"""

import asyncio
import json
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TextIO

READ = 1 << 16


class Lane:
    """One listening port; its connections carry one exchange at a time."""

    def __init__(self, number: int, upstream: tuple[str, int], out: TextIO) -> None:
        self._number = number
        self._upstream = upstream
        self._out = out
        self._connections = 0

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either side closes it."""
        self._connections += 1
        name = f"{self._number} {self._connections}"
        far_reader, far_writer = await asyncio.open_connection(*self._upstream)
        for one in (writer, far_writer):
            one.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ways = (
            asyncio.create_task(self._carry(reader, far_writer, f"{name} up")),
            asyncio.create_task(self._carry(far_reader, writer, f"{name} down")),
        )
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for one in (writer, far_writer):
            one.close()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, label: str
    ) -> None:
        try:
            while data := await reader.read(READ):
                now = time.monotonic_ns()
                writer.write(data)
                self._out.write(f"{label} {now} {len(data)}\n")
                await writer.drain()
        except ConnectionError:
            pass


async def serve(upstream: str, lanes: int, path: Path) -> None:
    """Serve until SIGTERM."""
    host, _, port = upstream.removeprefix("http://").rpartition(":")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with path.open("w", buffering=1) as out:
        servers = [
            await asyncio.start_server(
                Lane(number, (host, int(port)), out).connection, "127.0.0.1", 0
            )
            for number in range(lanes)
        ]
        ports = [server.sockets[0].getsockname()[1] for server in servers]
        line = {"listening": " ".join(f"http://127.0.0.1:{port}" for port in ports)}
        print(json.dumps(line), flush=True)
        await stop.wait()
        for server in servers:
            server.close()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))

"""The far end of a gateway on real sockets: a server whose every answer a test writes itself.

`FarEnd` reads whole HTTP/1.1 requests and leaves the answer to a script, byte by byte, so that a
test can break off where it likes. `Node` scripts are made by the functions below it.
"""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

import uvloop

from openpcc.protocol import messages


@dataclass(frozen=True, kw_only=True)
class Got:
    """A request as it arrived."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


class Exchange:
    """One request and the pen for its answer."""

    def __init__(self, got: Got, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.got = got
        self._reader = reader
        self._writer = writer

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(
        self, status: int, body: bytes = b"", headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
        head = f"HTTP/1.1 {status} X\r\n{fields}content-length: {len(body)}\r\n\r\n"
        await self.write(head.encode() + body)

    async def start(self, kind: str = messages.SEALED_RESPONSE) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"
        await self.write(head.encode())

    async def chunk(self, data: bytes) -> None:
        await self.write(b"%x\r\n%b\r\n" % (len(data), data))

    async def end(self) -> None:
        await self.write(b"0\r\n\r\n")

    def drop(self) -> None:
        """Close the connection as a crashed process does."""
        self._writer.transport.abort()

    async def gone(self) -> None:
        """Return when the other side has closed the connection."""
        while await self._reader.read(1 << 16):
            pass


Script = Callable[[Exchange], Awaitable[None]]


class FarEnd:
    """A server in a thread of its own. `script` may be replaced between requests."""

    def __init__(
        self,
        script: Script,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.script = script
        self._where, self._tls = (host, port), tls
        self.got: list[Got] = []
        self.url, self.port = "", 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, daemon=True)

    def __enter__(self) -> "FarEnd":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop listening; may be called again."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        host, port = self._where
        server = await asyncio.start_server(
            self._connection, host, port, limit=1 << 20, ssl=self._tls
        )
        self.port = server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self._tls else 'http'}://{host}:{self.port}"
        self._ready.set()
        await self._stop.wait()
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                got = await read_request(reader)
                self.got.append(got)
                await self.script(Exchange(got, reader, writer))
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


async def read_request(reader: asyncio.StreamReader) -> Got:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    pairs = (line.split(": ", 1) for line in head[1:] if line)
    headers = tuple((name.lower(), value) for name, value in pairs)
    named = dict(headers)
    if "transfer-encoding" in named:
        body = await _chunked(reader)
    else:
        body = await reader.readexactly(int(named.get("content-length", "0")))
    return Got(method=method, path=path, headers=headers, body=body)


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        size = int((await reader.readuntil(b"\r\n"))[:-2], 16)
        body += (await reader.readexactly(size + 2))[:-2]
        if size == 0:
            return body


def replies(*chunks: bytes) -> Script:
    """Take every request and answer with these chunks."""

    async def script(exchange: Exchange) -> None:
        await exchange.start()
        for chunk in chunks:
            await exchange.chunk(chunk)
        await exchange.end()

    return script


def refuses(code: str, status: int, message: str = "from the node") -> Script:
    """Refuse every request with an error document."""

    async def script(exchange: Exchange) -> None:
        body = messages.encode_error(code, message)
        await exchange.answer(status, body, [("content-type", messages.ERROR)])

    return script


async def loses(exchange: Exchange) -> None:
    """Close the connection before the first byte of a reply."""
    exchange.drop()


def breaks_after(*chunks: bytes) -> Script:
    """Begin a reply and close the connection within it."""

    async def script(exchange: Exchange) -> None:
        await exchange.start()
        for chunk in chunks:
            await exchange.chunk(chunk)
        await asyncio.sleep(0.05)  # lets the bytes leave before the reset overtakes them
        exchange.drop()

    return script


@dataclass
class Files:
    """A script that serves files by path, and says 404 for the rest."""

    by_path: dict[str, bytes] = field(default_factory=dict)

    async def __call__(self, exchange: Exchange) -> None:
        data = self.by_path.get(exchange.got.path)
        await (exchange.answer(404) if data is None else exchange.answer(200, data))

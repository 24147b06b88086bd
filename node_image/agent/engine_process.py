"""An engine in a process of its own, reached over a unix socket.

    agent --pipe--> leash --> engine --> whatever the engine starts        one process group
      '-- HTTP over a socket in a fresh 0700 folder on tmpfs --'

What the engine prints is kept only until it is ready, 4 KiB at most, to say why a start failed:
until then it has been given no request, so it can print none. From then on its output is read and
dropped. A crash is followed by a restart, later each time; requests in flight get `EngineError`,
and so does every request until the engine is ready again.
"""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from io import BytesIO
from pathlib import Path

import aiohttp

from node_image.agent.config import Image
from node_image.agent.engine import Capabilities, EngineReply, EngineRequest
from node_image.agent.engine_command import EngineCommand, engine_command
from node_image.agent.errors import EngineError

START_LIMIT = 900.0
"""Seconds until an engine must answer: large weights load for minutes."""

POLL = 0.05
"""Seconds between two looks whether it answers."""

GRACE = 5.0
"""Seconds a process has to end by itself before it is killed."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a restart: doubled after every crash, and the first again after a ready minute."""

REASON = 4096
"""Bytes of output kept to explain a failed start."""

SILENCE = 600.0
"""Seconds an engine may think between two bytes."""

KEEP_ALIVE = 2.0
"""Seconds an idle connection is kept: less than the 5 of uvicorn, on which engines here are built,
so that no request meets a connection that is just being closed."""

LARGE = 2**18
"""Bytes of a body that is sent piece by piece."""

_FAILED = (aiohttp.ClientError, TimeoutError, OSError)


class ProcessEngine:
    """Starts, watches and restarts one engine (`Engine`)."""

    def __init__(self, image: Image, *, on_restart: Callable[[], None] = lambda: None) -> None:
        self._image = image
        self._on_restart = on_restart
        self._folder: Path | None = None
        self._session: aiohttp.ClientSession | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._output = bytearray()
        self._capabilities: Capabilities | None = None
        self.ready = False

    async def start(self) -> None:
        """Start the engine and keep it running.

        Raises:
            EngineError: the first start failed; the text ends with what the engine printed.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="openpcc-engine-", dir=_memory_folder()))
        self._session = _session(self._folder / "engine.sock")
        await self._launch()
        self._keeper = asyncio.create_task(self._keep())

    @asynccontextmanager
    async def forward(self, request: EngineRequest) -> AsyncIterator[EngineReply]:
        """Ask; leaving the context early closes the connection, which stops the engine's work.

        Raises:
            EngineError: no answer, or one whose end could not be told from a crash.
        """
        if not self.ready or self._session is None:
            raise EngineError("the engine is not running")
        try:
            response = await self._session.request(
                request.method,
                f"http://engine{request.path}",
                data=_in_parts(request.body),
                headers={"content-type": "application/json"} if request.body else None,
                allow_redirects=False,
            )
        except _FAILED as error:
            raise EngineError("the engine did not answer") from error
        try:
            yield _reply(response)
        finally:
            response.close()  # Of a complete answer the connection is back in the pool already.

    async def stop(self) -> None:
        """End the engine and everything it started; remove its folder."""
        self.ready = False
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        await self._end_process()
        if self._session is not None:
            await self._session.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def capabilities(self) -> Capabilities:
        """Tell what runs.

        Raises:
            EngineError: nothing has run yet.
        """
        if self._capabilities is None:
            raise EngineError("the engine has not started")
        return self._capabilities

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        while self._process is not None:
            began = asyncio.get_running_loop().time()
            await self._process.wait()
            self.ready = False
            self._on_restart()
            if asyncio.get_running_loop().time() - began > 60:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            with suppress(EngineError):  # /readyz shows it; the next pause is longer
                await self._launch()

    async def _launch(self) -> None:
        command = self._command()
        await self._end_process()
        self._output.clear()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "node_image.agent.leash",
            str(self._folder),
            *command.arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=command.environment,
            start_new_session=True,
        )
        self._reader = asyncio.create_task(self._read_output(self._process))
        try:
            await self._answering(self._process)
            self._capabilities = await self._ask_capabilities(command)
        except EngineError:
            await self._end_process()
            raise
        self.ready = True
        self._output.clear()

    def _command(self) -> EngineCommand:
        assert self._folder is not None  # noqa: S101 - `start` has made it
        socket = self._folder / "engine.sock"
        socket.unlink(missing_ok=True)
        home = self._folder / "home"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(mode=0o700)
        return engine_command(self._image, socket=socket, home=home)

    async def _answering(self, process: asyncio.subprocess.Process) -> None:
        assert self._session is not None  # noqa: S101
        limit = asyncio.get_running_loop().time() + START_LIMIT
        while process.returncode is None and asyncio.get_running_loop().time() < limit:
            with suppress(*_FAILED):
                async with self._session.get("http://engine/v1/models") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(POLL)
        if self._reader is not None and process.returncode is not None:
            await self._reader
        printed = bytes(self._output).decode("utf-8", "replace").strip()
        raise EngineError(f"the engine did not start; it printed: {printed or 'nothing'}")

    async def _ask_capabilities(self, command: EngineCommand) -> Capabilities:
        found = command.version
        if found is None:
            found = await self._ask_version()
        return Capabilities(name=command.name, version=found, prefix_cache=command.prefix_cache)

    async def _ask_version(self) -> str:
        assert self._session is not None  # noqa: S101
        try:
            async with self._session.get("http://engine/version") as response:
                answer = await response.json()
        except (*_FAILED, ValueError) as error:
            raise EngineError("the engine did not tell its version") from error
        found = answer.get("version") if isinstance(answer, dict) else None
        if not isinstance(found, str) or len(found) > 64:
            raise EngineError("the engine did not tell its version")
        return found

    async def _read_output(self, process: asyncio.subprocess.Process) -> None:
        """Keep reading, or the engine would block on a full pipe."""
        assert process.stdout is not None  # noqa: S101 - asked for above
        while data := await process.stdout.read(REASON):
            if not self.ready:
                self._output += data
                del self._output[:-REASON]

    async def _end_process(self) -> None:
        process = self._process
        if process is None:
            return
        _signal(process, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), GRACE)
        except TimeoutError:
            pass
        finally:
            _signal(process, signal.SIGKILL)
        await process.wait()
        if self._reader is not None:
            await self._reader
        self._process = None


def _reply(response: aiohttp.ClientResponse) -> EngineReply:
    framed = "content-length" in response.headers or (
        response.headers.get("transfer-encoding", "").lower() == "chunked"
    )
    if not framed:
        raise EngineError("the engine's answer has no marked end")
    return EngineReply(
        status=response.status,
        content_type=response.headers.get("content-type", "application/json"),
        chunks=_chunks(response),
    )


def _in_parts(body: bytes | None) -> bytes | BytesIO | None:
    """Have a large body sent piece by piece: in one piece it would hold up every other stream."""
    return BytesIO(body) if body is not None and len(body) > LARGE else body


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        while data := await response.content.readany():
            yield data
    except _FAILED as error:
        raise EngineError("the engine broke off") from error


def _session(socket: Path) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.UnixConnector(str(socket), limit=0, keepalive_timeout=KEEP_ALIVE),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=SILENCE),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept-Encoding", "Content-Type"),
    )


def _memory_folder() -> str | None:
    """Prefer memory to storage for the socket and whatever the engine caches."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - 0700 inside


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Signal the whole group; the leash leads it, so its id is the leash's."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)

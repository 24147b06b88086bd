"""Programs of ours on real sockets, in a thread of the test's process."""

import asyncio
import threading
from typing import Self

import uvloop

from gateway.config import ServerConfig
from gateway.serving import Program, _bind, _server


class Served:
    """A program that is served as `gateway.serving` serves it, but for signals and stdout."""

    def __init__(self, program: Program, config: ServerConfig) -> None:
        self._program = program
        self._config = config
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, daemon=True)
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = _server(self._program, self._config, secure=True)
        bound = _bind(self._config.listen, "listen")
        self.url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        async with self._program.running():
            task = asyncio.create_task(server.serve([bound]))
            self._ready.set()
            await self._stop.wait()
            server.should_exit = True
            await task

"""The demonstration engine in slow motion: the same answers, at the pace of a model people use.

    leak_engine.py FACTOR ARGUMENTS...       ARGUMENTS are the engine's own, with `--uds SOCKET`

The committed model writes a token in about a millisecond, so that most answers are over before a
tick of 50 ms. Here every interval of its stream is stretched by FACTOR, whatever caused it: prompt
length, grammar, scheduling. Nothing is invented; bytes and their borders stay as they are.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

READ = 1 << 16


class SlowMotion:
    """One connection of the agent's; the engine gets each request on a fresh one of its own.

    The engine is done long before its slow answer is, and would hang up on an idle connection.
    """

    def __init__(self, engine: Path, factor: float) -> None:
        self._engine = engine
        self._clock = Clock(factor)
        self._late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self._far: asyncio.StreamWriter | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._heard = True

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry the connection until the agent closes it."""
        answering = asyncio.create_task(self._answer(writer))
        while data := await reader.read(READ):
            if self._heard:
                await self._begin()
            self._clock.start()
            assert self._far is not None
            self._far.write(data)
            await self._far.drain()
        answering.cancel()
        self._end()
        writer.close()

    async def _begin(self) -> None:
        self._end()
        reader, self._far = await asyncio.open_unix_connection(str(self._engine))
        self._heard = False
        self._hearing = asyncio.create_task(self._hear(reader))

    def _end(self) -> None:
        if self._hearing is not None and self._far is not None:
            self._hearing.cancel()
            self._far.close()

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(READ):
            self._heard = True
            self._late.put_nowait((self._clock.due(), data))

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await self._late.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            writer.write(data)
            await writer.drain()


class Clock:
    """Time since the last byte of a request, stretched."""

    def __init__(self, factor: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._factor = factor
        self.start()

    def start(self) -> None:
        """Begin anew."""
        self._began = self._loop.time()

    def due(self) -> float:
        """Say when what came now should come."""
        return self._began + self._factor * (self._loop.time() - self._began)


async def main(factor: float, arguments: list[str]) -> None:
    """Run the engine beside its slow copy until SIGTERM."""
    place = arguments.index("--uds") + 1
    shown = Path(arguments[place])
    hidden = shown.with_name("fast.sock")
    engine = await asyncio.create_subprocess_exec(
        sys.executable, *arguments[:place], str(hidden), *arguments[place + 1 :]
    )
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, engine.terminate)
    while not hidden.exists() and engine.returncode is None:  # noqa: ASYNC110 -- another process's
        await asyncio.sleep(0.02)
    server = await asyncio.start_unix_server(
        lambda reader, writer: SlowMotion(hidden, factor).carry(reader, writer), shown
    )
    os.chmod(shown, 0o600)
    await engine.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), sys.argv[2:]))

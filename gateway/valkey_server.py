"""A Valkey or Redis server that several gateways share, and how it is talked to.

What is kept there must not be forgotten, done twice, or done late:

1. fit      every new connection first asks the server how it is set up. One that may evict, keeps
            no append-only file, is a replica or of a cluster is closed, and nothing else is sent
            to it. A look every few seconds finds what was changed while it runs
2. once     nothing is sent a second time: a `begin` that is repeated would find itself begun. The
            two exceptions were not done, and the server says so: unknown script, and 3
3. in time  a script carries the last moment at which it may act, by the server's own clock. A
            server that stood still does not do afterwards what its gateway has long refused
4. matched  a call carries a number, and its reply the same one: a connection that is out of step
            is closed, and no request gets the answer to another one

Whatever else happens is `StoreError`; nothing was decided then.
"""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from redis.asyncio.connection import (
    AbstractConnection,
    BlockingConnectionPool,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as BrokenConnectionError
from redis.exceptions import NoScriptError, RedisError

from gateway.errors import StoreError
from gateway.store_address import StoreAddress
from gateway.telemetry import log
from gateway.valkey_fitness import (
    UNFIT,
    Trouble,
    UnfitServerError,
    code_of,
    judge,
    read_info,
    trouble_of,
)

CONNECTIONS = 64
"""Connections of a gateway: each has one call at a time, which takes about a millisecond."""

MARGIN = 0.25
"""Seconds that an answer may take on its way back, beyond the last moment of the call."""

LOOK = 5.0
"""Seconds between looks at a server that is fit."""

LOOK_AGAIN = 0.5
"""Seconds between looks at one that is not, or is not reached."""

MICRO = 1_000_000

PRELUDE = """
local at = redis.call('TIME')
local now = at[1] * 1000000 + at[2]
local function answer(result) return {ARGV[1], string.format('%.0f', now), result} end
if now > tonumber(ARGV[2]) then return answer('late') end
"""
"""Before every script (3, 4). ARGV: number of the call, last moment in microseconds, its own."""


@dataclass(frozen=True)
class Script:
    """A Lua script, run as one step; its result is read with `ValkeyServer.run`."""

    body: str

    @cached_property
    def text(self) -> str:
        """The script with what comes before it."""
        return PRELUDE + self.body

    @cached_property
    def sha(self) -> str:
        """The name under which the server knows it."""
        return hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


class ValkeyServer:
    """One server, for as long as the program runs."""

    def __init__(
        self,
        address: StoreAddress,
        *,
        password: str | None,
        ca: Path | None,
        timeout: float,
        clock: Callable[[], float],
    ) -> None:
        """Connect to nothing yet. A step must be done within `timeout` seconds of `clock`."""
        self._clock = clock
        self._timeout = timeout
        self._trouble: Trouble | None = Trouble.UNREACHABLE
        self._said: Trouble | None = None
        self._ahead: int | None = None
        self._troubled = asyncio.Event()
        kind, where = _place(address, ca)
        settings: dict[str, Any] = {
            **where,
            "username": address.user,
            "password": password,
            "db": address.database,
            "socket_timeout": timeout + MARGIN,
            "socket_connect_timeout": timeout,
            "retry": Retry(NoBackoff(), 0),
            "redis_connect_func": self._greet,
            "protocol": 2,
            "driver_info": None,
        }
        self._pool = BlockingConnectionPool(
            connection_class=kind, max_connections=CONNECTIONS, timeout=timeout, **settings
        )

    def ready(self) -> bool:
        """Say whether the server answered lately, and is fit."""
        return self._trouble is None

    @property
    def trouble(self) -> Trouble | None:
        """Why it cannot be used at present."""
        return self._trouble

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Look at the server now and again; close all connections at the end."""
        async with asyncio.TaskGroup() as group:
            await self.look()
            task = group.create_task(self._watch())
            try:
                yield
            finally:
                task.cancel()
                await self._pool.disconnect()

    async def look(self) -> None:
        """See whether the server can be used."""
        try:
            async with asyncio.timeout(self._timeout + MARGIN):
                self._note(judge(read_info(await self._command("INFO"))))
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            self._note(trouble_of(error))

    async def run(self, script: Script, keys: Sequence[str], arguments: Iterable[bytes]) -> bytes:
        """Run a script within the time for a step; give its result.

        Raises:
            StoreError: whether it was run is not known, or it was not.
        """
        last = self._clock() + self._timeout
        given = list(arguments)
        for _ in range(2):
            result = await self._guarded(lambda: self._once(script, keys, given, last))
            if result != b"late":
                return result
            # The server did nothing. Its clock may have been set: now we know it better.
        raise StoreError("late")

    async def _guarded(self, work: Callable[[], Awaitable[bytes]]) -> bytes:
        """Refuse at once where the server is unfit; translate and note what goes wrong."""
        if self._trouble is not None and self._trouble in UNFIT:
            raise StoreError(self._trouble.value)
        try:
            async with asyncio.timeout(self._timeout + MARGIN):
                return await work()
        except (RedisError, OSError) as error:
            self._note(trouble_of(error))
            raise StoreError("unreachable") from error

    async def _once(
        self, script: Script, keys: Sequence[str], arguments: list[bytes], last: float
    ) -> bytes:
        number = secrets.token_bytes(8)
        if self._ahead is None:
            self._learn(await self._command("TIME"))
        latest = int(last * MICRO) + (self._ahead or 0)
        parts: list[str | int | bytes] = [len(keys), *keys, number, latest, *arguments]
        try:
            reply = await self._command("EVALSHA", script.sha, *parts, number=number)
        except NoScriptError:
            reply = await self._command("EVAL", script.text, *parts, number=number)
        match reply:
            case [_, bytes(moment), bytes(result)]:
                self._learn_moment(int(moment))
                return result
            case _:
                raise BrokenConnectionError("not the answer of a script")

    async def _command(self, *parts: str | int | bytes, number: bytes | None = None) -> object:
        """Send one command, once, and read its answer.

        A connection that is left before its answer was read is closed by the library, whatever the
        reason; one whose answer is to another call is closed here.
        """
        connection: AbstractConnection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.send_command(*parts)
            reply = await connection.read_response()
            if number is not None and (not isinstance(reply, list) or reply[:1] != [number]):
                await connection.disconnect(nowait=True)
                raise BrokenConnectionError("the answer to another call")
            return reply
        finally:
            await self._pool.release(connection)

    async def _greet(self, connection: AbstractConnection) -> None:
        """Set up a new connection, and ask the server whether it may be used (1)."""
        await connection.on_connect()
        await connection.send_command("INFO")
        trouble = judge(read_info(await connection.read_response()))
        if trouble is not None and trouble in UNFIT:
            raise UnfitServerError(trouble)
        await connection.send_command("TIME")
        self._learn(await connection.read_response())

    def _learn(self, time_reply: object) -> None:
        if not isinstance(time_reply, list):
            raise BrokenConnectionError("not a time")
        self._learn_moment(int(time_reply[0]) * MICRO + int(time_reply[1]))

    def _learn_moment(self, moment: int) -> None:
        """Note how far the server's clock is ahead of ours, at least: its answer is a bit old."""
        self._ahead = moment - int(self._clock() * MICRO)

    def _note(self, trouble: Trouble | None) -> None:
        self._trouble = trouble
        if trouble is not None:
            self._troubled.set()
        if trouble is not self._said:
            log("store-ready" if trouble is None else "store-not-ready", code=code_of(trouble))
            self._said = trouble

    async def _watch(self) -> None:
        while True:
            try:
                async with asyncio.timeout(LOOK):
                    await self._troubled.wait()
                await asyncio.sleep(LOOK_AGAIN)
            except TimeoutError:
                pass  # nothing went wrong in the meantime
            self._troubled.clear()
            await self.look()


def _place(
    address: StoreAddress, ca: Path | None
) -> tuple[type[AbstractConnection], dict[str, object]]:
    if address.path is not None:
        return UnixDomainSocketConnection, {"path": address.path}
    where: dict[str, object] = {"host": address.host, "port": address.port}
    if not address.tls:
        return Connection, where
    return SSLConnection, where if ca is None else {**where, "ssl_ca_certs": str(ca)}

"""What a gateway must remember of requests, and where: in memory, or on a server it shares.

There is no way from the one to the other while the program runs: a server that is not reached is a
refusal, never a reason to remember in memory.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from gateway.config import GatewayConfig
from gateway.errors import ConfigurationError, RefusedError
from gateway.replay import MemoryReplayStore, ReplayStore
from gateway.replica import Replica
from gateway.spent import MemorySpentStore, SpentStore
from gateway.store_address import MEMORY, parse_store
from gateway.telemetry import Telemetry
from gateway.valkey import ValkeyReplayStore, ValkeySpentStore
from gateway.valkey_server import ValkeyServer
from transparency_log.errors import PolicyError
from transparency_log.server.secret_files import read_token

RETIRE = 600.0
"""Seconds between notes of which keys are listed: a window."""


class Stores:
    """The stores of one gateway."""

    def __init__(
        self, config: GatewayConfig, telemetry: Telemetry, clock: Callable[[], float]
    ) -> None:
        """Put them together; nothing is connected yet. `clock` gives monotonic seconds.

        Raises:
            ConfigurationError: the file of the password cannot be used.
        """
        self._config = config
        self._clock = clock
        self._password = read_password(config)
        self._servers: dict[str, ValkeyServer] = {}
        self.replay = self._replay(telemetry)
        self.spent = self._spent()

    def ready(self) -> bool:
        """Say whether every server that is needed answers, and is fit."""
        return all(server.ready() for server in self._servers.values())

    @asynccontextmanager
    async def running(self, replica: Replica) -> AsyncIterator[None]:
        """Watch the servers, and let go of tokens whose key is long unlisted."""
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            for server in self._servers.values():
                await stack.enter_async_context(server.watched())
            task = group.create_task(self._retiring(replica))
            yield
            task.cancel()

    async def _retiring(self, replica: Replica) -> None:
        while self.spent is not None:
            try:
                await self.spent.retire(replica.terms.keys)
                await asyncio.sleep(RETIRE)
            except RefusedError:
                await asyncio.sleep(1)  # no publication yet, or no store: it is said elsewhere

    def _replay(self, telemetry: Telemetry) -> ReplayStore:
        config = self._config
        if config.replay != MEMORY:
            server = self._server("replay", config.replay)
            return ValkeyReplayStore(server, service=config.service)
        memory = MemoryReplayStore(limit=config.max_replay_entries, clock=self._clock)
        telemetry.replay_entries.set_function(lambda: len(memory))
        return memory

    def _spent(self) -> SpentStore | None:
        config = self._config
        if config.spent is None:
            return None
        if config.spent != MEMORY:
            server = self._server("spent", config.spent)
            return ValkeySpentStore(server, service=config.service)
        return MemorySpentStore(limit=config.max_spent, clock=self._clock)

    def _server(self, name: str, text: str) -> ValkeyServer:
        """Give the server of an address; one for both stores if they have the same."""
        if text not in self._servers:
            self._servers[text] = ValkeyServer(
                parse_store(name, text),
                password=self._password,
                ca=self._config.ca,
                timeout=self._config.store_timeout,
                clock=self._clock,
            )
        return self._servers[text]


def read_password(config: GatewayConfig) -> str | None:
    """Read the servers' password.

    Raises:
        ConfigurationError: its file cannot be used.
    """
    if config.store_password is None:
        return None
    try:
        return read_token(config.store_password)
    except PolicyError as error:
        raise ConfigurationError(str(error)) from error

"""A publisher whose clocks the test turns, over a log and nodes on real sockets."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from gateway import chain
from gateway.archive import Archive
from gateway.config import NodeAddress, PublisherConfig
from gateway.discovery import Discovery
from gateway.log_reader import LogReader
from gateway.outbound import Outbound
from gateway.publisher import Publisher
from gateway.publisher_app import places
from gateway.telemetry import Telemetry
from gateway.token_keys import IssuerReader
from gateway.window import Window
from openpcc.protocol.messages import DirectoryLeaf
from openpcc.protocol.sealing import model_id
from tests.fakes.node import FarEnd
from tests.gateway.surroundings import START, LogScript, NodeScript
from tests.transparency_log.memory_log import status_entry
from transparency_log.entry import Service, verify_service
from transparency_log.strict_json import b64decode

SERVICE = "demo.example"
KEYS = b"the public ohttp file"


class World:
    """A publisher whose clocks the test turns; `start` makes it anew from its files."""

    def __init__(
        self, folder: Path, stack: ExitStack, nodes: list[NodeScript], **settings: Any
    ) -> None:
        self.now, self.monotonic = float(START), 0.0
        self.log = LogScript()
        self.log.memory.entries.append(status_entry(self.log.memory, 0))
        self.nodes = nodes
        (folder / "archive").mkdir()
        self.config = PublisherConfig(
            service=SERVICE,
            nodes=tuple(NodeAddress(url=stack.enter_context(FarEnd(n)).url) for n in nodes),
            log=stack.enter_context(FarEnd(self.log)).url,
            service_key=folder / "unused",
            status_keys=(),
            ohttp_keys=folder / "unused",
            state=folder / "state.json",
            archive=folder / "archive",
            candidates=2,
            **settings,
        )
        chain.create(self.config.state, service=SERVICE)
        self.start()

    def start(self, *, ohttp_keys: bytes = KEYS) -> None:
        config, memory = self.config, self.log.memory
        self.outbound = Outbound(connect_timeout=3, reply_timeout=10, keep_alive=2, ca=config.ca)
        self.publisher = Publisher(
            config=config,
            state=chain.load(config.state, service=SERVICE),
            signer=memory.service,
            ohttp_keys=ohttp_keys,
            endorsements=None,
            reader=LogReader(url=config.log, outbound=self.outbound),
            discovery=Discovery(places(config, self.ticks), self.outbound, self.ticks),
            archive=Archive(config.archive),
            telemetry=Telemetry("publisher"),
            clock=lambda: self.now,
            monotonic=lambda: self.monotonic,
            status_signers=memory.signers(memory.status),
            issuer=None
            if config.tokens is None
            else IssuerReader(config.tokens.issuer, self.outbound, self.ticks),
        )

    def ticks(self) -> float:
        return self.monotonic

    def rounds(self, number: int = 1) -> None:
        async def run() -> None:
            async with self.outbound:
                for _ in range(number):
                    await self.publisher.round()

        asyncio.run(run())

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.monotonic += seconds

    @property
    def window(self) -> Window:
        assert self.publisher.window is not None
        return self.publisher.window

    def chain(self) -> list[Service]:
        """Read every service entry in the log."""
        signers = self.log.memory.signers(self.log.memory.service)
        entries = (one for one in self.log.memory.entries if one in self.log.added)
        return [verify_service(entry, signers) for entry in entries]

    def leaves(self, model: str = "demo") -> list[DirectoryLeaf | None]:
        data = self.window.shard(model_id(model).hex(), 0)
        assert data is not None
        return [DirectoryLeaf.parse(b64decode(leaf)) for leaf in json.loads(data)["leaves"]]


@contextmanager
def world(folder: Path, *nodes: NodeScript, **settings: Any) -> Iterator[World]:
    """Run a publisher; without nodes and settings it has one node."""
    with ExitStack() as stack:
        default = [] if settings else [NodeScript(b"machine-0")]
        yield World(folder, stack, list(nodes) or default, **settings)


def machines(leaves: list[DirectoryLeaf | None]) -> list[bytes | None]:
    return [None if leaf is None else leaf.machine for leaf in leaves]

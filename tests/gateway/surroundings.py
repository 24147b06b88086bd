"""A log and a node as scripts of `FarEnd`, as far as the publisher knows them."""

import json
from dataclasses import dataclass, field

from attestation.evidence import (
    EvidenceBundle,
    FreshnessSection,
    KeysSection,
    SoftwareSection,
)
from openpcc.protocol.hpke import KEM_X25519
from openpcc.protocol.messages import machine_digest
from openpcc.protocol.sealing import NodePrivateKey
from tests.fakes.node import Exchange
from tests.transparency_log.memory_log import MemoryLog
from transparency_log.merkle import leaf_hash

START = 1_800_000_000 + 100  # 100 s into a window of the grid


class LogScript:
    """A log over HTTP around `MemoryLog`; `fail` answers the next additions with 503."""

    def __init__(self) -> None:
        self.memory = MemoryLog()
        self.fail = 0
        self.lose = 0
        self.added: list[bytes] = []

    async def __call__(self, exchange: Exchange) -> None:
        got = exchange.got
        if (got.method, got.path) == ("POST", "/add"):
            await self._add(exchange, got.body)
        else:
            await exchange.answer(200, self.memory.fetch(got.path.removeprefix("/"), 1 << 24))

    async def _add(self, exchange: Exchange, entry: bytes) -> None:
        self.added.append(entry)
        if self.fail:
            self.fail -= 1
            await exchange.answer(503)
            return
        if entry not in self.memory.entries:
            self.memory.entries.append(entry)
        if self.lose:
            self.lose -= 1
            exchange.drop()
            return
        index = self.memory.entries.index(entry)
        answer = {"index": index, "leaf_hash": leaf_hash(entry).hex()}
        await exchange.answer(200, json.dumps(answer).encode())


@dataclass
class NodeScript:
    """A node with well-formed evidence for one epoch, once it has a beacon."""

    machine: bytes
    models: tuple[str, ...] = ("demo",)
    release: bytes = b"r" * 32
    not_after: int = START + 36_000
    beacons: list[bytes] = field(default_factory=list)
    down: bool = False
    draining: bool = False
    hangs: bool = False
    key: NodePrivateKey = field(
        default_factory=lambda: NodePrivateKey.generate(kem_id=KEM_X25519, key_id=1)
    )

    async def __call__(self, exchange: Exchange) -> None:
        got = exchange.got
        if self.down:
            exchange.drop()
        elif self.hangs:
            await exchange.gone()
        elif (got.method, got.path) == ("PUT", "/beacon"):
            self.beacons.append(got.body)
            await exchange.answer(204)
        elif not self.beacons or self.draining:
            await exchange.answer(503)
        else:
            digest = machine_digest(self.machine).hex()
            await exchange.answer(200, self.bundle(), [("openpcc-machine", digest)])

    def bundle(self) -> bytes:
        keys = KeysSection(
            hpke=(self.key.node_key.config,),
            receipt=bytes(32),
            not_before=self.not_after - 36_060,
            not_after=self.not_after,
        )
        software = SoftwareSection(
            release=self.release,
            event_log=b"{}",
            models=tuple((name, bytes(32)) for name in self.models),
            settings=b"x",
        )
        return EvidenceBundle(
            platform="simulated",
            quote=b"quote of " + self.machine,
            keys=keys.encode(),
            freshness=FreshnessSection(checkpoint=b"beacon").encode(),
            devices=None,
            software=software.encode(),
            endorsements=(),
        ).encode()

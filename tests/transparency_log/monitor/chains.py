"""A log in memory with honest chains, and ways to plant one fault in it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.transparency_log.memory_log import (
    NOW,
    ORIGIN,
    MemoryLog,
    release_statement,
    service_statement,
    status_statement,
)
from transparency_log.client import LogClient
from transparency_log.dsse import sign
from transparency_log.entry import sign_entry
from transparency_log.merkle import leaf_hash
from transparency_log.monitor.watch import Watch
from transparency_log.payload import encode_payload
from transparency_log.statement import PAYLOAD_TYPE

SERVICE = "demo.example"


@dataclass
class Planted:
    """A log whose signers chain their entries; each method appends one."""

    log: MemoryLog = field(default_factory=MemoryLog)
    release_leaf: bytes = b""
    _previous: dict[str, bytes] = field(default_factory=dict)
    _next: dict[str, int] = field(default_factory=dict)

    @property
    def watch(self) -> Watch:
        log = self.log
        return Watch(
            log=log.policy,
            release=log.signers(log.release),
            status=log.signers(log.status),
            service=log.signers(log.service),
            name=SERVICE,
        )

    def client(self, fetch: Callable[[str, int], bytes] | None = None) -> LogClient:
        return LogClient(self.log.policy, fetch or self.log.fetch)

    def append(self, entry: bytes) -> bytes:
        self.log.entries.append(entry)
        return entry

    def release(self, **changes: Any) -> bytes:
        """Log a release; give its leaf hash."""
        entry = sign_entry(replace(release_statement(), **changes), [self.log.release])
        self.release_leaf = leaf_hash(self.append(entry))
        return self.release_leaf

    def status(self, **changes: Any) -> bytes:
        """Log the next status; what is given replaces members, and the chain goes on from it."""
        statement = replace(
            status_statement(0, ORIGIN, NOW),
            releases=(self.release_leaf,) if self.release_leaf else (),
            **self._link("status"),
        )
        statement = replace(statement, **changes)
        return self._chained("status", sign_entry(statement, [self.log.status]), statement.sequence)

    def service(self, **changes: Any) -> bytes:
        """Log the next service entry, as `status`."""
        statement = replace(service_statement(0), **self._link("service"))
        statement = replace(statement, **changes)
        entry = sign_entry(statement, [self.log.service])
        return self._chained("service", entry, statement.sequence)

    def honest(self, rounds: int = 3) -> "Planted":
        """Log a release, and some entries of both chains."""
        self.release()
        for _ in range(rounds):
            self.status()
            self.service()
        return self

    def _link(self, chain: str) -> dict[str, Any]:
        return {"sequence": self._next.get(chain, 0), "previous": self._previous.get(chain)}

    def _chained(self, chain: str, entry: bytes, sequence: int) -> bytes:
        self._previous[chain] = leaf_hash(entry)
        self._next[chain] = sequence + 1
        return self.append(entry)


def wrapped(log: MemoryLog, entry_statement: Any) -> bytes:
    """Sign a status in an envelope with one signature more: the same payload, another leaf."""
    payload = encode_payload(entry_statement)
    return sign(payload, PAYLOAD_TYPE, [log.status, log.release]).encode()

"""Lives of a log in child processes that kill themselves at a chosen step.

A step is the moment before and after whatever makes something durable: an fsync, a rename, a
deletion, a statement of the sequencing table's or the witness's database. A life submits the same
entries again, as publishers do that got no answer, and says which were acknowledged.
"""

import asyncio
import os
import signal
import sqlite3
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psycopg

from tests.transparency_log.memory_log import ORIGIN, MemoryLog
from tests.transparency_log.server.logs import submissions
from transparency_log.add_checkpoint import (
    AddCheckpointRequest,
    Decision,
    decide,
    read_request,
)
from transparency_log.cosignature import parse_verifier
from transparency_log.note import Verifier
from transparency_log.server.metrics import LogMetrics
from transparency_log.server.sequencer import Sequencer
from transparency_log.server.storage_config import SequenceConfig, StoreConfig, open_storage
from transparency_log.server.witness_store import WitnessStore
from transparency_log.server.witnesses import Prove, WitnessClient
from transparency_log.witness_policy import LogPolicy, Witness

MEMORY = MemoryLog()
WITNESS = MEMORY.witnesses[0]
POLICY = LogPolicy(
    origin=ORIGIN,
    log_vkey=str(MEMORY.log.key),
    witnesses=(Witness(name=WITNESS.name, operator="One", vkey=str(WITNESS.key)),),
    quorum=1,
)
WORDS = ("BEGIN", "COMMIT", "UPDATE", "INSERT INTO log", "INSERT OR REPLACE INTO log", "DELETE")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a log and its witness keep what they must not forget."""

    store: StoreConfig
    sequence: SequenceConfig
    witness: Path


@dataclass(frozen=True, kw_only=True)
class End:
    """How a life ended, and the indexes that were acknowledged in it, by entry."""

    killed: bool
    acknowledged: dict[bytes, int]


class LocalWitness(WitnessClient):
    """A witness of the real kind, without the network."""

    def __init__(self, store: WitnessStore, session: aiohttp.ClientSession, prove: Prove) -> None:
        verifiers: tuple[Verifier, ...] = POLICY.witness_verifiers
        super().__init__(verifiers, "One", "http://witness", session, prove)
        self._store = store

    async def _post(self, note: bytes, size: int) -> tuple[int, bytes]:
        proof = await self._prove(self._size, size)
        body = AddCheckpointRequest(old_size=self._size, proof=tuple(proof), note=note).encode()
        request = read_request(body)
        assert not isinstance(request, Decision)
        decision = self._store.decide(
            request.origin,
            lambda state: decide(
                request,
                logs={ORIGIN: [parse_verifier(str(MEMORY.log.key))]},
                state=state,
                signers=[WITNESS],
                now=int(time.time()),
            ),
        )
        assert decision.status in (200, 409), decision.body
        return decision.status, decision.body


def live(place: Place, batches: list[list[bytes]], *, kill_at: int | None) -> End:
    """Live once, in a child process; None is to the end."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(read)
            if kill_at is not None:
                _count_steps(kill_at)
            asyncio.run(_run(place, batches, write))
            status = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read) as lines:
        said = [line.split() for line in lines]
    _, ended = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(ended) and os.WTERMSIG(ended) == signal.SIGKILL
    assert killed or ended == 0, "the log did not live to its end"
    acknowledged = {bytes.fromhex(entry): int(index) for entry, index in said}
    return End(killed=killed, acknowledged=acknowledged)


async def _run(place: Place, batches: list[list[bytes]], write: int) -> None:
    with (
        open_storage(place.store, place.sequence) as storage,
        closing(WitnessStore.open(place.witness)) as store,
    ):
        sequencer = Sequencer(
            storage=storage,
            signers=[MEMORY.log],
            policy=POLICY,
            publishers=1,
            batch_seconds=0.001,
            cosign_interval=60,
            clock=lambda: int(time.time()),
            metrics=LogMetrics(lambda: 0),
        )
        async with aiohttp.ClientSession() as session:
            witness = LocalWitness(store, session, sequencer.prove)
            loops = asyncio.create_task(sequencer.run([witness]))
            try:
                for batch in batches:
                    await _submit(sequencer, loops, batch, write)
            finally:
                loops.cancel()
                await asyncio.gather(loops, return_exceptions=True)
                await sequencer.close()


async def _submit(
    sequencer: Sequencer, loops: "asyncio.Task[None]", batch: list[bytes], write: int
) -> None:
    """Submit a batch, and say what was acknowledged."""
    answers = asyncio.gather(*(sequencer.add(one) for one in submissions(batch)))
    either: list[asyncio.Future[Any]] = [answers, loops]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if loops.done():
        loops.result()
    for entry, added in zip(batch, answers.result(), strict=True):
        os.write(write, f"{entry.hex()} {added.index}\n".encode())


def _count_steps(kill_at: int) -> None:
    """Kill this process at a step. Only ever called in a child process."""
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(action: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            step()
            result = action(*arguments, **options)
            step()
            return result

        return wrapped

    class Traced(sqlite3.Connection):
        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            action = around(super().execute) if sql.startswith(WORDS) else super().execute
            found: sqlite3.Cursor = action(sql, *arguments)
            return found

    connect = sqlite3.connect
    sqlite3.connect = lambda *arguments, **options: connect(  # type: ignore[assignment]
        *arguments, **options, factory=Traced
    )
    os.fsync = around(os.fsync)
    Path.replace = around(Path.replace)  # type: ignore[method-assign]
    Path.unlink = around(Path.unlink)  # type: ignore[method-assign]
    psycopg.Connection.execute = around(  # type: ignore[method-assign]
        psycopg.Connection.execute
    )
    transaction = psycopg.Connection.transaction
    psycopg.Connection.transaction = around(transaction)  # type: ignore[method-assign]

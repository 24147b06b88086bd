"""The loop that grows the log: collect, sequence, write, sign, cosign, publish, acknowledge.

An entry is acknowledged only once it stands under a checkpoint that meets this log's own policy
and is durable on disk; every step before that is durable too (`storage`), so an acknowledged entry
survives a crash at any instruction, and one that was not may be submitted again. While the quorum
is not met the old checkpoint stays, `not_ready` says why, and the loop asks again.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from transparency_log.checkpoint import Checkpoint
from transparency_log.errors import LogError
from transparency_log.merkle import leaf_hash
from transparency_log.note import NoteSigner, SignatureLine, format_note
from transparency_log.server.metrics import LogMetrics
from transparency_log.server.storage import Head, LogStorage
from transparency_log.server.witnesses import WitnessClient, cosign_all
from transparency_log.witness_policy import LogPolicy, WitnessedCheckpoint, verify_checkpoint

logger = logging.getLogger(__name__)

Value = TypeVar("Value")

MAX_WAITING = 1024
"""Entries that may wait for their acknowledgement; more are refused as busy."""

RETRY = 1.0
"""Seconds until witnesses are asked again after a failure."""

STALE_INTERVALS = 3
"""Cosigning intervals after which a published checkpoint is too old to call the log ready."""


class BusyError(Exception):
    """Too many entries are waiting."""


@dataclass(frozen=True, kw_only=True)
class Added:
    """An acknowledged entry."""

    index: int
    leaf_hash: bytes


class Sequencer:
    """Uses the storage and the log's key alone; one per process."""

    def __init__(
        self,
        *,
        storage: LogStorage,
        signer: NoteSigner,
        policy: LogPolicy,
        batch_seconds: float,
        cosign_interval: float,
        clock: Callable[[], int],
        metrics: LogMetrics,
    ) -> None:
        self._storage = storage
        self._signer = signer
        self._policy = policy
        self._batch_seconds = batch_seconds
        self._cosign_interval = cosign_interval
        self._clock = clock
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="storage")
        self._submitted: list[tuple[bytes, asyncio.Future[Added]]] = []
        self._sequenced: list[tuple[Added, asyncio.Future[Added]]] = []
        self._wake = asyncio.Event()
        self._published: WitnessedCheckpoint | None = None
        self._lines: dict[str, SignatureLine] = {}
        self._text = b""

    async def add(self, entry: bytes) -> Added:
        """Submit an entry and wait until it is acknowledged.

        Raises:
            BusyError: too many are waiting.
        """
        if len(self._submitted) + len(self._sequenced) >= MAX_WAITING:
            raise BusyError
        future: asyncio.Future[Added] = asyncio.get_running_loop().create_future()
        self._submitted.append((entry, future))
        self._wake.set()
        return await future

    def not_ready(self) -> str | None:
        """Say why the log is not ready; None if it is."""
        if self._published is None:
            return "no checkpoint has met the witness quorum yet"
        if self._clock() - self._published.time > STALE_INTERVALS * self._cosign_interval:
            return "the witness quorum is not met; the published checkpoint is getting old"
        if self._sequenced:
            return "entries wait for the witness quorum"
        return None

    async def run(self, witnesses: list[WitnessClient]) -> None:
        """Grow the log until cancelled. Any failure of the storage ends the loop, and the log."""
        await self._load_published()
        while True:
            published = await self._round(witnesses)
            await self._pause(self._cosign_interval if published else RETRY, retry=not published)

    async def close(self) -> None:
        """End the storage's thread, after `run` was cancelled and its last step is done."""
        await asyncio.to_thread(self._thread.shutdown)

    async def in_thread(self, action: Callable[..., Value], *arguments: object) -> Value:
        """Run a storage action on the one thread that may touch the storage."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, action, *arguments)

    async def prove(self, old_size: int, size: int) -> list[bytes]:
        """Prove consistency, for witnesses."""
        return await self.in_thread(self._storage.consistency, old_size, size)

    async def _pause(self, seconds: float, *, retry: bool) -> None:
        """Wait for entries or for the next cosigning; collect entries for one batch time."""
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return
        # After a failure, entries that keep coming must not turn the retries into a busy loop.
        await asyncio.sleep(max(self._batch_seconds, RETRY) if retry else self._batch_seconds)

    async def _round(self, witnesses: list[WitnessClient]) -> bool:
        """Take one batch through every step; say whether a checkpoint was published."""
        self._wake.clear()
        batch, self._submitted = self._submitted, []
        head = await self.in_thread(self._grow, [entry for entry, _ in batch], batch)
        note = await self._cosign(head, witnesses)
        if note is None:
            self._sequenced = [one for one in self._sequenced if not one[1].done()]  # gave up
            return False
        await self.in_thread(self._publish, note, head.size)
        self._acknowledge(head.size)
        return True

    def _grow(self, entries: list[bytes], batch: list[tuple[bytes, asyncio.Future[Added]]]) -> Head:
        """Make a batch part of the tree, durably, and record the head about to be signed."""
        indexes = self._storage.append(entries) if entries else []
        self._sequenced.extend(
            (Added(index=index, leaf_hash=leaf_hash(entry)), future)
            for index, (entry, future) in zip(indexes, batch, strict=True)
        )
        self._storage.write_tiles()
        size = self._storage.size()
        head = Head(size=size, root=self._storage.root(size))
        self._storage.record_head(head)
        return head

    async def _cosign(self, head: Head, witnesses: list[WitnessClient]) -> bytes | None:
        """Sign the head and have it cosigned; None if it does not meet the policy."""
        text = Checkpoint(origin=self._policy.origin, size=head.size, root=head.root).encode()
        own = self._signer.sign(text)
        if text != self._text:
            self._text, self._lines = text, {}
        asked = format_note(text, [own])
        quorum = self._policy.quorum
        self._lines |= await cosign_all(witnesses, text, asked, head.size, quorum=quorum)
        note = format_note(text, [own, *self._lines.values()])
        try:
            verify_checkpoint(note, self._policy)
        except LogError:
            logger.warning("the witness quorum is not met; the published checkpoint stays")
            return None
        return note

    def _publish(self, note: bytes, size: int) -> None:
        old_size = self._published.checkpoint.size if self._published else 0
        self._storage.publish(note, old_size=old_size, size=size)
        self._published = verify_checkpoint(note, self._policy)
        self._count(grown=size > old_size)

    def _acknowledge(self, size: int) -> None:
        waiting, self._sequenced = self._sequenced, []
        for added, future in waiting:
            if added.index >= size:
                self._sequenced.append((added, future))
            elif not future.done():
                future.set_result(added)

    async def _load_published(self) -> None:
        """Take up the checkpoint that an earlier run published, if it meets today's policy."""
        note = await self.in_thread(self._storage.checkpoint)
        if note is None:
            return
        try:
            self._published = verify_checkpoint(note, self._policy)
        except LogError:
            logger.warning("the published checkpoint does not meet the configured policy")
        self._count(grown=False)

    def _count(self, *, grown: bool) -> None:
        if self._published is not None:
            size, time = self._published.checkpoint.size, self._published.time
            self._metrics.published(size=size, time=time, grown=grown)

"""The loops that grow the log: collect, sequence, write; and sign, cosign, publish, acknowledge.

An entry is acknowledged only once it stands under a checkpoint that meets this log's own policy
and is durable; every step before that is durable too (`storage`), so an acknowledged entry survives
a crash at any instruction, and one that was not may be submitted again. While the quorum is not met
the old checkpoint stays, `not_ready` says why, and the loop asks again.

The tree grows while witnesses are asked about the tree before: `_grow` and `_publish` run beside
each other, and take turns on the one thread that may touch the storage.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from transparency_log.checkpoint import Checkpoint
from transparency_log.errors import LogError
from transparency_log.note import NoteSigner, SignatureLine, format_note
from transparency_log.server.metrics import LogMetrics
from transparency_log.server.sequence import Head, Submission
from transparency_log.server.storage import LogStorage
from transparency_log.server.waiting import Added, WaitingRoom
from transparency_log.server.witnesses import WitnessClient, cosign_all
from transparency_log.witness_policy import LogPolicy, WitnessedCheckpoint, verify_checkpoint

logger = logging.getLogger(__name__)

Value = TypeVar("Value")

RETRY = 1.0
"""Seconds until witnesses are asked again after a failure."""

STALE_INTERVALS = 3
"""Cosigning intervals after which a published checkpoint is too old to call the log ready."""

DAY = 86400
"""Seconds."""


class Sequencer:
    """Uses the storage and the log's key alone; one per process."""

    def __init__(
        self,
        *,
        storage: LogStorage,
        signers: Sequence[NoteSigner],
        policy: LogPolicy,
        publishers: int,
        batch_seconds: float,
        cosign_interval: float,
        clock: Callable[[], int],
        metrics: LogMetrics,
    ) -> None:
        self._storage = storage
        self._signers = tuple(signers)
        self._policy = policy
        self._batch_seconds = batch_seconds
        self._cosign_interval = cosign_interval
        self._clock = clock
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="storage")
        self._room = WaitingRoom(publishers=publishers)
        self._head = storage.head()
        self._grown = asyncio.Event()
        self._published: WitnessedCheckpoint | None = None
        self._failing = False
        self._lines: dict[str, SignatureLine] = {}
        self._text = b""

    async def add(self, submission: Submission) -> Added:
        """Submit an entry and wait until it is acknowledged.

        Raises:
            BusyError: too many are waiting.
            OverQuotaError: its publisher has used up the day.
            StoppedError: the log stops.
        """
        return await self._room.enter(submission)

    def not_ready(self) -> str | None:
        """Say why the log is not ready; None if it is."""
        if self._published is None:
            return "no checkpoint has met the witness quorum yet"
        if self._clock() - self._published.time > STALE_INTERVALS * self._cosign_interval:
            return "the witness quorum is not met; the published checkpoint is getting old"
        if self._failing and self._room.unacknowledged:
            return "entries wait for the witness quorum"
        return None

    async def run(self, witnesses: list[WitnessClient]) -> None:
        """Grow the log until cancelled. Any failure of the storage ends the loops, and the log."""
        self._load_published()
        try:
            async with asyncio.TaskGroup() as loops:
                loops.create_task(self._grow())
                loops.create_task(self._publish(witnesses))
        finally:
            self._room.end()

    async def close(self) -> None:
        """End the storage's thread, after `run` was cancelled and its last step is done."""
        await asyncio.to_thread(self._thread.shutdown)

    async def in_thread(self, action: Callable[..., Value], *arguments: object) -> Value:
        """Run a storage action on the one thread that may touch the storage."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, action, *arguments)

    async def prove(self, old_size: int, size: int) -> list[bytes]:
        """Prove consistency, for witnesses."""
        return await asyncio.to_thread(self._storage.consistency, old_size, size)

    async def _grow(self) -> None:
        """Take batch after batch into the tree. One begins a batch time after its first entry."""
        while True:
            await self._room.arrived.wait()
            now = asyncio.get_running_loop().time()
            await asyncio.sleep((self._room.oldest or now) + self._batch_seconds - now)
            if batch := self._room.take():
                submissions = [one.submission for one in batch]
                indexes, head = await self.in_thread(self._sequence, submissions)
                self._room.sequenced(indexes)
                self._room.acknowledge(self._published_size)  # what was in the log before
                if head != self._head:
                    self._head = head
                    self._grown.set()

    def _sequence(self, submissions: list[Submission]) -> tuple[list[int | None], Head]:
        """Make a batch part of the tree, durably."""
        indexes = self._storage.append(submissions, day=self._clock() // DAY)
        self._storage.write_tiles()
        return indexes, self._storage.head()

    async def _publish(self, witnesses: list[WitnessClient]) -> None:
        """Publish the newest tree when it has grown, and the same one anew in each interval."""
        while True:
            self._grown.clear()
            head = self._head
            note = await self._cosign(head, witnesses)
            self._failing = note is None
            if note is not None:
                await self._replace(note, head.size)
            self._room.acknowledge(self._published_size)
            if note is None:
                await asyncio.sleep(RETRY)
            else:
                await self._pause()

    @property
    def _published_size(self) -> int:
        return self._published.checkpoint.size if self._published else 0

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._grown.wait(), self._cosign_interval)
        except TimeoutError:
            return

    async def _cosign(self, head: Head, witnesses: list[WitnessClient]) -> bytes | None:
        """Sign the head and have it cosigned; None if it does not meet the policy."""
        await self.in_thread(self._storage.record_head, head)
        text = Checkpoint(origin=self._policy.origin, size=head.size, root=head.root).encode()
        own = [one.sign(text) for one in self._signers]
        if text != self._text:
            self._text, self._lines = text, {}
        asked = format_note(text, own)
        quorum = self._policy.quorum
        self._lines |= await cosign_all(witnesses, text, asked, head.size, quorum=quorum)
        note = format_note(text, [*own, *self._lines.values()])
        try:
            verify_checkpoint(note, self._policy)
        except LogError:
            logger.warning("the witness quorum is not met; the published checkpoint stays")
            return None
        return note

    async def _replace(self, note: bytes, size: int) -> None:
        old_size = self._published_size
        await self.in_thread(partial(self._storage.publish, note, size=size))
        self._published = verify_checkpoint(note, self._policy)
        self._count(grown=size > old_size)

    def _load_published(self) -> None:
        """Take up the checkpoint that an earlier run published, if it meets today's policy."""
        note = self._storage.checkpoint
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

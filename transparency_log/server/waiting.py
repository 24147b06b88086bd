"""Submissions that wait for their acknowledgement: bounded in number and bytes, and shared out.

Each publisher has an equal share of the room, so that none can keep another out. A place is taken
until the entry is acknowledged or refused; that its publisher gave up frees it only once the loop
has passed it by, since until then its bytes are here.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from transparency_log.server.sequence import Submission

MAX_WAITING = 8192
"""Submissions of all publishers: two batches of 500 ms at 3,000 a second, and as many again."""

MAX_BYTES = 64 << 20
"""Bytes of their entries."""


class BusyError(Exception):
    """A publisher's share of the room is taken."""


class OverQuotaError(Exception):
    """The publisher has used up its day."""


class StoppedError(Exception):
    """The log stops; whether the entry gets its place, the next start knows."""


@dataclass(frozen=True, kw_only=True)
class Added:
    """An acknowledged entry."""

    index: int
    leaf_hash: bytes


@dataclass(frozen=True, kw_only=True, eq=False)
class Waiting:
    """A submission and who waits for it; `since` is a time of the event loop's clock."""

    submission: Submission
    future: "asyncio.Future[Added]"
    since: float


class WaitingRoom:
    """All that waits. Used by the event loop's thread alone."""

    def __init__(self, *, publishers: int) -> None:
        self._most = MAX_WAITING // publishers
        self._most_bytes = MAX_BYTES // publishers
        self._count: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._submitted: list[Waiting] = []
        self._taken: list[Waiting] = []
        self._ended = False
        self._sequenced: list[tuple[int, Waiting]] = []
        self.arrived = asyncio.Event()

    def enter(self, submission: Submission) -> "asyncio.Future[Added]":
        """Let a submission in; the future ends with its acknowledgement, or with `OverQuotaError`.

        Raises:
            BusyError: the publisher's share is taken.
            StoppedError: nobody answers any more.
        """
        if self._ended:
            raise StoppedError
        name, size = submission.account.name, len(submission.entry)
        if self._count[name] >= self._most or self._bytes[name] + size > self._most_bytes:
            raise BusyError
        self._count[name] += 1
        self._bytes[name] += size
        loop = asyncio.get_running_loop()
        waiting = Waiting(submission=submission, future=loop.create_future(), since=loop.time())
        self._submitted.append(waiting)
        self.arrived.set()
        return waiting.future

    @property
    def oldest(self) -> float | None:
        """Tell since when the first of those that are not sequenced waits."""
        return self._submitted[0].since if self._submitted else None

    @property
    def unacknowledged(self) -> int:
        """Count the submissions that are sequenced and wait for a checkpoint."""
        return len(self._sequenced)

    def take(self) -> list[Waiting]:
        """Take all that is to be sequenced; who gave up meanwhile is not."""
        self.arrived.clear()
        waiting, self._submitted = self._submitted, []
        for one in waiting:
            if one.future.done():
                self._leave(one)
            else:
                self._taken.append(one)
        return self._taken

    def sequenced(self, indexes: Sequence[int | None]) -> None:
        """Note what the entries that were taken got; None is over the quota."""
        taken, self._taken = self._taken, []
        for one, index in zip(taken, indexes, strict=True):
            if index is not None:
                self._sequenced.append((index, one))
                continue
            if not one.future.done():
                one.future.set_exception(OverQuotaError())
            self._leave(one)

    def acknowledge(self, size: int) -> None:
        """Answer all that stand in the published tree of `size`; forget who gave up."""
        waiting, self._sequenced = self._sequenced, []
        for index, one in waiting:
            if index < size and not one.future.done():
                one.future.set_result(Added(index=index, leaf_hash=one.submission.leaf_hash))
            if one.future.done():
                self._leave(one)
            else:
                self._sequenced.append((index, one))

    def end(self) -> None:
        """Tell all who wait that the log stops."""
        self._ended = True
        for one in (*self._submitted, *self._taken, *(one for _, one in self._sequenced)):
            if not one.future.done():
                one.future.set_exception(StoppedError())

    def _leave(self, waiting: Waiting) -> None:
        name = waiting.submission.account.name
        self._count[name] -= 1
        self._bytes[name] -= len(waiting.submission.entry)

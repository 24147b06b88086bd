"""Many requests, one worker thread: a step for each active sequence in turn.

Theory of operation. A request becomes a `Stream` of pieces and some generations. The worker goes
round the active generations and gives each one step. It passes over those whose reader is slow
(the stream is full) and drops those whose reader has gone, so a client that disconnects stops
costing anything at the next token. At most `active` generations run, at most `queued` wait; more
is refused at once. The event loop side only ever appends to and pops from bounded deques.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator

from node_image.embedded.errors import BusyError, EmbeddedEngineError
from node_image.embedded.generation import Finish, Generation, Piece, Plan
from node_image.embedded.llama import Llama
from node_image.embedded.tokens import Tokens

STREAM_ROOM = 64
"""Pieces that wait for a slow reader before its generation pauses."""


class EngineStoppedError(EmbeddedEngineError):
    """The worker ended while this request was running."""


class Stream:
    """Pieces on their way from the worker thread to one request on the event loop."""

    def __init__(self, generations: int, wake_worker: threading.Condition) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._pieces: deque[Piece] = deque()
        self._running = generations
        self._wake_worker = wake_worker
        self._broken = False
        self.abandoned = False

    @property
    def full(self) -> bool:
        """Whether the reader is behind; the worker then passes this stream over."""
        return len(self._pieces) >= STREAM_ROOM

    def put(self, piece: Piece) -> None:
        """Hand over one piece (worker thread)."""
        self._pieces.append(piece)
        self._notify()

    def break_off(self) -> None:
        """Tell the reader that nothing more will come (worker thread, at its end)."""
        self._broken = True
        self._notify()

    def _notify(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._arrived.set)

    def abandon(self) -> None:
        """The reader has gone: stop generating (event loop)."""
        self.abandoned = True
        self._wake()

    def _wake(self) -> None:
        with self._wake_worker:
            self._wake_worker.notify()

    async def pieces(self) -> AsyncIterator[Piece]:
        """All pieces, until every choice has finished.

        Raises:
            EngineStoppedError: the worker ended first.
        """
        while self._running:
            while not self._pieces:
                if self._broken:
                    raise EngineStoppedError("the engine stopped")
                self._arrived.clear()
                if not self._pieces and not self._broken:
                    await self._arrived.wait()
            was_full = self.full
            piece = self._pieces.popleft()
            if was_full:
                self._wake()
            self._running -= piece.finish is not None
            yield piece


class Scheduler:
    """Runs generations on its worker thread."""

    def __init__(self, model: Llama, tokens: Tokens, *, active: int, queued: int) -> None:
        """Bound the work; `start` begins it."""
        self._model, self._tokens = model, tokens
        self._active_limit, self._queue_limit = active, queued
        self._condition = threading.Condition()
        self._queue: deque[tuple[Generation, Stream]] = deque()
        self._active: list[tuple[Generation, Stream]] = []
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="generation", daemon=True)

    def start(self) -> None:
        """Start the worker."""
        self._thread.start()

    def halt(self) -> None:
        """Let the worker end after its current step; running requests are broken off."""
        with self._condition:
            self._stopping = True
            self._condition.notify()

    def stop(self) -> None:
        """End the worker, and wait until it has ended."""
        self.halt()
        self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether requests are being worked on."""
        return self._thread.is_alive() and not self._stopping

    @property
    def load(self) -> tuple[int, int]:
        """How many generations run, and how many wait."""
        return len(self._active), len(self._queue)

    def submit(self, plans: tuple[Plan, ...]) -> Stream:
        """Queue a request (event loop).

        Raises:
            BusyError: the queue has no room for it, or the engine is stopping.
        """
        total = sum(plan.choices for plan in plans)
        stream = Stream(total, self._condition)
        with self._condition:
            waiting = sum(not other.abandoned for _, other in self._queue)
            if not self.alive or waiting + total > self._queue_limit:
                raise BusyError("the engine has no room for this request")
            index = 0
            for plan in plans:
                for choice in range(plan.choices):
                    generation = Generation(
                        plan, index=index, choice=choice, model=self._model, tokens=self._tokens
                    )
                    self._queue.append((generation, stream))
                    index += 1
            self._condition.notify()
        return stream

    def _run(self) -> None:
        try:
            while self._admit():
                self._round()
        finally:
            # Also on a defect of ours: nobody may wait for ever, and `alive` turns false.
            with self._condition:
                self._stopping = True
                left = {stream for _, stream in [*self._active, *self._queue]}
            for stream in left:
                stream.break_off()

    def _admit(self) -> bool:
        """Fill up the active ones; wait until one of them can move; false when stopping."""
        with self._condition:
            while not self._stopping:
                self._active = [item for item in self._active if not item[1].abandoned]
                self._queue = deque(item for item in self._queue if not item[1].abandoned)
                while self._queue and len(self._active) < self._active_limit:
                    self._active.append(self._queue.popleft())
                if any(not stream.full for _, stream in self._active):
                    return True
                self._condition.wait()
            return False

    def _round(self) -> None:
        """One step for each active generation that can move."""
        for item in tuple(self._active):
            generation, stream = item
            if stream.full or stream.abandoned:
                continue
            piece = generation.step()
            if piece is not None:
                if piece.finish is not None:
                    self._active.remove(item)
                stream.put(piece)


def failed(piece: Piece) -> bool:
    """Whether a choice ended because the engine could not go on."""
    return piece.finish is Finish.FAILED

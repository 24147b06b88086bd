"""Steps 3 to 6: reads what is new in the log, has it judged on all cores, remembers it in order.

What was judged is remembered before anything is said about it; if the log stops serving, what was
read before is still judged, and the next run goes on from there.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass

from transparency_log.client import LogClient
from transparency_log.entry import EntryKind
from transparency_log.errors import ConfigurationError, LogError
from transparency_log.follow import Stretch, follow
from transparency_log.merkle import leaf_hash
from transparency_log.monitor.book import Book
from transparency_log.monitor.book_chain import Chain
from transparency_log.monitor.chain import Fault, FaultKind, Placed, step
from transparency_log.monitor.judge import Judged, Link, Passed, SeenRelease, SeenRotation, judge
from transparency_log.monitor.watch import Watch
from transparency_log.tile import TILE_WIDTH
from transparency_log.witness_policy import WitnessedCheckpoint

AT_ONCE = 4096
"""Entries up to which no processes are started: they take longer to start than this takes."""

AHEAD = 2
"""Stretches that are read ahead for each process."""

MAX_AHEAD = 128 * 2**20
"""Bytes that are read ahead; a stretch of ours has 4 MB, one of a flood 32 MB."""

Keep = Callable[[bytes | None, bytes], object]
"""Keeps two entries that contradict each other; the first is None if the log serves it no more."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far the log is judged, of how much."""

    judged: int
    size: int


def read(
    client: LogClient,
    newest: WitnessedCheckpoint,
    book: Book,
    watch: Watch,
    *,
    processes: int,
    keep: Keep,
) -> Iterator[Progress]:
    """Judge and remember everything from where the book ends to the end of a checkpoint's tree.

    Args:
        client: whoever serves the log's files; not trusted.
        newest: the checkpoint, which `history` found to extend the remembered one.
        book: what is remembered.
        watch: whose entries count; those of the book.
        processes: to judge in.
        keep: called with proofs of equivocation, before they are remembered.

    Raises:
        LogError: the log stopped serving, or served what the checkpoint does not commit to.
        ConfigurationError: a judging process was killed.
    """
    size = newest.checkpoint.size
    recorder = _Recorder(client, size, book, keep)
    stretches = follow(client, newest, book.frontier)
    waiting: deque[tuple[Stretch, Future[Judged]]] = deque()
    stopped: LogError | None = None
    with _executor(processes if size - book.frontier.size > AT_ONCE else 0) as pool:
        while True:
            try:
                stretch = next(stretches)
            except StopIteration:
                break
            except LogError as error:  # what was read before it is still judged
                stopped = error
                break
            waiting.append((stretch, pool.submit(judge, stretch.start, stretch.entries, watch)))
            while waiting and (_full(waiting, processes) or waiting[0][1].done()):
                yield recorder.record(*waiting.popleft())
        while waiting:
            yield recorder.record(*waiting.popleft())
    if stopped is not None:
        raise stopped


def _full(waiting: Sequence[tuple[Stretch, object]], processes: int) -> bool:
    """Say whether enough is read ahead."""
    held = sum(len(entry) for stretch, _ in waiting for entry in stretch.entries)
    return len(waiting) > AHEAD * processes or held > MAX_AHEAD


class _Recorder:
    """Takes judged stretches into the book, in the log's order."""

    def __init__(self, client: LogClient, size: int, book: Book, keep: Keep) -> None:
        self._client = client
        self._size = size
        self._book = book
        self._keep = keep

    def record(self, stretch: Stretch, judging: Future[Judged]) -> Progress:
        judged, book = judging.result(), self._book
        for why, count in judged.passed.items():
            book.passed[why.value] += count
        for seen in judged.seen:
            entry = stretch.entries[seen.index - stretch.start]
            if isinstance(seen, SeenRelease):
                book.repeated += not book.holdings.take_release(seen, entry)
            elif isinstance(seen, SeenRotation):
                book.holdings.take_rotation(seen)
            else:
                self._link(seen, entry, stretch)
        book.commit(stretch.frontier)
        return Progress(judged=stretch.frontier.size, size=self._size)

    def _link(self, link: Link, entry: bytes, stretch: Stretch) -> None:
        book = self._book
        chain = book.find(link.kind, link.name) or book.begin(link.kind, link.name)
        if chain is None:
            book.passed[Passed.FOREIGN.value] += 1
            return
        handed = chain.head is None and book.holdings.handed(link.kind)
        result = step(chain.head, link, chain, handed=handed)
        book.repeated += result.repeated
        if result.fault is not None and book.take_fault(result.fault):
            self._prove(result.fault, chain, entry, stretch)
        if result.new:
            chain.advance(link, entry)
            if link.kind is EntryKind.STATUS:
                book.holdings.take_listing(link)

    def _prove(self, fault: Fault, chain: Chain, entry: bytes, stretch: Stretch) -> None:
        placed = chain.placed(fault.sequence)
        if fault.kind is FaultKind.EQUIVOCATION and placed is not None:
            self._keep(self._first(placed, stretch), entry)

    def _first(self, placed: Placed, stretch: Stretch) -> bytes | None:
        """Find the entry that another one contradicts; it was proved when it was read."""
        index = placed.index
        if index >= stretch.start:
            return stretch.entries[index - stretch.start]
        try:
            found = self._client.bundle(index // TILE_WIDTH, self._size)[index % TILE_WIDTH]
        except LogError:
            return None
        return found if placed.leaf == leaf_hash(found) else None


class _Here(Executor):
    """Does at once what it is given."""

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        """See `Executor`."""
        done: Future[object] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


@contextmanager
def _executor(processes: int) -> Iterator[Executor]:
    if processes < 1:
        yield _Here()
        return
    # Spawned, not forked: this process may have threads.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_end_with_parent)
    try:
        yield pool
    except BrokenProcessPool as error:
        raise ConfigurationError(
            "a process that judges entries was ended from outside; run again, and see that there "
            "is memory enough"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """Leave Ctrl-C to the parent, and end when it is killed: the pool's pipe would not say so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

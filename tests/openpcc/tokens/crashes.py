"""Kills a process at every step it takes, one after the other.

A step is an SQL statement (SQLite tells of each before it runs it), or a read or write on a socket.
So a statement that somebody adds is a step here by itself. The child is forked: it has what its
parent made ready, and opens files and connections of its own.
"""

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any

from httpcore._backends.sync import SyncStream

PATIENCE = 30.0
MANY = 500


def every_crash(act: Callable[[], object]) -> Iterator[int]:
    """Run `act` in a child that is killed before step 1, then 2, …; give how far each came.

    The caller looks at what is left and makes everything ready for the next. The last child is not
    killed, because it has no such step.
    """
    for number in range(1, MANY):
        status = _run(act, number)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            yield number
            continue
        assert status == 0, "the child failed by itself"
        yield number
        return
    raise AssertionError("it never ends")


def _run(act: Callable[[], object], number: int) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _Steps(number)
            act()
            code = 0
        finally:
            os._exit(code)
    return _status(child)


def _status(child: int) -> int:
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("the child does not end")


class _Steps:
    """Counts the steps of this process, and ends it before one of them."""

    def __init__(self, last: int) -> None:
        self._left = last
        self._told: tuple[str, ...] = ()
        connect = sqlite3.connect
        read, write = SyncStream.read, SyncStream.write

        def traced(*args: Any, **kwargs: Any) -> sqlite3.Connection:
            made: sqlite3.Connection = connect(*args, **kwargs)
            made.set_trace_callback(self._statement)
            return made

        def reading(*args: Any, **kwargs: Any) -> bytes:
            self._step()
            return read(*args, **kwargs)

        def writing(*args: Any, **kwargs: Any) -> None:
            self._step()
            write(*args, **kwargs)

        sqlite3.connect = traced  # type: ignore[assignment]
        SyncStream.read, SyncStream.write = reading, writing  # type: ignore[method-assign]

    def _statement(self, text: str) -> None:
        """The third row of one kind in a run is no other step than the second."""
        kind = text[:20]
        if self._told != (kind, kind):
            self._step()
        self._told = (*self._told[-1:], kind)

    def _step(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

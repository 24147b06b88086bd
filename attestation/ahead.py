"""Verifying signatures ahead, on another core: a hint that decides nothing.

Every function that verifies a signature of a device, a RIM or an answer about them remembers what
it verified, by every byte. So whoever knows which calls will come can have a thread make the very
same ones; who judges then finds them remembered, or makes them himself. Nothing is taken from the
thread: a call that is wrong, missing, late or fails changes how long a judgement takes, never how
it ends.

    who judges    1 2 3 4 5 | 6 7 8 9     verifies from the first on, as each is asked for
    the thread              | 9 8 7 6     verifies from the last back; from where they meet, all
                                          is remembered, and at most one is made twice

The thread lives for one bundle, that is for some milliseconds, and there is at most one. It is not
a daemon: such a one may wake up in an interpreter that ends, and before Python 3.14 native code
does not survive that. docs/decisions/0015.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from attestation.errors import AttestationError

NAME = "verify-ahead"
"""Of the thread."""

MAX_CALLS = 128
"""Calls taken for one bundle. Eight GPUs and four switches ask for about 120."""

MAX_SECONDS = 0.1
"""Of processor time, after which no further call is made: twice what so many good signatures take.
Whoever staples certificates chooses their keys, and there are kinds that take far longer."""

Call = Callable[[], object]
"""Verifies and remembers; its value is not looked at. Raises: AttestationError, as judging does."""


def verify_ahead(calls: Iterable[Call]) -> None:
    """Have calls made by a thread, the last first; raises nothing of this package.

    Does nothing on one core, nor while such a thread is at work for another bundle.

    Args:
        calls: in the order in which they will be asked for. What does not parse on the way ends
            them: it is for those who judge to say so.
    """
    if cores() < 2 or any(one.name == NAME for one in threading.enumerate()):
        return
    taken: list[Call] = []
    with contextlib.suppress(AttestationError):
        taken.extend(islice(calls, MAX_CALLS))
    if taken:
        # Where no thread is to be had, who judges verifies everything, as on one core.
        with contextlib.suppress(RuntimeError):
            threading.Thread(target=_verify, args=(taken,), name=NAME).start()


def cores() -> int:
    """Count the cores this process may use."""
    known = hasattr(os, "sched_getaffinity")  # not on macOS
    return len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1


def _verify(calls: Sequence[Call]) -> None:
    """Make the calls, the last first. What one refuses, who judges refuses, and says why."""
    for call in reversed(calls):
        if time.thread_time() > MAX_SECONDS:
            return
        with contextlib.suppress(AttestationError):
            call()

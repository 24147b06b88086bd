"""The two clocks of the node, as one thing that tests can replace.

The host sets the guest's wall clock, so nothing that erases or limits may follow it: epochs end by
the monotonic clock alone. The wall clock dates epochs and judges a request's expiry, because that
is what a client can compare with its own.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def wall(self) -> int:
        """Give Unix seconds."""
        ...

    def monotonic(self) -> float:
        """Give seconds that never go back and never stop."""
        ...


class SystemClock:
    """The machine's clocks."""

    def wall(self) -> int:
        """Give Unix seconds."""
        return int(time.time())  # noqa: TID251 - this is where the wall clock enters the agent

    def monotonic(self) -> float:
        """Give seconds since boot, counting those in which the host had suspended the guest.

        CLOCK_MONOTONIC would stand still meanwhile, and an epoch would live on after a pause.
        """
        return time.clock_gettime(time.CLOCK_BOOTTIME)

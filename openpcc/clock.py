"""The client's one place that reads the local clock. `openpcc.trust` judges it (5.clock)."""

import time


def now() -> int:
    """Give the local time, Unix seconds."""
    return int(time.time())  # noqa: TID251 - this is that place


def ticks() -> float:
    """Give a count of seconds that runs on whatever the local clock is set to.

    Where the system can, it counts the time that the machine slept as well.
    """
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()

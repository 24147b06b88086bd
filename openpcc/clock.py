"""The client's one place that reads the local clock. `openpcc.trust` judges it (5.clock)."""

import time


def now() -> int:
    """Give the local time, Unix seconds."""
    return int(time.time())  # noqa: TID251 - this is that place

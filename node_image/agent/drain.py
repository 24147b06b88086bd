"""Leaving without losing requests: how long a node that is to stop goes on.

Clients seal to a node's keys for as long as an entry that lists them is valid, and the node is not
asked whether it still wants to be listed. So from SIGTERM on it shows no evidence, which has the
publisher leave it out of the next window, and goes on serving until nobody can hold its keys from a
listing, or the host's patience (`limits.drain`) is at its end, whichever comes first.
"""

from node_image.agent.clock import Clock
from openpcc.protocol.messages import WINDOW

LISTED = 60 + 2 * WINDOW
"""Seconds after evidence was shown in which it may be listed: a publisher takes it to be new for a
minute, and what it lists then is valid for two windows."""


class Drain:
    """Whether the node is leaving, and what it still owes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._shown: float | None = None
        self.leaving = False

    def shown(self) -> None:
        """Note that evidence was shown."""
        self._shown = self._clock.monotonic()

    def owed(self) -> float:
        """Give the seconds in which clients may still hold keys of this node from a listing."""
        if self._shown is None:
            return 0.0
        return max(0.0, self._shown + LISTED - self._clock.monotonic())

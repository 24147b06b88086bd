"""What this node has taken before (sealing sheet, What the node does, step 3).

One set for all live epochs. Nothing is ever evicted by time, because the host sets the clock: an
entry dies with the newest epoch that was live when it came. By then every key that could open the
request again is erased, and a key made later cannot be named in it. In one process, on one event
loop, insertion is atomic.
"""

from openpcc.protocol.errors import ReplayedError

MAX_ENTRIES = 2**20
"""Requests one node takes before its keys end early: about 120 MB of memory."""


class ReplaySet:
    """Request ids, kept in one generation per epoch."""

    def __init__(self, *, limit: int = MAX_ENTRIES) -> None:
        self._limit = limit
        self._generations: dict[int, set[bytes]] = {}
        self._newest = -1

    def begin(self, epoch: int) -> None:
        """Put what comes from now on under this epoch, the newest."""
        self._generations[epoch] = set()
        self._newest = epoch

    def end(self, epoch: int) -> None:
        """Drop what came while `epoch` was the newest; its keys are erased."""
        self._generations.pop(epoch, None)

    def take(self, request_id: bytes) -> None:
        """Take a request; it stays taken whatever becomes of it.

        Raises:
            ReplayedError: it was taken before.
        """
        if any(request_id in taken for taken in self._generations.values()):
            raise ReplayedError("this request was taken before")
        self._generations[self._newest].add(request_id)

    @property
    def full(self) -> bool:
        """Whether the keys must end before anything else is taken."""
        return sum(map(len, self._generations.values())) >= self._limit

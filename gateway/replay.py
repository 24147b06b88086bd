"""Which outer requests were taken already.

A relay can send a request twice. Requests carry no date, so the natural rule would be to remember
every `enc` for the life of its key; at 2^20 entries a busy gateway would then stop within minutes.
What has to be refused is narrower: a second *effect*. The one request with an effect is `/sealed`
(a `/challenge` costs a node work, within an allowance that all share), and its header expires at
most 300 s after the gateway first accepts it (`check_header`, which runs after this store). So an
entry is kept for at least `WINDOW` = 300 s from its first sight:

- a replay inside the window is `replayed`;
- a replay of a sealed request after it is `expired`, whatever this store remembers;
- a replay of a read after it gives the relay nothing but another ciphertext of the same resource.

Within the window nothing is ever forgotten: a full store refuses new requests as `busy`. Time is
monotonic, so that setting the clock empties nothing. A restart does empty the store, and replicas
do not share it; the node's own replay set, which forgets nothing, stands behind it. `ReplayStore`
is the seam for one that is shared.
"""

from collections import deque
from collections.abc import Callable
from hashlib import sha256
from typing import Protocol

from gateway.errors import RefusedError

WINDOW = 300
"""Seconds an entry is kept at least: the longest validity of a sealed request (`MAX_AHEAD`)."""

SLOT = 60
"""Seconds of entries that are forgotten together; an entry is kept up to this much longer."""


class ReplayStore(Protocol):
    """Remembers requests; `add` is atomic."""

    async def add(self, entry: bytes) -> None:
        """Enter a request that was never seen.

        Raises:
            RefusedError: `replayed`, or `busy` when nothing can be remembered.
        """


def entry_of(key_id: int, enc: bytes) -> bytes:
    """Name an outer request: a hash of its key and encapsulation, which is fresh in each."""
    return sha256(bytes([key_id]) + enc).digest()


class MemoryReplayStore:
    """Entries in sets of one slot each, forgotten a slot at a time."""

    def __init__(self, *, limit: int, clock: Callable[[], float]) -> None:
        """Keep at most `limit` entries; `clock` gives monotonic seconds."""
        self._limit = limit
        self._clock = clock
        self._slots: deque[tuple[int, set[bytes]]] = deque()
        self._size = 0

    def __len__(self) -> int:
        """Count the entries."""
        return self._size

    async def add(self, entry: bytes) -> None:
        """See `ReplayStore`."""
        now = int(self._clock() // SLOT)
        self._forget(now)
        if any(entry in entries for _, entries in self._slots):
            raise RefusedError("replayed")
        if self._size >= self._limit:
            raise RefusedError("busy")
        if not self._slots or self._slots[-1][0] != now:
            self._slots.append((now, set()))
        self._slots[-1][1].add(entry)
        self._size += 1

    def _forget(self, now: int) -> None:
        """Drop the slots whose youngest entry is older than the window."""
        while self._slots and self._slots[0][0] < now - WINDOW // SLOT:
            self._size -= len(self._slots.popleft()[1])

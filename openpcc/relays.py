"""Which of a service's relays this process uses (docs/formats.md section 6). Decides; no network.

A relay learns an address, and how much it sends and receives when. A client that changed relays per
request would show each of them a part of everything, and in the end all of them all its habits:
any one that works for the gateway would then do. So a process draws one, uniformly, and sends every
fetch and every request through it. It goes on to another only where no connection could be made at
all, and then stays there: nothing has been sent by that time, so nothing is sent twice. No file
remembers the choice: what is drawn anew at each start tells nobody that two starts are one client.

Whoever can cut the way to one relay can therefore move a client to another of the same list. A list
is as good as its worst relay: name those alone that you would name singly.
"""

import secrets
import threading
from collections.abc import Sequence

from openpcc.errors import ConfigurationError

MAX_RELAYS = 8
"""Relays of a service. Each may have to be waited for in one fetch: ten seconds to connect."""


class Relays:
    """Relays in the order drawn, and the one in use. Safe to share between threads."""

    def __init__(self, urls: Sequence[str]) -> None:
        """Draw an order.

        Raises:
            ConfigurationError: none, too many, or one of them twice.
        """
        if not 1 <= len(urls) <= MAX_RELAYS or len(set(urls)) != len(urls):
            raise ConfigurationError(f"there must be 1 to {MAX_RELAYS} different relays")
        self.drawn = tuple(secrets.SystemRandom().sample(list(urls), len(urls)))
        self._current = self.drawn[0]
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Count them: how many may have to be tried until all of them were."""
        return len(self.drawn)

    @property
    def current(self) -> str:
        """Name the one in use."""
        return self._current

    def leave(self, url: str) -> None:
        """Go on to the next in the order, unless another thread has left this one already."""
        with self._lock:
            if url == self._current:
                self._current = self.drawn[(self.drawn.index(url) + 1) % len(self.drawn)]


_CHOICES: dict[frozenset[str], Relays] = {}
_CHOOSING = threading.Lock()


def of_process(urls: Sequence[str]) -> Relays:
    """Give this process's choice among these relays; the same one whoever asks, and when.

    Raises:
        ConfigurationError: as `Relays`.
    """
    with _CHOOSING:
        return _CHOICES.setdefault(frozenset(urls), Relays(urls))

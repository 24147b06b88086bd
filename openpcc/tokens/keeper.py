"""The thread that keeps the wallet filled, at times that say nothing.

Two Poisson processes, one for buying and one for asking back. Pauses are exponential, drawn anew by
a CSPRNG: the process has no memory, so when it looks tells neither when the program was started nor
when anything was asked or paid. Nothing here is ever set off by a request, or by an empty wallet.
"""

import math
import secrets
import threading
from collections.abc import Callable

from openpcc.errors import OpenPCCError

Act = Callable[[], object]


class Keeper:
    """Does two things at random times until it is closed."""

    def __init__(self, *, fill: Act, fill_every: float, reclaim: Act, reclaim_every: float) -> None:
        """Do nothing yet.

        Args:
            fill: tops up the stock.
            fill_every: mean seconds between two times.
            reclaim: asks back the tokens of one request.
            reclaim_every: mean seconds between two times.
        """
        self._acts = (("fill", fill, fill_every), ("reclaim", reclaim, reclaim_every))
        self._closed = threading.Event()
        self._starting = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}
        self.problems: dict[str, OpenPCCError] = {}
        """Why the last `fill` or `reclaim` came to nothing; absent: it did not."""

    def start(self) -> None:
        """Begin what does not run: at first, after a fork, after an end that nobody foresaw."""
        if self._idle():
            with self._starting:
                for name, act, every in self._idle():
                    self._threads[name] = self._thread(name, act, every)
                    self._threads[name].start()

    def _idle(self) -> list[tuple[str, Act, float]]:
        running = {name for name, thread in self._threads.items() if thread.is_alive()}
        return [] if self._closed.is_set() else [one for one in self._acts if one[0] not in running]

    def _thread(self, name: str, act: Act, every: float) -> threading.Thread:
        named = f"openpcc-tokens-{name}"
        return threading.Thread(target=self._keep, args=(name, act, every), name=named, daemon=True)

    def close(self) -> None:
        """End; what is under way is waited for, a little."""
        self._closed.set()
        for thread in self._threads.values():
            if thread is not threading.current_thread():
                thread.join(timeout=5)

    def _keep(self, name: str, act: Act, every: float) -> None:
        while not self._closed.wait(pause(every)):
            try:
                act()
            except OpenPCCError as error:
                self.problems[name] = error  # the wallet is as it was; there is a next time
            else:
                self.problems.pop(name, None)


def pause(mean: float) -> float:
    """Draw an exponential pause."""
    # 53 bits in (0, 1]: the logarithm of 0 there is not.
    return -math.log((secrets.randbits(53) + 1) / 2**53) * mean

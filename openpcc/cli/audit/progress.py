"""How far a long audit is, on one line of a terminal: entries, rate, time left."""

import sys

from openpcc import clock
from openpcc.decision import duration
from transparency_log.monitor.reader import Progress


class Meter:
    """Redraws one line of stderr; silent where nobody watches."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._began = clock.ticks()
        self._first: int | None = None
        self._drawn = False

    def show(self, progress: Progress) -> None:
        """Draw how far it is."""
        if self._first is None:
            self._first, self._began = progress.judged, clock.ticks()
        if self._shown:
            seconds = clock.ticks() - self._began
            text = line(progress, progress.judged - self._first, seconds)
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
            self._drawn = True

    def end(self) -> None:
        """Leave the line."""
        if self._drawn:
            sys.stderr.write("\n")
            sys.stderr.flush()


def line(progress: Progress, done: int, seconds: float) -> str:
    """Write how far it is.

    40960 of 1000000 entries, 6021 a second, 2 min left
    """
    text = f"{progress.judged} of {progress.size} entries"
    if done <= 0 or seconds <= 0:
        return text
    left = int((progress.size - progress.judged) * seconds / done)
    return f"{text}, {done / seconds:.0f} a second, {duration(left)} left"

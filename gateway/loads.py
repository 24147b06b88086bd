"""What this gateway knows of each node's load and health, from what became of its own requests.

Nothing is asked of nodes for it: a probe would say that a node answers probes. A node that failed
rests: it is tried after all other candidates, never left out, since the client may have drawn none
that is better. When its rest is over one request at a time finds out, and each further failure
doubles the rest. Pure.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.routing import FAILURES, Outcome

BUSY_REST = 1.0
"""Seconds that a node which answered `busy` is tried after the others."""

FAILURE_REST = 5.0
"""Seconds that a node rests after its first failure."""

LONGEST_REST = 60.0
"""Seconds that a node rests at most: it may be back at any time, and the first to try it pays."""

PRUNED_FROM = 1024
"""Nodes remembered before those are dropped whose time is over."""


@dataclass(frozen=True, kw_only=True)
class _Failure:
    """That a node failed; `tried`: a request is under way to it that began after its rest."""

    rest: float
    until: float
    tried: bool = False


class Loads:
    """Loads and health by URL."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start with no load; `clock` gives monotonic seconds."""
        self._clock = clock
        self._in_flight: Counter[str] = Counter()
        self._busy_until: dict[str, float] = {}
        self._failures: dict[str, _Failure] = {}

    def order(self, urls: Iterable[str]) -> list[str]:
        """Sort candidates: the least loaded first, busy ones later, failing ones last.

        Equal ones stay in the order given, which is the header's random one.
        """
        now = self._clock()

        def key(url: str) -> tuple[bool, bool, int]:
            busy = self._busy_until.get(url, now) > now
            return self.failing(url), busy, self._in_flight[url]

        return sorted(urls, key=key)

    def failing(self, url: str) -> bool:
        """Say whether a node rests after a failure, or is being tried after it."""
        failure = self._failures.get(url)
        return failure is not None and (failure.tried or failure.until > self._clock())

    def begin(self, url: str) -> None:
        """Count a request that goes to a node."""
        self._in_flight[url] += 1
        failure = self._failures.get(url)
        if failure is not None and failure.until <= self._clock():
            self._failures[url] = _Failure(rest=failure.rest, until=failure.until, tried=True)

    def end(self, url: str) -> None:
        """Count a request that has left a node, whatever came of it."""
        self._in_flight[url] -= 1
        if not self._in_flight[url]:
            del self._in_flight[url]
        failure = self._failures.get(url)
        if failure is not None and failure.tried:  # the caller may have left before it answered
            self._failures[url] = _Failure(rest=failure.rest, until=failure.until)

    def report(self, url: str, outcome: Outcome) -> None:
        """Note what a node did."""
        now = self._clock()
        if outcome in FAILURES:
            before = self._failures.get(url)
            rest = FAILURE_REST if before is None else _next_rest(before, now)
            self._prune(now)
            self._failures[url] = _Failure(rest=rest, until=now + rest)
        else:
            self._failures.pop(url, None)
        if outcome is Outcome.BUSY:
            self._busy_until[url] = now + BUSY_REST

    def _prune(self, now: float) -> None:
        """Forget nodes that nobody has asked for long: they may be gone from the service."""
        if len(self._busy_until) + len(self._failures) < PRUNED_FROM:
            return
        self._busy_until = {url: at for url, at in self._busy_until.items() if at > now}
        self._failures = {
            url: one for url, one in self._failures.items() if one.until + LONGEST_REST > now
        }


def _next_rest(before: _Failure, now: float) -> float:
    """Double the rest, but for failures of requests that were under way together."""
    return before.rest if before.until > now else min(2 * before.rest, LONGEST_REST)

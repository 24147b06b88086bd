"""Which candidate gets a sealed request, and when the next one may.

The client drew the candidates; the gateway orders those it knows and can add none. Pure: the shell
(`forwarding`) reports what happened, this file says what follows from it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from gateway.errors import NODE_CODES
from gateway.publication import Publication

BUSY_REST = 1.0
"""Seconds that a node which answered `busy` is tried after the others."""

FAILURE_REST = 5.0
"""Seconds that a node which was not reached, or broke off, is tried after all others."""


class Outcome(Enum):
    """What came of giving a request to a node, as far as it matters for the next step."""

    NO_CONNECTION = "no-connection"
    LOST = "lost"
    BUSY = "busy"
    UNKNOWN_KEY = "unknown-key"
    REFUSED = "refused"
    TAKEN = "taken"


TRY_NEXT = frozenset({Outcome.NO_CONNECTION, Outcome.LOST, Outcome.BUSY, Outcome.UNKNOWN_KEY})
"""After these alone the same bytes may go to another candidate (sealing sheet, Carriage). `LOST` is
a connection that went before the first byte of the reply, its status line included: a node that has
begun to answer has taken the request."""


def judge(status: int, code: str | None) -> Outcome:
    """Say what a node's answer means; `code` is that of its error document, if it is one."""
    match status, code:
        case 200, _:
            return Outcome.TAKEN
        case 503, "busy":
            return Outcome.BUSY
        case 422, "unknown-key":
            return Outcome.UNKNOWN_KEY
        case _:
            return Outcome.REFUSED


def passed_code(outcome: Outcome, code: str | None) -> str:
    """Give the code that the client sees when no further candidate is tried."""
    if outcome in (Outcome.NO_CONNECTION, Outcome.LOST) or code not in NODE_CODES:
        return "upstream"
    return code


@dataclass(frozen=True, kw_only=True)
class Routes:
    """Node URLs by key id, from one publication; `numbers` are their places in it."""

    by_key: Mapping[bytes, str]
    numbers: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, publication: Publication) -> "Routes":
        """Index a publication."""
        by_key = {key: node.url for node in publication.nodes for key in node.keys}
        numbers = {node.url: number for number, node in enumerate(publication.nodes)}
        return cls(by_key=MappingProxyType(by_key), numbers=MappingProxyType(numbers))

    def candidates(self, key_ids: Iterable[bytes]) -> dict[str, int]:
        """Give the known nodes among the listed keys, each once, in the header's random order.

        The number beside each URL is for log lines, in which no address stands.
        """
        urls = (self.by_key[key] for key in key_ids if key in self.by_key)
        return {url: self.numbers[url] for url in urls}


class Loads:
    """What this gateway knows of each node's load."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start with no load; `clock` gives monotonic seconds."""
        self._clock = clock
        self._in_flight: Counter[str] = Counter()
        self._busy_until: dict[str, float] = {}
        self._failing_until: dict[str, float] = {}

    def order(self, urls: Iterable[str]) -> list[str]:
        """Sort candidates: the least loaded first, busy ones later, failing ones last."""
        now = self._clock()

        def key(url: str) -> tuple[bool, bool, int]:
            failing = self._failing_until.get(url, now) > now
            return failing, self._busy_until.get(url, now) > now, self._in_flight[url]

        return sorted(urls, key=key)

    def failing(self, url: str) -> bool:
        """Say whether a node is at rest after a failure."""
        return self._failing_until.get(url, float("-inf")) > self._clock()

    def begin(self, url: str) -> None:
        """Count a request that goes to a node."""
        self._in_flight[url] += 1

    def end(self, url: str) -> None:
        """Count a request that has left a node."""
        self._in_flight[url] -= 1

    def report(self, url: str, outcome: Outcome) -> None:
        """Note what a node did."""
        match outcome:
            case Outcome.NO_CONNECTION | Outcome.LOST:
                self._failing_until[url] = self._clock() + FAILURE_REST
            case Outcome.BUSY:
                self._busy_until[url] = self._clock() + BUSY_REST
            case Outcome.TAKEN:
                self._failing_until.pop(url, None)
            case Outcome.UNKNOWN_KEY | Outcome.REFUSED:
                pass

"""A crowd of clients as a gateway sees it, and a matcher that tries to tell them apart.

The matcher is given more than any gateway has: it is told who sent half of the requests, and asked
who sent each of the others. It looks at all that a gateway can read of a request: candidates and
their order, shards, sizes, every open field of the header, and when it came. It learns how often
each client shows each value, keeps the kinds in which clients differ by more than chance, and names
the client who shows those values most (naive Bayes). So a habit of whatever kind, in one of these
or in their sum, is found without being thought of before.
"""

import itertools
import math
import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from scipy import stats  # type: ignore[import-untyped]

from openpcc.protocol.messages import SHARD

TELLING = 1e-3
"""A kind is looked at where clients differ so much by chance less often than this."""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """One request as the gateway sees it.

    Attributes:
        at: when it came, Unix seconds.
        candidates: ids of the node keys, in the header's order.
        sizes: of the request, inside the encapsulation and outside.
        fields: what else the header says in the clear, but for values that are never repeated.
        expires: of the header.
    """

    at: float
    candidates: tuple[bytes, ...]
    sizes: tuple[int, ...] = ()
    fields: tuple[Hashable, ...] = ()
    expires: int = 0


Seen = Sequence[Sequence[Sight]]
"""The requests of each client, in any order."""


class Matcher:
    """Knows what was seen of each client, and says who most probably sent a request."""

    def __init__(self, known: Seen, places: Mapping[bytes, int]) -> None:
        """Learn.

        Args:
            known: requests whose senders are known.
            places: where each node key stands in the public directory.
        """
        self._places = places
        self._counts = [defaultdict[str, Counter[Hashable]](Counter) for _ in known]
        self._values = defaultdict[str, set[Hashable]](set)
        self._lot = random.Random(1)
        for counts, sights in zip(self._counts, known, strict=True):
            for kind, value in itertools.chain.from_iterable(map(self._traits, sights)):
                counts[kind][value] += 1
                self._values[kind].add(value)
        self._kinds = {kind for kind in self._values if self._tells(kind)}

    def sender(self, sight: Sight) -> int:
        """Name the likeliest sender; one of the likeliest, by lot, where several are alike."""
        traits = [(kind, value) for kind, value in self._traits(sight) if kind in self._kinds]
        scores = [self._score(counts, traits) for counts in self._counts]
        best = max(scores)
        likeliest = [one for one, score in enumerate(scores) if math.isclose(score, best)]
        return self._lot.choice(likeliest)

    def _tells(self, kind: str) -> bool:
        """Say whether clients differ in this more than chance explains (chi-square)."""
        if len(self._values[kind]) < 2:
            return False
        rows = [[one[kind][value] for value in self._values[kind]] for one in self._counts]
        return bool(stats.chi2_contingency(rows).pvalue < TELLING)

    def _score(
        self, counts: Mapping[str, Counter[Hashable]], traits: Iterable[tuple[str, Hashable]]
    ) -> float:
        return sum(
            math.log((counts[kind][value] + 1) / (counts[kind].total() + len(self._values[kind])))
            for kind, value in traits
        )

    def _traits(self, sight: Sight) -> Iterator[tuple[str, Hashable]]:
        ids = sight.candidates
        for one in ids:
            yield "node", one
            yield "shard", self._places[one] // SHARD
        yield "first", ids[0]
        yield "set", frozenset(ids)
        yield "order", ids == tuple(sorted(ids))
        yield "count", len(ids)
        yield "sizes", sight.sizes
        yield "fields", sight.fields
        yield "clock", (sight.expires - int(sight.at)) // 60
        yield "minute", int(sight.at) // 60


def halves(seen: Seen) -> tuple[Seen, Seen]:
    """Split each client's requests into every other one."""
    return [one[::2] for one in seen], [one[1::2] for one in seen]


def linked(seen: Seen, places: Mapping[bytes, int]) -> list[int]:
    """Count, for each client, the requests that are given back to it, of half of those seen."""
    known, asked = halves(seen)
    matcher = Matcher(known, places)
    return [
        sum(matcher.sender(sight) == client for sight in sights)
        for client, sights in enumerate(asked)
    ]


def recognised(before: Seen, after: Seen, places: Mapping[bytes, int]) -> int:
    """Count the clients of one day to whom most of what they send on another is given back."""
    matcher = Matcher(before, places)
    named = [Counter(map(matcher.sender, sights)).most_common(1)[0][0] for sights in after]
    return sum(client == found for client, found in enumerate(named))

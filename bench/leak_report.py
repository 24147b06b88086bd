"""What the recording says: how the topics differ, how well they are told apart, what it costs."""

import json
import os
import platform
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from scipy.stats import kruskal  # type: ignore[import-untyped]

from bench import leak_exchanges as wire
from bench.harness import LOAD_BEFORE
from bench.leak_exchanges import Exchange
from bench.leak_judge import Score, score

Features = Callable[[Exchange], list[float]]

WHOLE = 120
"""Arrivals of a whole sequence: nearly all answers have fewer."""

ENDING = 3
"""Arrivals in which an answer's end may show: the final record is shorter by a byte, and the hops'
own ends come beside it or after it. Where an answer ends is its total time, a row of its own."""

BAR = 0.02
"""How far `paced` may be above the baseline on sizes and inter-arrivals."""


def rows(shortest: int) -> dict[str, Features]:
    """Name what an observer may look at.

    `shortest` is how many arrivals every paced answer has before its end: within them, neither
    their number nor an end tells anything.
    """
    return {
        "sizes and inter-arrivals": lambda one: wire.sequence(one, shortest),
        "the same, whole sequence": lambda one: wire.sequence(one, WHOLE),
        "total time alone": wire.total_time,
        "total bytes and arrivals alone": wire.total_bytes,
        "first arrival alone": wire.first_arrival,
        "request size alone": wire.request_size,
    }


def judge(found: Sequence[Exchange], looks: Mapping[str, Features]) -> dict[str, Score]:
    """Score every look at one way's exchanges."""
    topics = [one.asked.topic for one in found]
    subjects = [one.asked.subject for one in found]
    return {
        name: score([look(one) for one in found], topics, subjects) for name, look in looks.items()
    }


def report(found: Sequence[Exchange], options: Mapping[str, object]) -> str:
    """Write one JSON object."""
    ways = {way: [one for one in found if one.asked.way == way] for way in _ways(found)}
    shortest = min(len(one.sizes) for one in ways["paced"]) - ENDING
    looks = rows(shortest)
    scores = {way: judge(some, looks) for way, some in ways.items()}
    document = {
        "title": "what sizes and times on the wire tell of an answer's topic",
        "options": {name: str(value) for name, value in options.items() if value is not None},
        "answers": {way: len(some) for way, some in ways.items()},
        "arrivals looked at": shortest,
        "topics without protection": differences(ways["unpadded"]),
        "accuracy": {way: {n: _row(s) for n, s in row.items()} for way, row in scores.items()},
        "bars": bars(scores),
        "paced, by whole seconds": by_seconds(ways["paced"], shortest),
        "cost": {way: cost(some) for way, some in ways.items()},
        "machine": {
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "load_before": [round(value, 2) for value in LOAD_BEFORE],
            "load": [round(value, 2) for value in os.getloadavg()],
        },
    }
    return json.dumps(document, indent=1)


def by_seconds(found: Sequence[Exchange], shortest: int) -> dict[str, object]:
    """Tell what the number of seconds tells, and what is left beside it.

    The latter among answers of the commonest number: there the whole sequence may be looked at.
    """
    counts = Counter(wire.seconds(one) for one in found)
    commonest, _ = counts.most_common(1)[0]
    alike = [one for one in found if wire.seconds(one) == commonest]
    alone = {"number of seconds alone": lambda one: [float(wire.seconds(one))]}
    left = judge(alike, rows(shortest))
    return {
        "answers of each number": dict(sorted(counts.items())),
        **{name: _row(one) for name, one in judge(found, alone).items()},
        f"answers of {commonest} s": {name: _row(one) for name, one in left.items()},
    }


def differences(found: Sequence[Exchange]) -> dict[str, object]:
    """Show that the topics' answers differ in length and in pace, or there is nothing to hide."""
    topics = sorted({one.asked.topic for one in found})
    measures: dict[str, Callable[[Exchange], float]] = {
        "events": lambda one: float(one.asked.events),
        "bytes": lambda one: float(one.asked.text),
        "seconds": lambda one: one.times[-1],
        "first_event_ms": lambda one: (one.asked.first - one.asked.began) / 1e6,
        "text_bytes_a_second": lambda one: one.asked.text / one.times[-1],
    }
    table: dict[str, object] = {}
    for name, measure in measures.items():
        groups = [[measure(one) for one in found if one.asked.topic == topic] for topic in topics]
        table[name] = {
            **{t: round(statistics.median(g), 3) for t, g in zip(topics, groups, strict=True)},
            "kruskal_p": float(f"{kruskal(*groups).pvalue:.2g}"),
        }
    return table


def cost(found: Sequence[Exchange]) -> dict[str, float]:
    """Give medians of what the caller waits for and of what passes on the wire."""
    first = [(one.asked.first - one.asked.began) / 1e6 for one in found if one.asked.first]
    total = [(one.asked.ended - one.asked.began) / 1e6 for one in found]
    return {
        "first_content_ms": round(statistics.median(first), 1),
        "whole_answer_ms": round(statistics.median(total), 1),
        "bytes_down": statistics.median(sum(one.sizes) for one in found),
        "bytes_up": statistics.median(one.request for one in found),
    }


def bars(scores: Mapping[str, Mapping[str, Score]]) -> dict[str, object]:
    """Hold the rows against the bars."""
    look = "sizes and inter-arrivals"
    plain, paced = scores["unpadded"][look], scores["paced"][look]
    return {
        "paced within 2 points of the majority": paced.accuracy <= paced.baseline + BAR,
        "unpadded clearly succeeds": plain.interval[0] > 2 * plain.baseline,
    }


def _row(one: Score) -> dict[str, object]:
    low, high = one.interval
    return {
        "percent": round(one.accuracy * 100, 1),
        "interval": [round(low * 100, 1), round(high * 100, 1)],
        "by seed": [round(share * 100, 1) for share in one.by_seed],
        "majority": round(one.baseline * 100, 1),
    }


def _ways(found: Sequence[Exchange]) -> list[str]:
    return list(dict.fromkeys(one.asked.way for one in found))

"""Compares ways of doing one thing, fairly: warmed up, interleaved in one run, every sample kept.

    results = compare({"plain": call_plain, "sealed": call_sealed}, rounds=200)
    print(report("time to first token", results, unit="ms", scale=1e3))

The order within a round rotates, so that drift of the machine falls on all alike. Nothing here
judges; bars stand in DESIGN section 7 and are read by people.
"""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

Value = TypeVar("Value")

LOAD_BEFORE = os.getloadavg()
"""Load when the script began: what others do to this machine, before we add to it."""


def interleave(
    ways: Mapping[str, Callable[[], Value]], *, rounds: int, warm_up: int = 5
) -> dict[str, list[Value]]:
    """Call each way `rounds` times, in turns; what they gave, in order. Warming up is not kept."""
    for _ in range(warm_up):
        for way in ways.values():
            way()
    given: dict[str, list[Value]] = {name: [] for name in ways}
    names = list(ways)
    for turn in range(rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            given[name].append(ways[name]())
    return given


def compare(
    ways: Mapping[str, Callable[[], object]], *, rounds: int, warm_up: int = 5
) -> dict[str, list[float]]:
    """Time each way `rounds` times, in turns; seconds, in the order measured."""
    return interleave(
        {name: timed(way) for name, way in ways.items()}, rounds=rounds, warm_up=warm_up
    )


def report(
    title: str,
    samples: Mapping[str, list[float]],
    *,
    unit: str,
    scale: float,
    derived: Mapping[str, object] | None = None,
) -> str:
    """Write one JSON object: figures per way, what follows from them, and the machine."""
    document: dict[str, object] = {
        "title": title,
        "unit": unit,
        "results": {name: _row(values, scale) for name, values in samples.items()},
    }
    if derived:
        document["derived"] = dict(derived)
    document["machine"] = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_before": [round(value, 2) for value in LOAD_BEFORE],
        "load": [round(value, 2) for value in os.getloadavg()],
    }
    return json.dumps(document, indent=1)


def paired(samples: Mapping[str, list[float]], way: str, baseline: str) -> list[float]:
    """Give the difference of each round: what stood side by side is compared side by side."""
    return [one - other for one, other in zip(samples[way], samples[baseline], strict=True)]


def cpu_seconds(pid: int) -> float:
    """Give the processor time of a process and its threads, to the nanosecond (Linux)."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def timed(way: Callable[[], object]) -> Callable[[], float]:
    """Make a call that gives the seconds a way takes."""

    def run() -> float:
        began = time.perf_counter()
        way()
        return time.perf_counter() - began

    return run


def _row(values: list[float], scale: float) -> dict[str, float]:
    scaled = sorted(value * scale for value in values)
    return {
        "median": round(statistics.median(scaled), 4),
        "p10": round(scaled[len(scaled) // 10], 4),
        "p90": round(scaled[len(scaled) * 9 // 10], 4),
        "rounds": len(scaled),
    }

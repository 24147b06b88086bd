"""What shard, k and crowd size buy, and what they cost: `python -m bench.routing`.

    load       10^5 nodes, 10^6 clients with a request each: imbalance against k and shard size
    exposure   clients that ever met a bad node, day by day, with kept and with redrawn shards
    linkage    how often a request is given back to its sender by the shard alone
    proofs     bytes and time of a client against the number of nodes, beside a whole download

Prints a table for each, and draws `docs/figures/routing-*.svg`. The simulations have fixed seeds:
the same numbers and the same figures each time. Times of proofs are measured, and in no figure.
"""

import argparse
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from bench import harness, routing_crowd, routing_proofs
from bench.chart import Axis, Points, chart
from bench.routing_crowd import Load

NODES, CLIENTS = 10**5, 10**6
KS = (1, 2, 3, 4, 6, 8)
SIZES = (8, 16, 32, 64, 4000)
"""Of shards; the last stands for a directory without shards."""

BAD, REQUESTS, DAYS = 0.01, 20, 30
"""Share of bad nodes, requests of a client and day, days."""

COUNTS = (10**2, 10**3, 10**4, 10**5)
ROUNDS = 7
FIGURES = Path(__file__).resolve().parent.parent / "docs" / "figures"
PERCENT = tuple((part / 100, f"{part} %") for part in (0, 20, 40, 60, 80, 100))

Row = Sequence[object]


def main() -> None:
    """Simulate, measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figures", type=Path, default=FIGURES, help="folder of the figures")
    folder: Path = parser.parse_args().figures
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in (
        ("load", load()),
        ("exposure", exposure()),
        ("linkage", linkage()),
        ("bytes", proofs()),
    ):
        (folder / f"routing-{name}.svg").write_text(figure, encoding="utf-8")
    print(f"load of the machine before: {harness.LOAD_BEFORE[0]:.1f}")


def load() -> str:
    """Simulate load; the gateway takes the least loaded of k."""
    found: dict[int, dict[int, Load]] = {size: {} for size in SIZES}
    for size in SIZES:
        for k in KS:
            random = np.random.default_rng([size, k])
            loads = routing_crowd.loads(random, nodes=NODES, requests=CLIENTS, size=size, k=k)
            found[size][k] = routing_crowd.imbalance(loads)
    for what in ("p99", "busiest", "most"):
        rows = [
            [_named(size), *(f"{getattr(one, what):.2f}" for one in row.values())]
            for size, row in found.items()
        ]
        title = f"load of a node over the mean ({what}), {NODES} nodes, {CLIENTS} requests"
        table(title, ["shard of", *(f"k = {k}" for k in KS)], rows)
    ends = [
        [nodes, *(f"{routing_crowd.last_node(nodes=nodes, size=16, by_leaf=way):.2f}"
                  for way in (False, True))]
        for nodes in (17, 193, 200, 1001)
    ]  # fmt: skip
    table("load of the last shard's nodes over the mean", ["nodes", "a number is drawn", "a leaf"],
          ends)  # fmt: skip
    lines: dict[str, Points] = {
        _named(size): [(k, one.busiest) for k, one in row.items()] for size, row in found.items()
    }
    return chart(
        "Load of the busiest hundredth of nodes",
        x=Axis(label="candidates of a request, k", ticks=[(k, str(k)) for k in range(1, 9)]),
        y=Axis(label="over the mean", ticks=[(one / 5, f"{one / 5:.1f}") for one in range(5, 11)]),
        lines=lines,
    )


def exposure() -> str:
    """Simulate who ever meets a bad node."""
    lines: dict[str, Points] = {}
    for k in (1, 2, 3):
        found = routing_crowd.exposed(
            np.random.default_rng(k), nodes=NODES, clients=CLIENTS, bad=BAD, k=k,
            requests=REQUESTS, days=DAYS,
        )  # fmt: skip
        rows = [
            [name, *(f"{100 * days[day - 1]:.1f} %" for day in (1, 2, 7, 30))]
            for name, days in found.items()
        ]
        met = f"clients that ever met one of {100 * BAD:.0f} % bad nodes"
        table(f"{met}, k = {k}, {REQUESTS} requests a day", ["", "1 day", "2", "7", "30"], rows)
        if k == 2:
            lines = {name: list(enumerate(days, start=1)) for name, days in found.items()}
    rows = [
        [f"{100 * bad:g} %", *(f"{100 * routing_crowd.exposure(bad, k):.1f} %" for k in KS)]
        for bad in (0.001, 0.01, 0.1)
    ]
    table("requests that a bad node can read", ["bad nodes", *(f"k = {k}" for k in KS)], rows)
    return chart(
        f"Clients that ever met one of {100 * BAD:.0f} % bad nodes, k = 2",
        x=Axis(label="days", ticks=[(day, str(day)) for day in (1, 5, 10, 15, 20, 25, 30)]),
        y=Axis(label="share of clients", ticks=PERCENT),
        lines=lines,
    )


def linkage() -> str:
    """Compute what the shard tells, and what withheld evidence adds."""
    crowds = [10, 100, 10**3, 10**4, 10**5, 10**6]
    nodes = (16, 200, 10**3, 10**4, 10**5)
    found = {
        count: [routing_crowd.linkage(nodes=count, clients=crowd) for crowd in crowds]
        for count in nodes
    }
    rows = [[count, *(_percent(one) for one in row)] for count, row in found.items()]
    table("requests given back to their sender by the shard", ["nodes", *crowds], rows)
    told = [[f"{routing_crowd.told_by_withheld(k):.2f}" for k in KS]]
    table("bits told of a client from whom a quarter of its shard was withheld",
          [f"k = {k}" for k in KS], told)  # fmt: skip
    return chart(
        "Requests given back to their sender by the shard they share",
        x=Axis(label="clients", ticks=[(one, f"{one:,}") for one in crowds], log=True),
        y=Axis(label="share of requests", ticks=PERCENT),
        lines={
            f"{count:,} nodes": list(zip(crowds, row, strict=True)) for count, row in found.items()
        },
    )


def proofs() -> str:
    """Measure what a client fetches and proves."""
    found = routing_proofs.measure(COUNTS, rounds=ROUNDS)
    rows = [
        [
            count, shard.size, shard.hashes, _milliseconds(shard.seconds),
            whole.size, _milliseconds(whole.seconds),
        ]
        for count, (shard, whole) in found.items()
    ]  # fmt: skip
    head = ["nodes", "shard, bytes", "hashes", "ms", "whole, bytes", "ms"]
    table("a client's directory, processor time, median [p10, p90]", head, rows)
    return chart(
        "What a client fetches of a directory",
        x=Axis(label="nodes", ticks=[(count, f"{count:,}") for count in COUNTS], log=True),
        y=Axis(
            label="bytes",
            ticks=[(10**3, "1 kB"), (10**4, "10 kB"), (10**5, "100 kB"), (10**6, "1 MB"),
                   (10**7, "10 MB"), (10**8, "100 MB")],
            log=True,
        ),
        lines={
            "its shard": [(count, shard.size) for count, (shard, _) in found.items()],
            "the whole": [(count, whole.size) for count, (_, whole) in found.items()],
        },
    )  # fmt: skip


def table(title: str, head: Row, rows: Iterable[Row]) -> None:
    """Print a table of Markdown."""
    print(f"\n{title}\n")
    for row in (head, ["---"] * len(head), *rows):
        print("| " + " | ".join(str(one) for one in row) + " |")


def _named(size: int) -> str:
    return "no shards" if size == SIZES[-1] else f"shards of {size}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def _milliseconds(seconds: Sequence[float]) -> str:
    low, *_, high = statistics.quantiles(seconds, n=10)
    return f"{1e3 * statistics.median(seconds):.2f} [{1e3 * low:.2f}, {1e3 * high:.2f}]"


if __name__ == "__main__":
    main()

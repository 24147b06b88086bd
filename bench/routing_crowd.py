"""What shard size and k do to load, exposure and linkage: a crowd of clients, simulated (numpy).

Clients draw a leaf and keep its shard (openpcc/shards.py); of it they draw k nodes for a request,
uniformly (openpcc/nodes.py); the gateway takes the least loaded of them (gateway/routing.py). All
shards advance together, a request each at a time, so that 10^6 requests take a second or so.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Random = np.random.Generator


@dataclass(frozen=True, kw_only=True)
class Load:
    """How unevenly nodes are loaded: 1.0 is even."""

    most: float
    """Of the most loaded node, over the mean."""
    p99: float
    """Of the node that 99 of 100 are below, over the mean."""
    busiest: float
    """Of the busiest hundredth of all nodes together, over the mean."""


def distinct(random: Random, rows: int, size: int, count: int) -> Ints:
    """Draw `count` different columns of `size` for each row, uniformly and in random order."""
    drawn = np.empty((rows, count), dtype=np.int64)
    for at in range(count):
        one = random.integers(0, size - at, rows)
        for earlier in np.sort(drawn[:, :at], axis=1).T:  # skip those that are gone
            one += one >= earlier
        drawn[:, at] = one
    return drawn


def loads(random: Random, *, nodes: int, requests: int, size: int, k: int) -> Ints:
    """Give each node's load after so many requests; shards are of `size`, all of them whole."""
    shards = nodes // size
    waiting = random.multinomial(requests, np.full(shards, 1 / shards))
    order = np.argsort(-waiting)  # those with most requests first, so that the active are a prefix
    falling = waiting[order]
    load = np.zeros((shards, size), dtype=np.int64)
    for turn in range(int(falling[0])):
        active = int(np.searchsorted(-falling, -turn, side="left"))
        rows = np.arange(active)
        candidates = distinct(random, active, size, min(k, size))
        chosen = candidates[rows, np.argmin(load[rows[:, None], candidates], axis=1)]
        load[rows, chosen] += 1
    return load.ravel()


def imbalance(load: Ints) -> Load:
    """Compare the most loaded nodes with the mean."""
    mean, ordered = float(load.mean()), np.sort(load)
    busiest = ordered[-max(len(ordered) // 100, 1) :]
    return Load(
        most=float(ordered[-1]) / mean,
        p99=float(np.quantile(load, 0.99)) / mean,
        busiest=float(busiest.mean()) / mean,
    )


def last_node(*, nodes: int, size: int, by_leaf: bool) -> float:
    """Give the share of requests of the last shard's nodes, over the mean; exact.

    Args:
        nodes: of the directory; its last shard has the rest.
        size: of a shard.
        by_leaf: clients draw a leaf; otherwise they draw the number of a shard.
    """
    rest = nodes % size or size
    share = rest / nodes if by_leaf else 1 / math.ceil(nodes / size)
    return share / rest * nodes


def exposed(
    random: Random, *, nodes: int, clients: int, bad: float, k: int, requests: int, days: int
) -> dict[str, list[float]]:
    """Give the share of clients that have ever sealed to a bad node, day by day.

    Args:
        random: where the bad nodes stand, and what clients draw.
        nodes: of the directory, in whole shards of sixteen.
        clients: simulated.
        bad: share of nodes that are bad.
        k: candidates of a request.
        requests: of each client and day.
        days: how long.
    """
    size = 16
    wrong = np.zeros(nodes, dtype=bool)
    wrong[random.choice(nodes, round(nodes * bad), replace=False)] = True
    in_shard = wrong.reshape(-1, size).sum(axis=1)
    missed = np.array([_missed(size, int(one), k) for one in range(size + 1)]) ** requests
    first = missed[in_shard[random.integers(0, len(in_shard), clients)]]
    whole = (1 - bad) ** (k * requests)
    kept, redrawn = np.ones(clients), np.ones(clients)
    found: dict[str, list[float]] = {"one shard for ever": [], "a shard a day": [], "no shards": []}
    for day in range(1, days + 1):
        kept = kept * first
        redrawn = redrawn * missed[in_shard[random.integers(0, len(in_shard), clients)]]
        found["one shard for ever"].append(1 - float(kept.mean()))
        found["a shard a day"].append(1 - float(redrawn.mean()))
        found["no shards"].append(1 - whole**day)
    return found


def exposure(bad: float, k: int) -> float:
    """Give the share of requests that a bad node can read, whatever the shard."""
    return 1 - (1 - bad) ** k


def linkage(*, nodes: int, clients: int) -> float:
    """Bound how often a request is given back to its sender by what the shard tells; exact.

    A shard's clients are alike, so whoever knows the shard names one of them. With S shards, and C
    clients that each draw one, the mean of 1 / (clients in my shard) is S/C (1 - (1 - 1/S)^C).
    """
    shards = math.ceil(nodes / 16)
    return shards / clients * (1 - (1 - 1 / shards) ** clients)


def told_by_withheld(k: int, *, size: int = 16) -> float:
    """Give the bits that a request tells of its client, where a quarter of its nodes was withheld.

    Of the clients of a shard, each with a quarter of its own, those that can have drawn these k.
    """
    return -math.log2(_missed(size, size // 4, k))


def _missed(size: int, bad: int, k: int) -> float:
    """Give the probability that none of k different nodes is among the bad ones of a shard."""
    return math.comb(size - bad, k) / math.comb(size, k)

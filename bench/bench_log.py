"""What a log costs: durable appends a second, proofs, a client's look, and a whole audit.

    bench_log.py [--entries 100000]        1000000 takes half an hour and 3 GB of disk

Appends: the real `openpcc-log` with three real witnesses, quorum 2, in batches of 500 ms;
an entry counts once its index was answered, that is after it stands under a cosigned checkpoint on
disk. 4,096 connections of one load process, closed loop. In turns with it, the same server library
that answers at once and keeps nothing (`log_plain.py`). Slices are taken when the tree has 10^4,
10^5 and 10^6 entries. Entries are signed statuses of 836 bytes, each another one.

The audit is the monitor's own reading of the files of that log from the disk: every bundle proved,
every entry parsed, its signature verified and its chain judged and remembered, by as many processes
as there are cores. Of the processes the benchmark started the largest memory is printed.
"""

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # run as a program, from any folder
    sys.path.insert(0, str(ROOT))

from bench import harness  # noqa: E402
from bench.processes import Started, script, started  # noqa: E402
from tests.transparency_log.memory_log import MemoryLog, status_entry  # noqa: E402
from tests.transparency_log.server.processes import TOKEN, World  # noqa: E402
from transparency_log import scan  # noqa: E402
from transparency_log.client import LogClient  # noqa: E402
from transparency_log.errors import NotFoundError  # noqa: E402
from transparency_log.follow import Frontier, follow  # noqa: E402
from transparency_log.merkle import (  # noqa: E402
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from transparency_log.monitor.book import opened  # noqa: E402
from transparency_log.monitor.reader import read  # noqa: E402
from transparency_log.monitor.watch import Watch  # noqa: E402
from transparency_log.proof import verify_proof  # noqa: E402
from transparency_log.prover import consistency_proof, inclusion_proof  # noqa: E402
from transparency_log.witness_policy import LogPolicy  # noqa: E402

CONNECTIONS = 4096
"""With batches of half a second, 2,048 in a closed loop could not get more than about 2,900/s."""

SLICE = 12_000
"""Entries of one slice: about four seconds."""

SLICES = 3
CORES = os.cpu_count() or 1
SIZES = (10_000, 100_000, 1_000_000)
LOOK = 256
"""Entries that a client reads at least (`openpcc.record`)."""


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One turn: how long, what the server's process spent, what each entry waited."""

    seconds: float
    processor: float
    times: tuple[float, ...]


@dataclass
class Publisher:
    """Gives each entry of the file once."""

    entries: Path
    taken: int = 0

    def send(self, server: Started, count: int, *, keep: bool = True) -> Slice:
        """Submit the next entries, from a process of their own; the baseline keeps none of them."""
        arguments = (server.url, TOKEN, str(self.entries), str(self.taken), str(count))
        before = harness.cpu_seconds(server.pid)
        result = self.entries.with_name("result.json")
        subprocess.run(script("log_load.py", *arguments, str(CONNECTIONS), str(result)), check=True)
        self.taken += count if keep else 0
        said = json.loads(result.read_bytes())
        return Slice(
            seconds=said["seconds"],
            processor=harness.cpu_seconds(server.pid) - before,
            times=tuple(said["times"]),
        )


def signed(start: int, count: int) -> bytes:
    """Sign statuses, each with its length before it."""
    memory = MemoryLog()
    entries = (status_entry(memory, number) for number in range(start, start + count))
    return b"".join(len(entry).to_bytes(4, "big") + entry for entry in entries)


def write_entries(path: Path, count: int) -> None:
    """Make a file of entries, on all cores."""
    starts = range(1, count + 1, 10_000)
    with ProcessPoolExecutor(CORES) as pool, path.open("wb") as file:
        for part in pool.map(signed, starts, itertools.repeat(10_000)):
            file.write(part)


def appends(world: World, publisher: Publisher, plain: Started, sizes: list[int]) -> None:
    """Measure at each size; fill the log between."""
    assert world.log is not None
    log = Started(pid=world.log.process.pid, url=world.log.url)
    for size in sizes:
        if size > publisher.taken:
            publisher.send(log, size - publisher.taken)
        ways = {
            "plain": lambda: publisher.send(plain, SLICE, keep=False),
            "log": lambda: publisher.send(log, SLICE),
        }
        print_appends(size, harness.interleave(ways, rounds=SLICES, warm_up=1))


def print_appends(size: int, slices: dict[str, list[Slice]]) -> None:
    """Print rates, processor time and waiting."""
    rates = {name: [len(one.times) / one.seconds for one in of] for name, of in slices.items()}
    waits = sorted(itertools.chain.from_iterable(one.times for one in slices["log"]))
    spent = [one.processor / len(one.times) * 1e6 for one in slices["log"]]
    derived = {
        "bars": {"log": 3000},
        "published": "Tessera: 10000 a second on 7 cores",
        "acknowledged_ms": {
            "p50": round(waits[len(waits) // 2] * 1e3),
            "p99": round(waits[len(waits) * 99 // 100] * 1e3),
        },
        "log_processor_us_each": round(statistics.median(spent)),
    }
    title = f"durable appends, tree of {size}"
    print(harness.report(title, rates, unit="entries/s", scale=1, derived=derived), flush=True)


def from_disk(folder: Path) -> Callable[[str, int], bytes]:
    """Read the log's public files where they lie."""

    def fetch(path: str, limit: int) -> bytes:
        try:
            with (folder / path).open("rb") as file:
                return file.read(limit)
        except FileNotFoundError as error:
            raise NotFoundError(path) from error

    return fetch


def proofs(client: LogClient, world: World) -> None:
    """Measure what a reader checks, at the size the log has."""
    newest = client.checkpoint()
    size, root = newest.checkpoint.size, newest.checkpoint.root
    read = client.reader(size)
    index = size // 3
    entry = client.bundle(index // 256, size)[index % 256]
    leaf, inclusion = leaf_hash(entry), inclusion_proof(index, size, read)
    frontier = next(
        one.frontier for one in follow(client, newest, Frontier()) if one.frontier.size >= 4096
    )
    consistency = consistency_proof(frontier.size, size, read)
    file = client.proof(newest, index, entry)
    log, memory = client.entries(newest, size - LOOK), MemoryLog()
    service = memory.signers(memory.service)
    status = memory.signers(memory.status)
    ways: dict[str, Callable[[], object]] = {
        "inclusion": partial(
            verify_inclusion, index=index, size=size, leaf=leaf, proof=inclusion, root=root
        ),
        "consistency": partial(
            verify_consistency,
            old_size=frontier.size,
            old_root=frontier.root,
            size=size,
            root=root,
            proof=consistency,
        ),
        "proof file with two cosignatures": partial(verify_proof, file, leaf, world.policy),
        f"scan {LOOK} entries, all of the chain": partial(scan.newest_status, log, status),
        f"scan {LOOK} entries, none of the chain": partial(
            scan.newest_service, log, "demo.example", service
        ),
        f"fetch and prove {LOOK} entries": partial(client.entries, newest, size - LOOK),
    }
    samples = harness.compare(ways, rounds=60)
    print(harness.report(f"checks, tree of {size}", samples, unit="us", scale=1e6), flush=True)


def audit(client: LogClient, policy: LogPolicy, folder: Path, label: str) -> None:
    """Let a monitor read, prove, judge and remember everything; print time and memory.

    Many publishers sent at once, so the statuses stand in the log in another order than their
    numbers: every one of them is a fault to be looked up, which costs more than an honest log.
    """
    memory = MemoryLog()
    watch = Watch(
        log=policy,
        release=memory.signers(memory.release),
        status=memory.signers(memory.status),
        service=memory.signers(memory.service),
        name="demo.example",
    )
    newest = client.checkpoint()
    began = time.perf_counter()
    with opened(folder / "monitor.db", watch) as book:
        for _ in read(client, newest, book, watch, processes=CORES, keep=lambda *_: None):
            pass
        faults, passed = sum(book.faults.values()), sum(book.passed.values())
        counted = book.frontier.size
    seconds = time.perf_counter() - began
    assert counted == newest.checkpoint.size
    own, judge = (
        resource.getrusage(who).ru_maxrss // 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    derived = {
        "entries": counted,
        "faults": faults,
        "passed over": passed,
        "entries_per_second": round(counted / seconds),
        "memory_mib": {"reader": own, "largest process": judge},
        "bar_seconds_for_a_million": 180,
    }
    print(harness.report(label, {"all": [seconds]}, unit="s", scale=1, derived=derived), flush=True)


def smaller(sizes: tuple[int, ...], entries: int) -> Iterator[int]:
    """Give the sizes up to the number of entries asked for."""
    return (size for size in sizes if size <= entries)


def main() -> None:
    """Fill a log, measure on the way, read it all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--entries", type=int, default=100_000, choices=SIZES)
    sizes = list(smaller(SIZES, parser.parse_args().entries))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openpcc-bench-")))
        entries = folder / "entries"
        write_entries(entries, sizes[-1] + (SLICES + 1) * SLICE)
        plain = stack.enter_context(started(script("log_plain.py")))
        (folder / "world").mkdir()
        world = World(folder=folder / "world", log_options="")  # the defaults, as an operator has
        stack.callback(world.tear_down)
        world.set_up()
        appends(world, Publisher(entries), plain, sizes)
        client = LogClient(world.policy, from_disk(folder / "world" / "log"))
        proofs(client, world)
        audit(client, world.policy, folder, f"audit, tree of {sizes[-1]}")


if __name__ == "__main__":
    main()

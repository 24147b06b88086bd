"""What protection adds to the first token and to each further one, over the whole path.

Three ways to the same paced engine, in turns, all with the same HTTP client library:

    bare      client > engine
    plain     client > hop > hop > hop > engine               the same number of hops, in the clear
    sealed    client > relay > gateway > node agent > engine  the real programs; the client verifies

The sealed way ends when the client has authenticated the event, receipt included at the end.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench import harness
from bench.paced_engine import FIRST_TOKEN, PER_TOKEN
from bench.processes import Started, script, started, wait_for
from openpcc import OpenPCC
from openpcc.cli.demo import embedded_model
from openpcc.cli.demo.stack import DemoStack, EngineChoice

FIRST_ROUNDS, FIRST_TOKENS = 64, 2
DECODE_ROUNDS, DECODE_TOKENS = 7, 97
IDLE = 4.0
"""Seconds for which programs are watched at rest: publishers poll, which is no request's cost."""

PATH = "/v1/chat/completions"
BARS = {"first_token_ms": 1.0, "decode_percent": 1.9}


@dataclass(frozen=True, kw_only=True)
class Stream:
    """When the pieces of one answer came, in seconds after the request was made."""

    first: float
    last: float


@dataclass(frozen=True, kw_only=True)
class Hops:
    """Processor time spent so far, by part."""

    node: float
    hops: float
    client: float

    def less(self, other: "Hops") -> "Hops":
        """Subtract."""
        return Hops(
            node=self.node - other.node,
            hops=self.hops - other.hops,
            client=self.client - other.client,
        )

    def times(self, factor: float) -> "Hops":
        """Multiply."""
        return Hops(node=self.node * factor, hops=self.hops * factor, client=self.client * factor)


def read(pieces: Iterable[bytes], began: float) -> Stream:
    """Note when the first and the last token came; the end of the stream is read, not counted."""
    first = last = 0.0
    for piece in pieces:
        now = time.perf_counter() - began
        if b'"delta"' in piece:
            first, last = first or now, now
    return Stream(first=first, last=last)


def asker(client: httpx.Client, tokens: int) -> Callable[[], Stream]:
    """Make the call that asks for so many tokens."""
    body = {
        "model": "demo",
        "stream": True,
        "max_tokens": tokens,
        "messages": [{"role": "user", "content": "What is a list in Python?"}],
    }

    def ask() -> Stream:
        began = time.perf_counter()
        with client.stream("POST", PATH, json=body) as response:
            response.raise_for_status()
            return read(response.iter_raw(), began)

    return ask


@contextmanager
def plain_way(folder: Path) -> Iterator[tuple[str, list[Started], Path]]:
    """Run an engine of its own behind three plain hops."""
    socket = folder / "plain.sock"
    with ExitStack() as stack:
        stack.enter_context(
            started(script("paced_engine.py", "--uds", str(socket)), announces=False)
        )
        wait_for(socket)
        hops, upstream = [], f"unix:{socket}"
        for _ in range(3):
            hops.append(stack.enter_context(started(script("plain_hop.py", upstream))))
            upstream = hops[-1].url
        yield upstream, hops[::-1], socket


@contextmanager
def sealed_way(folder: Path) -> Iterator[DemoStack]:
    """Run the whole service; its nodes take the paced engine where they would take another."""
    engine = folder / "engine"  # stands where the engine's interpreter would
    command = " ".join(script("paced_engine.py"))
    engine.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    engine.chmod(0o700)
    choice = EngineChoice(kind="embedded", model=embedded_model(), python=engine)
    stack = DemoStack(folder / "stack", choice, lambda _: None)
    try:
        stack.start()
        yield stack
    finally:
        stack.close()


def idle(spent: dict[str, Callable[[], Hops]]) -> dict[str, Hops]:
    """Give what each part spends per second without any request."""
    before = {name: now() for name, now in spent.items()}
    time.sleep(IDLE)
    return {name: now().less(before[name]).times(1 / IDLE) for name, now in spent.items()}


def decode_cost(streams: list[Stream]) -> list[float]:
    """Give the seconds per token of each stream, after its first."""
    return [(one.last - one.first) / (DECODE_TOKENS - 1) for one in streams]


def first_token(ways: dict[str, httpx.Client]) -> None:
    """Measure and print the first figure."""
    asked = {name: asker(client, FIRST_TOKENS) for name, client in ways.items()}
    streams = harness.interleave(asked, rounds=FIRST_ROUNDS)
    samples = {name: [one.first for one in given] for name, given in streams.items()}
    samples["sealed - plain"] = harness.paired(samples, "sealed", "plain")
    bare, plain, sealed = (statistics.median(samples[name]) for name in ("bare", "plain", "sealed"))
    derived = {
        "engine_first_token_ms": FIRST_TOKEN * 1e3,
        "added_median_ms": round((sealed - plain) * 1e3, 3),
        "bar_ms": BARS["first_token_ms"],
        "sealed_over_bare_percent": round((sealed / bare - 1) * 100, 2),
        "plain_over_bare_percent": round((plain / bare - 1) * 100, 2),
        "published_percent": 6.73,
    }
    print(harness.report("time to first token", samples, unit="ms", scale=1e3, derived=derived))


def decode(ways: dict[str, httpx.Client], spent: dict[str, Callable[[], Hops]]) -> None:
    """Measure and print the second: time per token, and who spends processor time on it."""
    used: dict[str, list[Hops]] = {name: [] for name in spent}

    at_rest = idle(spent)

    def watched(name: str, ask: Callable[[], Stream]) -> Callable[[], Stream]:
        def run() -> Stream:
            began, before = time.perf_counter(), spent[name]()
            stream = ask()
            after, seconds = spent[name](), time.perf_counter() - began
            used[name].append(after.less(before).less(at_rest[name].times(seconds)))
            return stream

        return run

    asked = {name: watched(name, asker(ways[name], DECODE_TOKENS)) for name in spent}
    streams = harness.interleave(asked, rounds=DECODE_ROUNDS, warm_up=1)
    samples = {name: decode_cost(given) for name, given in streams.items()}
    bare, plain, sealed = (statistics.median(samples[name]) for name in ("bare", "plain", "sealed"))
    derived = {
        "engine_per_token_ms": PER_TOKEN * 1e3,
        "added_percent": round((sealed / plain - 1) * 100, 3),
        "added_percent_over_bare": round((sealed / bare - 1) * 100, 3),
        "bar_percent": BARS["decode_percent"],
        "published_percent": 3.78,
        "processor_us_per_token": {name: _per_token(used[name]) for name in spent},
    }
    print(harness.report("time per token", samples, unit="ms", scale=1e3, derived=derived))


def _per_token(used: list[Hops]) -> dict[str, float]:
    scale = 1e6 / DECODE_TOKENS
    return {
        part: round(statistics.median(getattr(one, part) for one in used) * scale, 1)
        for part in ("client", "hops", "node")
    }


def _spent(client: int, hops: list[int], node: list[int]) -> Callable[[], Hops]:
    def now() -> Hops:
        return Hops(
            client=harness.cpu_seconds(client),
            hops=sum(map(harness.cpu_seconds, hops)),
            node=sum(map(harness.cpu_seconds, node)),
        )

    return now


def main() -> None:
    """Start everything, measure, end everything."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openpcc-bench-")))
        plain_url, plain_hops, socket = stack.enter_context(plain_way(folder))
        service = stack.enter_context(sealed_way(folder))
        sealed = stack.enter_context(OpenPCC(service.client))
        bare = httpx.HTTPTransport(uds=str(socket))
        ways = {
            "bare": stack.enter_context(httpx.Client(transport=bare, base_url="http://engine")),
            "plain": stack.enter_context(httpx.Client(base_url=plain_url, trust_env=False)),
            "sealed": sealed.http,
        }
        me = os.getpid()
        relay, gateway = service.relay.process.pid, service.gateway.process.pid
        spent = {
            "bare": _spent(me, [], []),
            "plain": _spent(me, [one.pid for one in plain_hops[:2]], [plain_hops[2].pid]),
            "sealed": _spent(me, [relay, gateway], [one.process.pid for one in service.nodes]),
        }
        first_token(ways)
        decode(ways, spent)


if __name__ == "__main__":
    main()

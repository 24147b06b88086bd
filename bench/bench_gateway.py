"""Requests a second of the gateway's data path, beside a plain proxy in front of the same node.

    plain      load > hop (`plain_hop.py`) > node      the sealed request in the clear
    gateway    load > `openpcc-gateway` > node         the same one inside OHTTP with X-Wing

Closed loop, 32 connections, one load process; the node answers 1 KiB at once. The two take turns in
slices of some seconds. Every outer request is made beforehand and used once, because a gateway
refuses a second use. Processor time per request stands beside the rates: it tells what one core
would do, whoever else uses this machine.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvloop

from bench import harness
from bench.far_end import REPLY_SIZE
from bench.processes import Started, script, started
from gateway import keys
from gateway.publication import Publication, PublishedModel, PublishedNode
from openpcc.cli.installed import find
from openpcc.protocol import bhttp, chunked_ohttp, messages
from openpcc.protocol.hpke import KEM_XWING
from openpcc.protocol.key_config import KeyConfig, parse_configs
from openpcc.protocol.sealing import NodePrivateKey, seal_request

SERVICE = "demo.example"
CONNECTIONS = 32
SLICES, SLICE_REQUESTS = 7, 1500
K = 3
BAR_PERCENT = 45


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One turn of one way."""

    seconds: float
    processor: float


class Connection(asyncio.Protocol):
    """One connection of the load: sends the next request when the answer to the last has come."""

    def __init__(self, requests: Iterator[bytes], ended: asyncio.Future[None]) -> None:
        self._requests = requests
        self._ended = ended
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        """Wait for the end of the chunked answer; a short one is a refusal and stops the run."""
        self._size += len(data)
        if not data.endswith(b"0\r\n\r\n"):
            return
        if self._size < REPLY_SIZE:
            self._ended.set_exception(RuntimeError("an answer was shorter than the node's"))
            return
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell when it was not us who closed it."""
        if not self._ended.done():
            self._ended.set_exception(error or ConnectionError("closed early"))

    def _next(self) -> None:
        self._size = 0
        request = next(self._requests, None)
        if request is None:
            self._ended.set_result(None)
            self._transport.close()
        else:
            self._transport.write(request)  # type: ignore[attr-defined]


async def load(url: str, requests: list[bytes]) -> float:
    """Send all requests over `CONNECTIONS` connections; seconds until the last answer."""
    loop = asyncio.get_running_loop()
    host, port = url.removeprefix("http://").split(":")
    left, ends = iter(requests), []
    began = time.perf_counter()
    for _ in range(CONNECTIONS):
        end = loop.create_future()
        ends.append(end)
        await loop.create_connection(lambda end=end: Connection(left, end), host, int(port))  # type: ignore[misc]
    await asyncio.gather(*ends)
    return time.perf_counter() - began


def posted(path: str, kind: str, body: bytes) -> bytes:
    """Write a request as bytes on the wire."""
    fields = f"host: gateway\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}"
    return f"POST {path} HTTP/1.1\r\n{fields}\r\n\r\n".encode() + body


def sealed(nodes: list[NodePrivateKey]) -> bytes:
    """Seal a request of usual size to all nodes."""
    expires = (int(time.time()) + 299) // 60 * 60
    return seal_request(
        [one.node_key for one in nodes], b"x" * 700, model="demo", expires=expires, max_output=0
    ).body


def carried(body: bytes) -> bytes:
    """Write the request inside OHTTP."""
    request = bhttp.Request(
        method="POST",
        scheme="https",
        authority=SERVICE,
        path="/sealed",
        headers=(("content-type", messages.SEALED_REQUEST),),
        content=body,
    )
    return bhttp.encode_request(request, pad_to=messages.OUTER_PADDING)


def outer(config: KeyConfig, body: bytes) -> bytes:
    """Encapsulate once more: every outer request is new."""
    encapsulated, _ = chunked_ohttp.encapsulate(config, carried(body))
    return posted("/", messages.OHTTP_REQUEST, encapsulated)


def publish(path: Path, url: str, nodes: list[NodePrivateKey]) -> None:
    """Write the publication that makes the gateway know the node, under all keys."""
    path.write_bytes(
        Publication(
            service=SERVICE,
            index=6,
            status=4,
            sequence=2,
            not_after=int(time.time()) + 600,
            models=(PublishedModel(name="demo", size=1),),
            nodes=(PublishedNode(url=url, keys=tuple(n.id for n in nodes), leaf=bytes(32)),),
        ).encode()
    )


def gateway(stack: ExitStack, folder: Path, far_end: str) -> Started:
    """Start the real program, as an operator does, and wait until it is ready."""
    keys.generate(folder, now=int(time.time()))
    config = folder / "gateway.toml"
    config.write_text(
        f'service = "{SERVICE}"\nlisten = "127.0.0.1:0"\nohttp_keys = ["{keys.PRIVATE_NAME}"]\n'
        f'publisher = "{far_end}"\nlog = "{far_end}"\n'
    )
    return stack.enter_context(started([str(find("openpcc-gateway")), "--config", str(config)]))


def check(url: str, config: KeyConfig, body: bytes) -> None:
    """See once that the gateway passes the node's whole reply on; wait until it does."""
    for _ in range(100):
        encapsulated, opener = chunked_ohttp.encapsulate(config, carried(body))
        kind = {"content-type": messages.OHTTP_REQUEST}
        answer = httpx.post(url, content=encapsulated, headers=kind, trust_env=False)
        parts = [*opener.feed(answer.content), *opener.finish()]
        response = bhttp.decode_response(b"".join(parts))
        if response.status == 200:
            assert len(response.content) == REPLY_SIZE
            return
        time.sleep(0.1)
    raise RuntimeError("the gateway did not become ready")


def main() -> None:
    """Start, measure, print, end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openpcc-bench-")))
        nodes = [NodePrivateKey.generate(kem_id=KEM_XWING, key_id=one) for one in range(K)]
        publication = folder / "publication.json"
        far_end = stack.enter_context(started(script("far_end.py", str(publication))))
        publish(publication, far_end.url, nodes)
        real = gateway(stack, folder, far_end.url)
        plain = stack.enter_context(started(script("plain_hop.py", far_end.url)))
        answer = httpx.get(f"{real.url}/ohttp-keys", trust_env=False)
        config = parse_configs(answer.content)[0]
        assert config.kem_id == KEM_XWING
        body = sealed(nodes)
        check(real.url, config, body)
        clear = [posted("/sealed", messages.SEALED_REQUEST, body)] * SLICE_REQUESTS

        def turn(program: Started, requests: list[bytes]) -> Slice:
            before = harness.cpu_seconds(program.pid)
            seconds = uvloop.run(load(program.url, requests))
            return Slice(seconds=seconds, processor=harness.cpu_seconds(program.pid) - before)

        ways = {
            "plain": lambda: turn(plain, clear),
            "gateway": lambda: turn(real, [outer(config, body) for _ in range(SLICE_REQUESTS)]),
        }
        slices = harness.interleave(ways, rounds=SLICES, warm_up=1)
    print_results(slices, len(body))


def print_results(slices: dict[str, list[Slice]], size: int) -> None:
    """Print rates, and processor time per request."""
    rates = {name: [SLICE_REQUESTS / one.seconds for one in of] for name, of in slices.items()}
    spent = {name: [one.processor / SLICE_REQUESTS for one in of] for name, of in slices.items()}
    rate, cost = (
        {name: statistics.median(values) for name, values in of.items()} for of in (rates, spent)
    )
    derived = {
        "sealed_request_bytes": size,
        "connections": CONNECTIONS,
        "gateway_percent_of_plain": round(rate["gateway"] / rate["plain"] * 100, 1),
        "bar_percent": BAR_PERCENT,
    }
    title = "gateway data path"
    print(harness.report(title, rates, unit="requests/s", scale=1, derived=derived))
    derived = {"gateway_percent_of_plain": round(cost["plain"] / cost["gateway"] * 100, 1)}
    title = "processor time of a request"
    print(harness.report(title, spent, unit="us", scale=1e6, derived=derived))


if __name__ == "__main__":
    main()

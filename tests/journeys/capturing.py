"""Takes down what passes on both sides of a relay, and searches it in every spelling."""

import base64
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import httpx

from gateway import keys
from gateway.decapsulation import Decapsulation
from gateway.errors import KeyRefusedError, RefusedError
from openpcc import OpenPCC
from openpcc.cli.demo.keys import SERVICE
from openpcc.cli.demo.programs import Program
from openpcc.cli.demo.stack import MODEL, DemoStack
from tests.fakes.wire import Tap

ADDRESS = IPv4Address("127.77.66.55")
"""The client's address: all of 127/8 is this machine, and no other program is here."""

PROMPT = "quokka-5520 lives beside the wombat"
SHORTEST = 4
"""Bytes of a needle: shorter ones stand in any ciphertext."""


def spellings(secret: bytes) -> dict[str, bytes]:
    """Give the ways a secret may stand in bytes."""
    found = {"raw": secret, "hex": secret.hex().encode(), "HEX": secret.hex().upper().encode()}
    for offset, begin in enumerate((0, 2, 3)):
        coded = base64.b64encode(bytes(offset) + secret).rstrip(b"=")
        whole = (offset + len(secret)) % 3 == 0
        inner = coded[begin : None if whole else -1]  # a border depends on what stands beside it
        found[f"base64 {offset}"] = inner
        found[f"base64url {offset}"] = inner.replace(b"+", b"-").replace(b"/", b"_")
    return {name: needle for name, needle in found.items() if len(needle) >= SHORTEST}


def unpacked(data: bytes) -> Iterator[bytes]:
    """Give the bytes as they are, and whatever in them is gzip or zlib."""
    yield data
    for magic, bits in ((b"\x1f\x8b\x08", 31), (b"\x78\x9c", 15), (b"\x78\xda", 15)):
        at = data.find(magic)
        while at >= 0:
            try:
                yield zlib.decompressobj(bits).decompress(data[at:], 1 << 20)
            except zlib.error:
                pass
            at = data.find(magic, at + 1)


def search(data: bytes, secrets_: dict[str, bytes]) -> set[str]:
    """Name the secrets that stand in the bytes, in whatever spelling."""
    return {
        name
        for text in unpacked(data)
        for name, secret in secrets_.items()
        if any(needle in text for needle in spellings(secret).values())
    }


def of_client() -> dict[str, bytes]:
    """What the gateway must never see."""
    return {
        "address": str(ADDRESS).encode(),
        "packed address": ADDRESS.packed,
        "address as a number": str(int(ADDRESS)).encode(),
    }


def of_request(client: OpenPCC) -> dict[str, bytes]:
    """What the relay must never see."""
    snapshot = client.transport.book.snapshot
    assert snapshot is not None
    nodes = [row.node for row in snapshot.judged[MODEL] if row.node is not None]
    assert len(nodes) == 2
    return {
        "prompt": PROMPT.encode(),
        "model": MODEL.encode(),
        "model id": hashlib.sha256(MODEL.encode()).digest(),
        "service": SERVICE.encode(),
        **{f"node key {number}": node.key_id for number, node in enumerate(nodes)},
    }


@dataclass(frozen=True, kw_only=True)
class Capture:
    """Both wires, and the programs that they connect.

    Attributes:
        near: between client and relay; far: between relay and gateway.
        config: the client's configuration.
    """

    near: Tap
    far: Tap
    relay: Program
    client: OpenPCC
    config: Path


@contextmanager
def capturing(stack: DemoStack, name: str) -> Iterator[Capture]:
    """Run a relay of our own between two taps, and a client behind it."""
    with ExitStack() as open_:
        far = open_.enter_context(Tap(stack.gateway.listening))
        config = stack.folder / f"{name}-relay.toml"
        config.write_text(f'listen = "127.0.0.1:0"\ngateway = "{far.url}"\n')
        relay = stack.programs.start(f"{name}-relay", "openpcc-relay", ["--config", str(config)])
        open_.callback(stack.programs.stop, relay)
        near = open_.enter_context(Tap(relay.listening, source=str(ADDRESS)))
        config = stack.write_client(name, near.url)
        client = open_.enter_context(OpenPCC(config))
        yield Capture(near=near, far=far, relay=relay, client=client, config=config)


def decapsulated(stack: DemoStack, bodies: Iterable[bytes]) -> bytes:
    """Open what came to the gateway with the gateway's own key."""
    ring = keys.load((stack.folder / "ohttp" / keys.PRIVATE_NAME,))
    found = []
    for body in bodies:
        opening = Decapsulation(ring)
        try:
            opening.feed(body)
            found.append(opening.finish().message)
        except (KeyRefusedError, RefusedError):
            found.append(body)  # no request for this gateway: planted, or without a body
    return b"\n".join(found)


def told(*programs: Program) -> bytes:
    """Give what programs wrote to their logs and say in their metrics."""
    logs = [program.log.read_bytes() for program in programs]
    pages = [httpx.get(f"{program.control}/metrics", trust_env=False) for program in programs]
    return b"\n".join([*logs, *(page.content for page in pages)])


def ask(client: OpenPCC, **more: object) -> None:
    """Put the question whose words are searched for."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 16}
    assert client.http.post("/v1/chat/completions", json=body | more).status_code == 200

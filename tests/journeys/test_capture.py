"""What passes on both sides of the relay, taken down byte by byte and searched.

The relay must see no model, no node and no token; the gateway no client address, not even in what
it decrypts. The search is worth something only if it finds what is planted, in every spelling.
"""

import base64
import gzip
import hashlib
import secrets
import ssl
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address

import httpx
import pytest

from gateway import keys
from gateway.decapsulation import Decapsulation
from gateway.errors import KeyRefusedError, RefusedError
from openpcc import OpenPCC, clock
from openpcc.cli.demo.keys import SERVICE
from openpcc.cli.demo.programs import Program
from openpcc.cli.demo.stack import MODEL, DemoStack
from openpcc.protocol import bhttp, chunked_ohttp, messages
from openpcc.protocol.key_config import parse_configs
from tests.fakes.wire import Tap

ADDRESS = IPv4Address("127.77.66.55")
"""The client's address: all of 127/8 is this machine, and no other program is here."""

PROMPT = "quokka-5520 lives beside the wombat"
TOKEN = b"token " + secrets.token_bytes(448)
"""As long as a token with its proof, and in no way one."""

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Never used, as nothing here speaks TLS; making one for every request would take most time."""

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
        "token": TOKEN,
        **{f"node key {number}": node.key_id for number, node in enumerate(nodes)},
    }


@dataclass(frozen=True, kw_only=True)
class Capture:
    """Both wires, and the programs that they connect.

    Attributes:
        near: between client and relay; far: between relay and gateway.
    """

    near: Tap
    far: Tap
    relay: Program
    client: OpenPCC


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
        client = open_.enter_context(OpenPCC(stack.write_client(name, near.url)))
        yield Capture(near=near, far=far, relay=relay, client=client)


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


def pay(capture: Capture) -> None:
    """Send a request with a token, as a client with a wallet lays it beside the sealed body."""
    config = parse_configs(httpx.get(f"{capture.near.url}/ohttp-keys", trust_env=False).content)[0]
    line = base64.b64encode(TOKEN).decode()
    request = bhttp.Request(
        method="POST",
        scheme="https",
        authority=SERVICE,
        path="/sealed",
        headers=(("content-type", messages.SEALED_REQUEST), ("openpcc-token", line)),
        content=b"not sealed: the gateway refuses it, but reads the token first",
    )
    message = bhttp.encode_request(request, pad_to=messages.OUTER_PADDING)
    body, _ = chunked_ohttp.encapsulate(config, message)
    kind = {"content-type": messages.OHTTP_REQUEST}
    answer = httpx.post(capture.near.url, content=body, headers=kind, trust_env=False)
    assert answer.status_code == 200


def ask(client: OpenPCC, **more: object) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 16}
    assert client.http.post("/v1/chat/completions", json=body | more).status_code == 200


@pytest.fixture(scope="module")
def capture(stack: DemoStack) -> Iterator[Capture]:
    """Everything a client does: it looks at the service, asks, streams, and pays."""
    with capturing(stack, "captured") as found:
        ask(found.client)
        ask(found.client, stream=True)
        found.client.transport.book.refresh(clock.now())
        pay(found)
        yield found


def test_the_relay_never_sees_model_node_token_or_prompt(capture: Capture) -> None:
    passed = capture.near.everything() + capture.far.everything()
    assert len(passed) > 20_000
    assert search(passed, of_request(capture.client)) == set()
    assert search(told(capture.relay), of_request(capture.client) | of_client()) == set()


def test_the_gateway_never_sees_the_clients_address(capture: Capture, stack: DemoStack) -> None:
    opened = decapsulated(stack, capture.far.bodies())
    assert search(capture.far.everything() + opened, of_client()) == set()
    operators = [one for one in stack.programs.running if one is not capture.relay]
    assert search(told(*(one for one in operators if one.control)), of_client()) == set()


def test_the_gateway_sees_just_what_it_may(capture: Capture, stack: DemoStack) -> None:
    """All but the prompt, and no address: the decryption has really shown what it sees."""
    expected = of_request(capture.client)
    seen = search(decapsulated(stack, capture.far.bodies()), expected | of_client())
    assert seen == set(expected) - {"prompt"}


def test_a_client_that_leaks_is_found_at_the_relay(capture: Capture) -> None:
    for name, secret in of_request(capture.client).items():
        for spelling, needle in spellings(secret).items():
            text = b"before " + needle + b" after"
            for body in (text, gzip.compress(text)) if spelling == "raw" else (text,):
                with Tap(capture.relay.listening) as tap:
                    plant(tap.url, body)
                    assert search(tap.everything(), {name: secret}) == {name}, spelling


@pytest.mark.parametrize("field", ["x-forwarded-for", "forwarded", "via", "x-client"])
def test_a_relay_that_leaks_is_found_at_the_gateway(stack: DemoStack, field: str) -> None:
    with Tap(stack.gateway.listening) as tap:
        plant(tap.url, b"", {field: f"for={ADDRESS}"})
        assert search(tap.everything(), of_client()) == {"address"}
    with Tap(stack.gateway.listening) as tap:
        plant(tap.url, base64.b64encode(b"a" + ADDRESS.packed + b"b"))
        assert search(tap.everything(), of_client()) == {"packed address"}


def plant(url: str, body: bytes, fields: dict[str, str] | None = None) -> None:
    """Send what nobody should; whoever gets it refuses it."""
    kind = {"content-type": messages.OHTTP_REQUEST}
    with httpx.Client(trust_env=False, verify=PLAIN) as client:
        answer = client.post(url, content=body, headers=kind | (fields or {}))
    assert answer.status_code >= 400

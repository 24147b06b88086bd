"""A relay and a gateway in front of scripted nodes, and a client that speaks OHTTP to them."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from gateway import keys
from gateway.config import GatewayConfig, RelayConfig
from gateway.main import GatewayProgram
from gateway.publication import (
    Publication,
    PublishedModel,
    PublishedNode,
    PublishedTokens,
)
from gateway.relay import Relay
from openpcc.protocol import bhttp, chunked_ohttp, messages
from openpcc.protocol.hpke import KEM_X25519
from openpcc.protocol.key_config import parse_configs
from openpcc.protocol.sealing import NodeKey, NodePrivateKey, SealedRequest, seal_request
from tests.fakes.node import FarEnd, Files, Script
from tests.fakes.serving import Served

SERVICE = "demo.example"
CLOSES = httpx.Limits(max_keepalive_connections=0)
"""No connection is left over for a client that nobody closes."""

OHTTP_HEADERS = {"content-type": messages.OHTTP_REQUEST}


def sealed_for(*nodes: NodeKey, content: bytes = b"hello", ahead: int = 120) -> SealedRequest:
    expires = (int(time.time()) + ahead + 59) // 60 * 60
    return seal_request(nodes, content, model="demo", expires=expires, max_output=0)


def sealed_post(body: bytes) -> bhttp.Request:
    return bhttp.Request(
        method="POST",
        scheme="https",
        authority=SERVICE,
        path="/sealed",
        headers=(("content-type", messages.SEALED_REQUEST),),
        content=body,
    )


def get(path: str) -> bhttp.Request:
    return bhttp.Request(method="GET", scheme="https", authority=SERVICE, path=path)


@dataclass
class Service:
    """Everything that runs, and how to talk to it."""

    publisher: Files
    log: Files
    node_keys: list[NodePrivateKey]
    nodes: list[FarEnd]
    gateway: str = ""
    relay: str = ""
    program: GatewayProgram = field(init=False, repr=False)
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60, limits=CLOSES))
    stack: ExitStack = field(default_factory=ExitStack)

    def config(self, which: int = 0):
        found = self.client.get(f"{self.relay}/ohttp-keys")
        assert found.headers["content-type"] == messages.OHTTP_KEYS
        return parse_configs(found.content)[which]

    def encapsulate(self, request: bhttp.Request, which: int = 0):
        message = bhttp.encode_request(request, pad_to=messages.OUTER_PADDING)
        return chunked_ohttp.encapsulate(self.config(which), message)

    def exchange(self, request: bhttp.Request, which: int = 0) -> bhttp.Response:
        body, opener = self.encapsulate(request, which)
        answer = self.client.post(self.relay, content=body, headers=OHTTP_HEADERS)
        return open_answer(answer, opener)

    def seal(self, *which: int, **more) -> SealedRequest:
        return sealed_for(*(self.node_keys[one].node_key for one in which), **more)


def open_answer(answer: httpx.Response, opener: chunked_ohttp.ResponseOpener) -> bhttp.Response:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == messages.OHTTP_RESPONSE
    parts = [*opener.feed(answer.content), *opener.finish()]
    return bhttp.decode_response(b"".join(parts))


def code_of(response: bhttp.Response) -> str | None:
    return messages.decode_error(response.content)


def publication(
    urls: list[str],
    ids: list[bytes],
    *,
    valid: int = 600,
    tokens: PublishedTokens | None = None,
) -> Publication:
    return Publication(
        tokens=tokens,
        service=SERVICE,
        index=6,
        status=4,
        sequence=2,
        not_after=int(time.time()) + valid,
        models=(PublishedModel(name="demo", size=len(urls)),),
        nodes=tuple(
            PublishedNode(url=url, keys=(key,), leaf=bytes(32))
            for url, key in zip(urls, ids, strict=True)
        ),
    )


@contextmanager
def service(
    folder: Path,
    *scripts: Script,
    tokens: PublishedTokens | None = None,
    wait: bool = True,
    **settings,
) -> Iterator[Service]:
    """Run a relay and a gateway, and wait until it is ready; each script is a node.

    With tokens, name the `spent` set too.
    """
    with ExitStack() as stack:
        nodes = [stack.enter_context(FarEnd(script)) for script in scripts]
        private = [NodePrivateKey.generate(kem_id=KEM_X25519, key_id=1) for _ in nodes]
        publisher, log = Files(), Files()
        found = Service(publisher=publisher, log=log, node_keys=private, nodes=nodes, stack=stack)
        stack.enter_context(found.client)
        urls, ids = [one.url for one in nodes], [one.id for one in private]
        document = publication(urls, ids, tokens=tokens)
        private_keys = made_keys(folder)
        publisher.by_path["/publication"] = document.encode()
        publisher.by_path["/ohttp-keys"] = private_keys.with_name(keys.PUBLIC_NAME).read_bytes()
        config = GatewayConfig(
            service=SERVICE,
            ohttp_keys=(private_keys,),
            publisher=stack.enter_context(FarEnd(publisher)).url,
            log=stack.enter_context(FarEnd(log)).url,
            listen="127.0.0.1:0",
            poll=0.05,
            admission="open" if tokens is None else "tokens",
            **settings,
        )
        found.program = program = GatewayProgram(config)
        found.gateway = stack.enter_context(Served(program, config)).url
        relay = RelayConfig(gateway=found.gateway, listen="127.0.0.1:0")
        found.relay = stack.enter_context(Served(Relay(relay), relay)).url
        if wait:
            eventually(program.ready)
        yield found


def made_keys(folder: Path) -> Path:
    path = folder / keys.PRIVATE_NAME
    if not path.exists():
        keys.generate(folder, now=1_800_000_000)
    return path


def eventually(claim, within: float = 10.0) -> None:
    """Wait until something is so; a generous bound, so that a slow machine does not matter."""
    end = time.monotonic() + within
    while not claim():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


class RawPost:
    """A POST on a bare socket, to see what a client library would hide."""

    def __init__(
        self, url: str, body: bytes, headers: dict[str, str] | None = None, *, receive: int = 0
    ) -> None:
        """Send a request; `receive` bounds what the kernel takes before it is read."""
        host, port = url.removeprefix("http://").split(":")
        self.socket = socket.socket()
        if receive:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self.socket.settimeout(10)
        self.socket.connect((host, int(port)))
        fields = {"host": host, **OHTTP_HEADERS, **(headers or {})}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        head = f"POST / HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n"
        self.socket.sendall(head.encode() + body)

    def __enter__(self) -> "RawPost":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def head(self) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, self._rest = data.split(b"\r\n\r\n", 1)
        return head

    def chunk(self) -> bytes:
        """Read one HTTP chunk."""
        while b"\r\n" not in self._rest:
            self._rest += self._receive()
        size, self._rest = self._rest.split(b"\r\n", 1)
        wanted = int(size, 16) + 2
        while len(self._rest) < wanted:
            self._rest += self._receive()
        data, self._rest = self._rest[: wanted - 2], self._rest[wanted:]
        return data

    def rest(self) -> bytes:
        """Read until the other side closes."""
        data = self._rest
        while True:
            try:
                part = self.socket.recv(1 << 16)
            except ConnectionResetError:
                return data
            if not part:
                return data
            data += part

    def close(self) -> None:
        self.socket.close()

    def _receive(self) -> bytes:
        part = self.socket.recv(1 << 16)
        assert part, "the connection was closed"
        return part

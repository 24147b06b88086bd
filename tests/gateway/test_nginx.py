"""The relay behind a real nginx, configured by the very text of docs/relay.md."""

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from gateway.config import RelayConfig
from gateway.config_file import load
from gateway.relay import Relay
from openpcc.protocol import messages
from tests.fakes.nginx import Nginx, free_port
from tests.fakes.node import Exchange, replies
from tests.fakes.serving import Served
from tests.fakes.tls import Authority
from tests.gateway.service import OHTTP_HEADERS, eventually, open_answer, sealed_post, service

CLIENT = "127.0.0.77"

TRACES = ("x-forwarded-for", "x-real-ip", "forwarded", "via", "x-client")


def block(root: Path, kind: str) -> str:
    """Give a block of the page."""
    (found,) = re.findall(rf"```{kind}\n(.*?)```", (root / "docs" / "relay.md").read_text(), re.S)
    return str(found)


@dataclass
class Upstream:
    """What stands for the gateway: raw bytes in, and an answer in pieces when the test says."""

    received: bytearray = field(default_factory=bytearray)
    peers: list[str] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)
    connections: int = 0

    def __enter__(self) -> "Upstream":
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                self.connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._read, args=(self.connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(1 << 16):
                    self.received += data
            except OSError:
                pass
            self.gone.set()

    def start(self) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {messages.OHTTP_RESPONSE}\r\n"
        self.connection.sendall(f"{head}transfer-encoding: chunked\r\n\r\n".encode())

    def chunk(self, data: bytes) -> None:
        self.connection.sendall(b"%x\r\n%b\r\n" % (len(data), data))

    def answer(self, number: int) -> None:
        """Answer the request of this number, from 0, once all of it has come."""
        eventually(lambda: self.received.count(b"sealed\r\n0\r\n\r\n") > number)
        self.start()
        self.chunk(b"reply")
        self.connection.sendall(b"0\r\n\r\n")

    def fields(self) -> dict[str, str]:
        head = bytes(self.received).split(b"\r\n\r\n", 1)[0].decode().lower()
        return dict(line.split(": ", 1) for line in head.split("\r\n")[1:])


@dataclass
class Front:
    """nginx with TLS before a relay."""

    url: str
    nginx: Nginx
    trusting: ssl.SSLContext

    def connect(self) -> ssl.SSLSocket:
        raw = socket.create_connection(
            ("127.0.0.1", self.nginx.port), timeout=20, source_address=(CLIENT, 0)
        )
        return self.trusting.wrap_socket(raw, server_hostname="relay.example")


@contextmanager
def front(root: Path, folder: Path, gateway: str, more: str = "") -> Iterator[Front]:
    """Run relay and nginx; the page's text with the test's addresses, and `more` in `location`."""
    authority = Authority(folder / "tls")
    files = authority.issue("relay.example", "127.0.0.1")
    config = RelayConfig(gateway=gateway, listen="127.0.0.1:0")
    port = free_port()
    with Served(Relay(config), config) as relay:
        text = block(root, "nginx")
        for old, new in (
            ("server 127.0.0.1:8000;", f"server {relay.url.removeprefix('http://')};"),
            ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
            ("/etc/openpcc/relay.pem", str(files.certificate)),
            ("/etc/openpcc/relay.key", str(files.key)),
            ("proxy_buffering off;", f"proxy_buffering off; {more}"),
        ):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        with Nginx(folder / "nginx", port, text) as nginx:
            yield Front(url=f"https://127.0.0.1:{port}", nginx=nginx, trusting=authority.trusting())


ADDED = "".join(
    f"proxy_set_header {name} {CLIENT};"
    for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "Via", "X-Client", "Cookie")
)


@pytest.mark.parametrize("more", ["", ADDED], ids=["as on the page", "with traces added"])
def test_nothing_of_the_client_reaches_the_gateway(root: Path, tmp_path: Path, more: str) -> None:
    with Upstream() as upstream, front(root, tmp_path, upstream.url, more) as found:
        with found.connect() as client:
            fields = {**OHTTP_HEADERS, "host": "relay.example", "user-agent": "canary"}
            fields |= dict.fromkeys(TRACES, CLIENT)
            head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            client.sendall(
                f"POST / HTTP/1.1\r\n{head}content-length: 5\r\n\r\nsealed"[:-1].encode()
            )
            eventually(lambda: upstream.received.endswith(b"0\r\n\r\n"))
            assert upstream.fields() == {
                "host": upstream.url.removeprefix("http://"),
                "content-type": messages.OHTTP_REQUEST,
                "incremental": "?1",
                "transfer-encoding": "chunked",
            }
        assert CLIENT.encode() not in upstream.received
        assert b"canary" not in upstream.received
    assert CLIENT not in found.nginx.written()


def test_both_ways_are_streams(root: Path, tmp_path: Path) -> None:
    with (
        Upstream() as upstream,
        front(root, tmp_path, upstream.url) as found,
        found.connect() as client,
    ):
        head = "".join(f"{name}: {value}\r\n" for name, value in OHTTP_HEADERS.items())
        client.sendall(
            f"POST / HTTP/1.1\r\nhost: relay.example\r\n{head}"
            "transfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n".encode()
        )
        eventually(lambda: b"first" in upstream.received)  # and the client owes the rest
        client.sendall(b"4\r\nlast\r\n0\r\n\r\n")
        eventually(lambda: upstream.received.endswith(b"last\r\n0\r\n\r\n"))
        upstream.start()
        seen = b""
        for number in range(3):
            upstream.chunk(f"piece {number};".encode())
            while f"piece {number};".encode() not in seen:  # before the next one is sent
                part = client.recv(1 << 16)
                assert part
                seen += part
        assert not upstream.gone.is_set()
        client.close()
        assert upstream.gone.wait(20)


def test_all_clients_share_one_pool(root: Path, tmp_path: Path) -> None:
    with Upstream() as upstream, front(root, tmp_path, upstream.url) as found:
        for number, address in enumerate((CLIENT, "127.0.0.78", "127.0.0.79")):
            transport = httpx.HTTPTransport(verify=found.trusting, local_address=address)
            with httpx.Client(transport=transport) as client:
                thread = threading.Thread(target=upstream.answer, args=(number,))
                thread.start()
                answer = client.post(found.url, content=b"sealed", headers=OHTTP_HEADERS)
                thread.join(20)
                assert answer.content == b"reply"
        assert upstream.connections == 1


def test_a_request_and_its_cancelling_go_all_the_way(root: Path, tmp_path: Path) -> None:
    left = threading.Event()

    async def endless(exchange: Exchange) -> None:
        await exchange.start()
        await exchange.chunk(b"first")
        await exchange.gone()
        left.set()

    with ExitStack() as stack:
        found = stack.enter_context(service(tmp_path, replies(b"one", b"two")))
        behind = stack.enter_context(front(root, tmp_path, found.gateway))
        client = stack.enter_context(
            httpx.Client(verify=behind.trusting, transport=_from(behind.trusting))
        )
        assert client.get(f"{behind.url}/ohttp-keys").content
        body, opener = found.encapsulate(sealed_post(found.seal(0).body), 1)
        answer = open_answer(client.post(behind.url, content=body, headers=OHTTP_HEADERS), opener)
        assert (answer.status, answer.content) == (200, b"onetwo")
        found.nodes[0].script = endless
        body, _ = found.encapsulate(sealed_post(found.seal(0).body), 1)
        with client.stream("POST", behind.url, content=body, headers=OHTTP_HEADERS) as stream:
            next(stream.iter_raw())
        assert left.wait(20)
        assert CLIENT not in behind.nginx.written()


def _from(trusting: ssl.SSLContext) -> httpx.HTTPTransport:
    return httpx.HTTPTransport(verify=trusting, local_address=CLIENT)


def test_the_settings_on_the_page_are_settings(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "relay.toml"
    path.write_text(block(root, "toml relay"))
    assert load(path, RelayConfig).notice == 5

"""Through relay and gateway: what a client holds back cannot keep a node at work."""

import asyncio
import socket
import threading
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from gateway.config import RelayConfig
from gateway.relay import Relay
from openpcc.protocol import chunks, messages
from openpcc.protocol.errors import TruncatedError
from tests.fakes.node import FarEnd, replies
from tests.fakes.serving import Served
from tests.gateway.service import OHTTP_HEADERS, RawPost, code_of, sealed_post, service
from transparency_log.server.bounded_http import BoundedHttpProtocol

HELD = 64 << 20
"""Bytes: socket buffers of the kernel's (six, of up to 6 MiB each) and little beside them."""


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("head_time", "body_silence", "write_time"):
        monkeypatch.setattr(BoundedHttpProtocol, name, 0.5)
    monkeypatch.setattr(BoundedHttpProtocol, "look_time", 0.05)


def test_a_client_that_never_reads_stops_the_node(tmp_path: Path) -> None:
    stopped = threading.Event()

    async def script(exchange) -> None:
        await exchange.start()
        try:
            while True:
                await exchange.chunk(bytes(1 << 16))
        finally:
            stopped.set()

    with service(tmp_path, script) as found:
        body, _ = found.encapsulate(sealed_post(found.seal(0).body), 1)
        with RawPost(found.relay, body):
            assert stopped.wait(60)


@pytest.mark.parametrize("drip", [0, 512])
def test_a_client_that_reads_too_little_makes_nobody_hold_much_and_is_cut(
    tmp_path: Path, drip: int
) -> None:
    """Of a flood, relay and gateway accept what buffers hold; then they wait, and then they cut."""
    stopped, piece = threading.Event(), bytes(1 << 16)
    sent = 0

    async def script(exchange) -> None:
        nonlocal sent
        await exchange.start()
        try:
            while True:
                await exchange.chunk(piece)
                sent += len(piece)
        finally:
            stopped.set()

    with service(tmp_path, script) as found:
        body, _ = found.encapsulate(sealed_post(found.seal(0).body), 1)
        with RawPost(found.relay, body, receive=4096) as client:
            while not stopped.wait(0.1):
                client.socket.recv(drip)
    assert sent < HELD


def test_a_reply_without_end_is_cut_at_the_last_chunk_a_key_may_seal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound is 2^24 chunks; here it is 40, and the client sees a reply without its end."""
    stopped = threading.Event()

    async def script(exchange) -> None:
        await exchange.start()
        try:
            while True:
                await exchange.chunk(bytes(2066))
                await asyncio.sleep(0.001)
        finally:
            stopped.set()

    with service(tmp_path, script) as found:
        body, opener = found.encapsulate(sealed_post(found.seal(0).body), 1)
        monkeypatch.setattr(chunks, "MAX_CHUNKS", 40)
        with (
            httpx.stream("POST", found.relay, content=body, headers=OHTTP_HEADERS) as answer,
            suppress(httpx.RemoteProtocolError),  # how the library says: it broke off
        ):
            for data in answer.iter_raw():
                opener.feed(data)
        assert stopped.wait(20)
        with pytest.raises(TruncatedError):
            opener.finish()


def ended(peer: socket.socket) -> bool:
    """Say whether the server hung up, at most after an error.

    The relay answers one if the gateway, as hasty here, loses its patience first.
    """
    said = b""
    try:
        while piece := peer.recv(4096):
            said += piece
    except ConnectionResetError:
        pass
    return not said or said.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))


@pytest.mark.parametrize("program", ["relay", "gateway"])
def test_a_client_that_stops_sending_is_cut(
    tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with service(tmp_path, replies(b"x")) as found:
        body, _ = found.encapsulate(sealed_post(found.seal(0).body), 1)
        host, port = getattr(found, program).removeprefix("http://").split(":")
        head = f"POST / HTTP/1.1\r\ncontent-type: {messages.OHTTP_REQUEST}\r\n"
        with socket.create_connection((host, int(port)), timeout=20) as peer:
            peer.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body[:-1])
            assert ended(peer)
        monkeypatch.undo()  # a busy machine may need longer than a hasty server waits
        answer = found.exchange(sealed_post(found.seal(0).body), 1)
        assert (answer.status, code_of(answer), len(found.nodes[0].got)) == (200, None, 1)


@pytest.mark.parametrize("status", [204, 302, 418, 599, 600, 999])
def test_relay_passes_no_status_that_is_not_documented(status: int) -> None:
    async def far_gateway(exchange) -> None:
        await exchange.answer(status, b"", [("content-type", messages.OHTTP_RESPONSE)])

    with FarEnd(far_gateway) as gateway:
        config = RelayConfig(gateway=gateway.url, listen="127.0.0.1:0")
        with Served(Relay(config), config) as relay:
            headers = {"content-type": messages.OHTTP_REQUEST}
            answer = httpx.post(relay.url, content=b"x", headers=headers)
            assert answer.status_code == 502


def test_an_asterisk_is_no_path(tmp_path: Path) -> None:
    with service(tmp_path, replies(b"x")) as found:
        for url in (found.relay, found.gateway):
            host, port = url.removeprefix("http://").split(":")
            with socket.create_connection((host, int(port)), timeout=20) as peer:
                peer.sendall(b"OPTIONS * HTTP/1.1\r\nconnection: close\r\n\r\n")
                assert peer.recv(4096).startswith(b"HTTP/1.1 404")

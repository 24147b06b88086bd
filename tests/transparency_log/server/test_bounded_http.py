"""transparency_log/server/bounded_http.py on real sockets: whoever holds a connection loses it.

Each test is one way to hold one. The times are shortened; that they are waited for is the claim.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
import uvloop

from transparency_log.server.bounded_http import BoundedHttpProtocol, most_connections

CHUNKED = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class Hasty(BoundedHttpProtocol):
    head_time = body_silence = linger_time = write_time = 0.3
    body_time = 1.0
    look_time = 0.05


class App:
    """Reads the body, then does as a test says; notes what it saw."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[tuple[bytes, bytes]] = []
        self.left = threading.Event()
        self.release = threading.Event()
        self.then: Callable[[Any, Any], Awaitable[None]] = self.answer

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left.set()
                return
            body += message["body"]
            more = message["more_body"]
        self.bodies.append(body)
        self.headers = list(scope["headers"])
        await self.then(receive, send)

    async def answer(self, receive: Any, send: Any) -> None:
        await start(send, [(b"content-length", b"2")])
        await send({"type": "http.response.body", "body": b"ok"})

    async def wait_for_departure(self, receive: Any, send: Any) -> None:
        await start(send)
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        assert (await receive())["type"] == "http.disconnect"
        self.left.set()

    async def flood(self, receive: Any, send: Any) -> None:
        """Reply for ever, as an engine would whose client has stopped to read."""
        await start(send)
        gone = asyncio.ensure_future(receive())
        while not gone.done():
            await send({"type": "http.response.body", "body": bytes(1 << 16), "more_body": True})
            await asyncio.sleep(0)
        self.left.set()


async def start(send: Any, headers: Any = ()) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": list(headers)})


@contextmanager
def serving(
    app: Any, protocol: type[BoundedHttpProtocol] = Hasty, **settings: Any
) -> Iterator[int]:
    """Serve on a free port, on the loop that the programs use."""
    bound = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=protocol, ws="none", lifespan="off", log_config=None, access_log=False, **settings
    )
    server = uvicorn.Server(config)

    def main() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(server._serve([bound]))

    thread = threading.Thread(target=main, daemon=True)
    thread.start()
    try:
        yield bound.getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)
        bound.close()


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def port(app: App) -> Iterator[int]:
    with serving(app) as found:
        yield found


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def rest(connection: socket.socket) -> bytes:
    """Read until the other side closes, however it does."""
    data = b""
    while True:
        try:
            part = connection.recv(1 << 16)
        except ConnectionError:
            return data
        if not part:
            return data
        data += part


def send(connection: socket.socket, data: bytes) -> None:
    """Send as much as the other side lets."""
    try:
        connection.sendall(data)
    except OSError:
        pass


def test_serves_requests_one_after_another(app: App, port: int) -> None:
    with connect(port) as peer:
        for content in (b"a", b"b" * 200_000):
            peer.sendall(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(content) + content)
            assert peer.recv(4096).endswith(b"ok")
    assert app.bodies == [b"a", b"b" * 200_000]


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 200_000,
        b"GET / HTTP/1.1\r\nx: " + b"a" * 200_000,
        b"GET / HTTP/1.1\r\n" + b"x: a\r\n" * 40_000,
        b"GET / HTTP/1.1\r\n" + b"x" * 200_000,
        b"GET / HTTP/1.1\r\nx: " + b"a" * 40_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"x:\r\n" * 1000 + b"\r\n",
    ],
    ids=["target", "field value", "many fields", "field name", "whole head", "empty fields"],
)
def test_refuses_a_head_over_the_limit(app: App, port: int, head: bytes) -> None:
    with connect(port) as peer:
        send(peer, head)
        answer = rest(peer)
    assert answer.startswith(b"HTTP/1.1 413 ") or answer == b""  # a reset may overtake it
    assert app.bodies == []


def test_takes_a_head_under_the_limit(app: App, port: int) -> None:
    with connect(port) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nx: " + b"a" * 30_000 + b"\r\n\r\n")
        assert peer.recv(4096).startswith(b"HTTP/1.1 200")


def test_says_what_it_refuses(port: int) -> None:
    with connect(port) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nx: " + b"a" * 33_000 + b"\r\n\r\n")
        assert b'"code":"too-large"' in rest(peer)
    with connect(port) as peer:
        peer.sendall(b"no request\r\n\r\n")
        answer = rest(peer)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"malformed"' in answer


@pytest.mark.parametrize("trailer", [b"x: " + b"a" * 200_000, b"x: a\r\n" * 40_000])
def test_refuses_trailers_over_the_limit(app: App, port: int, trailer: bytes) -> None:
    with connect(port) as peer:
        peer.sendall(CHUNKED + b"1\r\na\r\n")
        time.sleep(0.05)  # so that the trailers come by themselves
        send(peer, b"0\r\n" + trailer)
        rest(peer)
    assert app.left.wait(5)
    assert app.bodies == []


def test_trailers_never_become_fields_of_the_request(app: App, port: int) -> None:
    with connect(port) as peer:
        peer.sendall(CHUNKED + b"1\r\na\r\n0\r\nauthorization: Bearer x\r\n\r\n")
        assert peer.recv(4096).startswith(b"HTTP/1.1 200")
    assert app.headers == [(b"transfer-encoding", b"chunked")]


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET / HT", b"GET / HTTP/1.1\r\nhost: x\r\n"])
def test_cuts_a_head_that_never_ends(port: int, sent: bytes) -> None:
    with connect(port) as peer:
        peer.sendall(sent)
        assert rest(peer) == b""


def test_cuts_a_head_that_drips(port: int) -> None:
    with connect(port) as peer:
        peer.settimeout(0.05)
        for _ in range(200):
            send(peer, b"x: a\r\n" if _ else b"GET / HTTP/1.1\r\n")
            try:
                if peer.recv(10) == b"":
                    return
            except TimeoutError:
                continue
            except ConnectionError:
                return
    raise AssertionError("it was never cut")


@pytest.mark.parametrize("sent", [CHUNKED, CHUNKED + b"5\r\nab"])
def test_cuts_a_body_that_stops(app: App, port: int, sent: bytes) -> None:
    with connect(port) as peer:
        peer.sendall(sent)
        assert rest(peer) == b""
    assert app.left.wait(5)


def test_cuts_a_body_that_drips(app: App, port: int) -> None:
    with connect(port) as peer:
        peer.sendall(CHUNKED)
        while not app.left.wait(0.1):
            send(peer, b"1\r\na\r\n")
    assert app.bodies == []


def test_stops_reading_the_body_of_a_refused_request(port: int) -> None:
    async def refusing(scope: Any, receive: Any, send: Any) -> None:
        await App().answer(receive, send)

    with serving(refusing) as at, connect(at) as peer:
        peer.sendall(CHUNKED)
        assert peer.recv(4096).startswith(b"HTTP/1.1 200")
        peer.settimeout(0.05)
        for _ in range(200):
            try:
                peer.sendall(b"1\r\na\r\n")
                if peer.recv(10) == b"":
                    return
            except TimeoutError:
                continue
            except ConnectionError:
                return
        raise AssertionError("it was never cut")


def test_an_idle_connection_is_closed(app: App) -> None:
    with serving(app, timeout_keep_alive=1) as port, connect(port) as peer:
        peer.sendall(GET)
        assert rest(peer).endswith(b"ok")


def test_a_reader_that_never_reads_stops_the_work(app: App, port: int) -> None:
    app.then = app.flood
    with connect(port) as peer:
        peer.sendall(GET)
        assert app.left.wait(30)


def test_a_reader_that_reads_is_not_cut(app: App) -> None:
    """Slower than it could, faster than the limit."""

    class Slower(Hasty):
        write_time = 0.7

    app.then = app.flood
    with serving(app, Slower) as port, connect(port) as peer:
        peer.sendall(GET)
        end = time.monotonic() + 2
        while time.monotonic() < end:
            assert peer.recv(1 << 20)
            time.sleep(0.02)
        assert not app.left.is_set()


def test_a_connection_whose_closing_is_never_read_goes_all_the_same(app: App, port: int) -> None:
    async def large(receive: Any, send: Any) -> None:
        size = 64 << 20
        await start(send, [(b"content-length", b"%d" % size), (b"connection", b"close")])
        await send({"type": "http.response.body", "body": bytes(size)})
        while (await receive())["type"] != "http.disconnect":
            pass
        await asyncio.sleep(1.5)
        app.left.set()

    app.then = large
    with connect(port) as peer:
        peer.sendall(GET)
        assert app.left.wait(10)
        assert len(rest(peer)) < 64 << 20


def test_a_pipelined_request_is_not_read_and_does_not_hide_a_departure(app: App, port: int) -> None:
    app.then = app.wait_for_departure
    with connect(port) as peer:
        peer.sendall(GET + GET * 1000)
        assert b"first" in peer.recv(4096)
        peer.sendall(GET * 1000)
    assert app.left.wait(5)
    assert len(app.bodies) == 1


def test_a_reply_is_finished_before_a_pipelining_peer_is_closed(app: App, port: int) -> None:
    with connect(port) as peer:
        peer.sendall(GET + b"garbage that is no request\r\n\r\n")
        answer = rest(peer)
    assert answer.count(b"HTTP/1.1") == 1
    assert answer.endswith(b"ok")


@pytest.mark.parametrize("content", [b"", b"abc"])
def test_refuses_an_upgrade(app: App, port: int, content: bytes) -> None:
    fields = b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: %d\r\n\r\n" % len(content)
    with connect(port) as peer:
        peer.sendall(b"POST / HTTP/1.1\r\n" + fields + content)
        assert b'"code":"unsupported"' in rest(peer)
    assert app.bodies == []


@pytest.mark.parametrize(
    "fields",
    [
        b"content-length: 3\r\ntransfer-encoding: chunked",
        b"content-length: 3\r\ncontent-length: 4",
        b"content-length: +3",
        b"content-length: 3, 3",
        b"transfer-encoding: chunked, identity",
        b"transfer-encoding: xchunked",
        b"transfer-encoding : chunked",
    ],
)
def test_refuses_a_body_whose_end_could_be_read_two_ways(
    app: App, port: int, fields: bytes
) -> None:
    with connect(port) as peer:
        peer.sendall(b"POST / HTTP/1.1\r\n" + fields + b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        assert rest(peer).startswith(b"HTTP/1.1 400 ")
    assert app.bodies == []


def test_expect_100_continue_is_answered_only_when_the_body_is_wanted(app: App, port: int) -> None:
    with connect(port) as peer:
        peer.sendall(b"POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n")
        assert peer.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.sendall(b"x")
        assert peer.recv(4096).endswith(b"ok")


def test_an_http_1_0_request_is_answered_and_closed(app: App, port: int) -> None:
    with connect(port) as peer:
        peer.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert rest(peer).endswith(b"ok")


def test_connections_over_the_bound_are_closed(app: App) -> None:
    class Few(Hasty):
        connections_at_most = 2
        head_time = 20.0

    with serving(app, Few) as port:
        with connect(port), connect(port):
            time.sleep(0.1)
            with connect(port) as third:
                assert rest(third) == b""
        time.sleep(0.1)
        with connect(port) as later:
            later.sendall(GET)
            assert later.recv(4096).endswith(b"ok")


def test_two_thirds_of_the_descriptors_are_left() -> None:
    assert most_connections(1024) == 341
    assert most_connections(3) == 16
    assert most_connections(-1) == 1 << 20

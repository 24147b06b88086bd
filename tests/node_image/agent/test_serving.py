"""node_image/agent/serving.py on real sockets: a caller that stops cannot keep the engine."""

import asyncio
import socket
import urllib.parse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest

from node_image.agent.app import Limits
from node_image.agent.serving import Server, bind
from openpcc.protocol import messages
from tests.node_image.agent.stage import Stage, request
from transparency_log.server.bounded_http import BoundedHttpProtocol

HEAD = "POST /sealed HTTP/1.1\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n"
ONE = Limits(max_requests=1, max_request_bytes=2**22)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("head_time", "body_silence", "write_time"):
        monkeypatch.setattr(BoundedHttpProtocol, name, 0.3)
    monkeypatch.setattr(BoundedHttpProtocol, "look_time", 0.05)


@asynccontextmanager
async def served(stage: Stage) -> AsyncIterator[str]:
    """Give the address of the node's own server around the stage's application."""
    bound = bind("127.0.0.1:0", "listen")
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)  # little hides in the kernel
    server = Server(stage.node, bound)
    task = asyncio.create_task(server.serve([bound]))
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        await task


async def connect(url: str) -> socket.socket:
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.setblocking(False)
    host, port = urllib.parse.urlsplit(url).netloc.split(":")
    await asyncio.get_running_loop().sock_connect(peer, (host, int(port)))
    return peer


async def eventually(claim: Any) -> None:
    async with asyncio.timeout(20):
        while not claim():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def test_a_caller_that_never_reads_frees_the_engine(on_stage, fake_engine):
    async def body(stage):
        async with served(stage) as url:
            sealed = await stage.seal(request(user="flood", stream=True))
            with closing(await connect(url)) as peer:
                head = HEAD.format(messages.SEALED_REQUEST, len(sealed.body)).encode()
                await asyncio.get_running_loop().sock_sendall(peer, head + sealed.body)
                await eventually(lambda: stage.node._in_flight == 1)
                await eventually(lambda: stage.node._in_flight == 0)
        assert int((fake_engine._folder / "flooded").read_text()) < 1000
        assert 'outcome="cancelled"} 1.0' in stage.telemetry.metrics().decode()
        assert (await stage.ask(request())).status == 200

    on_stage(body, limits=ONE)


def test_a_caller_that_stops_in_its_request_frees_the_place(on_stage):
    async def body(stage):
        async with served(stage) as url:
            sealed = await stage.seal(request())
            with closing(await connect(url)) as peer:
                head = HEAD.format(messages.SEALED_REQUEST, len(sealed.body)).encode()
                await asyncio.get_running_loop().sock_sendall(peer, head + sealed.body[:-1])
                await eventually(lambda: stage.node._in_flight == 1)
                await eventually(lambda: stage.node._in_flight == 0)
        assert (await stage.post(sealed.body)).status == 200, "half a request spends nothing"

    on_stage(body, limits=ONE)


def test_a_caller_that_pipelines_and_leaves_frees_the_engine(on_stage, fake_engine):
    async def body(stage):
        async with served(stage) as url:
            sealed = await stage.seal(request(user="slow", stream=True))
            with closing(await connect(url)) as peer:
                head = HEAD.format(messages.SEALED_REQUEST, len(sealed.body)).encode()
                more = b"GET /evidence HTTP/1.1\r\n\r\n" * 3
                await asyncio.get_running_loop().sock_sendall(peer, head + sealed.body + more)
                await eventually(lambda: stage.node._in_flight == 1)
            await eventually(lambda: stage.node._in_flight == 0)

    on_stage(body, limits=ONE)

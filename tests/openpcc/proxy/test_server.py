"""The proxy on real sockets: what only a server can get wrong."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from openpcc.errors import ConfigurationError, TruncatedReplyError
from openpcc.proxy import server
from openpcc.proxy.app import ProxyApp
from openpcc.proxy.guard import Guard, authorities
from openpcc.proxy.listen import TLS, Listen, bind
from tests.fakes.upstreams import ScriptedUpstream

KEY = "k" * 40
CHAT = "/v1/chat/completions"
CONTENT = b'{"model":"demo","messages":[]}'
LOOPBACK = Listen(host="127.0.0.1")
NAMES = ("127.0.0.1", "localhost")


@asynccontextmanager
async def serving(upstream: ScriptedUpstream, listen: Listen) -> AsyncIterator[httpx.AsyncClient]:
    with bind(listen) as bound:
        port = None if listen.path else bound.getsockname()[1]
        names = authorities(NAMES, scheme="http", port=port)
        app = ProxyApp(upstream, Guard(key=KEY, scheme="http", authorities=names))
        ready = asyncio.Event()
        task = asyncio.create_task(server.serve(app, bound, tls=None, ready=ready.set))
        await ready.wait()
        base = "http://localhost" if port is None else f"http://127.0.0.1:{port}"
        transport = httpx.AsyncHTTPTransport(uds=str(listen.path) if listen.path else None)
        async with httpx.AsyncClient(
            transport=transport, base_url=base, headers={"authorization": f"Bearer {KEY}"}
        ) as client:
            yield client
        # The way out of the real program: a signal, and a clean return.
        if not task.done():
            os.kill(os.getpid(), signal.SIGTERM)
        await task


def run(
    upstream: ScriptedUpstream,
    use: Callable[[httpx.AsyncClient], Awaitable[None]],
    listen: Listen = LOOPBACK,
) -> None:
    async def main() -> None:
        async with serving(upstream, listen) as client:
            await use(client)

    asyncio.run(main())


def test_a_piece_arrives_before_the_next_one_exists():
    async def main() -> None:
        later = asyncio.Event()

        async def use(client: httpx.AsyncClient) -> None:
            async with client.stream("POST", CHAT, content=CONTENT) as response:
                pieces = response.aiter_raw()
                assert await anext(pieces) == b"one"
                later.set()
                assert await anext(pieces) == b"two"
                assert [piece async for piece in pieces] == []

        async with serving(ScriptedUpstream(b"one", later, b"two"), LOOPBACK) as c:
            await use(c)

    asyncio.run(main())


def test_a_cut_reply_breaks_the_clients_stream():
    async def use(client: httpx.AsyncClient) -> None:
        async with client.stream("POST", CHAT, content=CONTENT) as response:
            pieces = response.aiter_raw()
            assert await anext(pieces) == b"half"
            with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
                await anext(pieces)

    run(ScriptedUpstream(b"half", TruncatedReplyError("cut")), use)


def test_a_cut_reply_has_no_last_chunk_on_the_wire():
    async def use(client: httpx.AsyncClient) -> None:
        port = client.base_url.port
        assert port is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST %b HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nauthorization: Bearer %b\r\n"
            b"content-length: %d\r\n\r\n%b"
            % (CHAT.encode(), port, KEY.encode(), len(CONTENT), CONTENT)
        )
        raw = await reader.read()
        writer.close()
        assert raw.startswith(b"HTTP/1.1 200")
        assert raw.endswith(b"4\r\nhalf\r\n")

    run(ScriptedUpstream(b"half", TruncatedReplyError("cut")), use)


def test_a_client_that_hangs_up_cancels_its_request():
    async def main() -> None:
        upstream = ScriptedUpstream(b"one", asyncio.Event())
        async with serving(upstream, LOOPBACK) as client:
            async with client.stream("POST", CHAT, content=CONTENT) as response:
                assert await anext(response.aiter_raw()) == b"one"
            await upstream.cancelled.wait()

    asyncio.run(main())


def test_a_signal_cuts_open_streams_visibly(monkeypatch):
    monkeypatch.setattr(server, "DRAIN", 0)

    async def main() -> None:
        upstream = ScriptedUpstream(b"one", asyncio.Event())
        async with serving(upstream, LOOPBACK) as client:
            async with client.stream("POST", CHAT, content=CONTENT) as response:
                pieces = response.aiter_raw()
                assert await anext(pieces) == b"one"
                os.kill(os.getpid(), signal.SIGTERM)
                with pytest.raises(httpx.RemoteProtocolError):
                    await anext(pieces)
            assert upstream.cancelled.is_set()

    asyncio.run(main())


def test_serves_a_unix_socket(tmp_path):
    async def use(client: httpx.AsyncClient) -> None:
        assert (await client.post(CHAT, content=CONTENT)).content == b"{}"

    run(ScriptedUpstream(b"{}"), use, Listen(path=tmp_path / "s"))


def test_nothing_of_a_request_is_logged(caplog):
    class Broken(ScriptedUpstream):
        def send(self, asked):
            raise KeyError("SECRET-" + asked.content.decode())

    async def use(client: httpx.AsyncClient) -> None:
        response = await client.post(CHAT, content=b"SECRET-PROMPT")
        assert response.status_code == 500

    run(Broken(), use)
    text = caplog.text
    assert "KeyError" in text
    assert "SECRET" not in text
    assert KEY not in text


def test_rejects_a_certificate_that_is_none(tmp_path):
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    app = ProxyApp(ScriptedUpstream(), Guard(key=KEY, scheme="https", authorities=frozenset()))
    with socket.socket() as unused, pytest.raises(ConfigurationError, match="--tls-cert"):
        asyncio.run(
            server.serve(app, unused, tls=TLS(certificate=wrong, key=wrong), ready=lambda: None)
        )

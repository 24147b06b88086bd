"""The proxy on real sockets: what only a server can get wrong."""

import asyncio
import datetime
import json
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import openai
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from openpcc.errors import ConfigurationError, RefusedError, TruncatedReplyError
from openpcc.proxy import server
from openpcc.proxy.app import ProxyApp
from openpcc.proxy.guard import Guard, authorities
from openpcc.proxy.listen import TLS, Listen, bind
from tests.fakes.book_views import DEBUG_ON, report
from tests.fakes.upstreams import ScriptedUpstream

KEY = "k" * 40
CHAT = "/v1/chat/completions"
CONTENT = b'{"model":"demo","messages":[]}'
LOOPBACK = Listen(host="127.0.0.1")
NAMES = ("127.0.0.1", "localhost")


@asynccontextmanager
async def serving(
    upstream: ScriptedUpstream, listen: Listen, *, tls: TLS | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    scheme = "http" if tls is None else "https"
    with bind(listen) as bound:
        port = None if listen.path else bound.getsockname()[1]
        names = authorities(NAMES, scheme=scheme, port=port)
        app = ProxyApp(upstream, Guard(key=KEY, scheme=scheme, authorities=names))
        ready = asyncio.Event()
        task = asyncio.create_task(server.serve(app, bound, tls=tls, ready=ready.set))
        await ready.wait()
        base = "http://localhost" if port is None else f"{scheme}://localhost:{port}"
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


def self_signed(folder: Path) -> TLS:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = TLS(certificate=folder / "cert.pem", key=folder / "key.pem")
    files.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def test_serves_tls_1_3(tmp_path):
    async def main() -> None:
        files = self_signed(tmp_path)
        roots = ssl.create_default_context(cafile=str(files.certificate))
        async with (
            serving(ScriptedUpstream(b"{}"), LOOPBACK, tls=files) as client,
            httpx.AsyncClient(verify=roots, headers=client.headers) as secure,
        ):
            assert (
                await secure.post(client.base_url.join(CHAT), content=CONTENT)
            ).status_code == 200
            roots.maximum_version = ssl.TLSVersion.TLSv1_2
            async with httpx.AsyncClient(verify=roots) as old:
                with pytest.raises(httpx.ConnectError):
                    await old.get(client.base_url)

    asyncio.run(main())


def test_rejects_a_certificate_that_is_none(tmp_path):
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    app = ProxyApp(ScriptedUpstream(), Guard(key=KEY, scheme="https", authorities=frozenset()))
    with socket.socket() as unused, pytest.raises(ConfigurationError, match="--tls-cert"):
        asyncio.run(
            server.serve(app, unused, tls=TLS(certificate=wrong, key=wrong), ready=lambda: None)
        )


def events(*texts: str) -> bytes:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "demo"}
    lines = []
    for text in texts:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
        lines.append(f"data: {json.dumps({**chunk, 'choices': [choice]})}\n\n")
    return "".join(lines).encode()


def with_sdk(
    upstream: ScriptedUpstream, use: Callable[[openai.AsyncOpenAI], Awaitable[None]]
) -> None:
    async def main() -> None:
        async with serving(upstream, LOOPBACK) as client:
            base = str(client.base_url.join("/v1"))
            async with openai.AsyncOpenAI(api_key=KEY, base_url=base, max_retries=0) as api:
                await use(api)

    asyncio.run(main())


async def ask(api: openai.AsyncOpenAI, heard: list[str]) -> None:
    stream = await api.chat.completions.create(
        model="demo", messages=[{"role": "user", "content": "Hi"}], stream=True
    )
    async for chunk in stream:
        heard.append(chunk.choices[0].delta.content or "")  # noqa: PERF401 - a cut keeps these


SSE = (("content-type", "text/event-stream"),)


def test_the_sdk_streams_through_the_proxy():
    heard: list[str] = []
    upstream = ScriptedUpstream(events("Hel"), events("lo"), b"data: [DONE]\n\n", fields=SSE)
    with_sdk(upstream, lambda api: ask(api, heard))
    assert heard == ["Hel", "lo"]


def test_the_sdk_sees_a_cut_reply_as_an_error():
    heard: list[str] = []

    async def use(api: openai.AsyncOpenAI) -> None:
        with pytest.raises(openai.APIConnectionError):
            await ask(api, heard)

    with_sdk(ScriptedUpstream(events("Hel"), TruncatedReplyError("cut"), fields=SSE), use)
    assert heard == ["Hel"]


def test_the_sdk_sees_which_check_refused():
    async def use(api: openai.AsyncOpenAI) -> None:
        with pytest.raises(openai.APIStatusError) as caught:
            await ask(api, [])
        assert (caught.value.status_code, caught.value.code) == (502, "refused")
        assert caught.value.param == "8.debug"

    with_sdk(ScriptedUpstream(refusal=RefusedError(report(DEBUG_ON))), use)

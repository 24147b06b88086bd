"""The transports in their callers' libraries, over real sockets to a relay that a test scripts."""

import asyncio
import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest

import openpcc
from openpcc import ConfigurationError, clock
from openpcc.answers import MAX_REQUEST
from openpcc.config import ClientConfig
from openpcc.errors import (
    GatewayError,
    ReceiptError,
    TransportError,
    TruncatedReplyError,
    UnknownModelError,
    UnknownPaceError,
)
from openpcc.protocol import messages
from openpcc.protocol.sealing import Unwrapped
from openpcc.transport import AsyncTransport, Transport
from tests.fakes.memory_service import MemoryService, Node, as_relay
from tests.fakes.node import Exchange, FarEnd, Script
from tests.fakes.world import NOW

BOTH = pytest.mark.parametrize("library", [httpx, httpx2])
BODY = {"model": "demo", "messages": [{"role": "user", "content": "quokka"}]}


@pytest.fixture(autouse=True)
def at_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service in memory lives at one moment; so does its client."""
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture
def relay(talking: MemoryService) -> Iterator[FarEnd]:
    with FarEnd(as_relay(talking)) as far:
        yield far


@pytest.fixture
def config(talking: MemoryService, relay: FarEnd, tmp_path: Path) -> ClientConfig:
    return ClientConfig(relays=(relay.url,), policy=talking.config.policy, state=tmp_path / "state")


@pytest.fixture
def transport(config: ClientConfig) -> Iterator[Transport]:
    opened = Transport(config)
    yield opened
    opened.close()


def client(library: ModuleType, transport: Transport) -> Any:
    return library.Client(transport=transport, base_url="https://demo.example", timeout=60)


def ask(library: ModuleType, transport: Transport, **more: Any) -> Any:
    return client(library, transport).post("/v1/chat/completions", json=BODY | more)


def sealed_only(service: MemoryService, script: Script) -> Script:
    """Answer as an honest relay, but give sealed requests to another script."""
    honest = as_relay(service)

    async def chosen(exchange: Exchange) -> None:
        body = exchange.got.body
        is_sealed = body and service.decapsulate(body)[0].path == "/sealed"
        await (script(exchange) if is_sealed else honest(exchange))

    return chosen


def of_library(response: object, library: ModuleType) -> bool:
    return type(response).__module__.partition(".")[0] == library.__name__


@BOTH
def test_an_answer_is_of_the_callers_library(library: ModuleType, transport: Transport):
    response = ask(library, transport)
    assert of_library(response, library)
    assert response.json() == {"hello": "world"}
    assert response.extensions["openpcc"].receipt is not None


@BOTH
def test_an_answer_streams_and_ends(library: ModuleType, transport: Transport):
    with client(library, transport).stream("POST", "/v1/chat/completions", json=BODY) as response:
        assert b"".join(response.iter_bytes()) == b'{"hello":"world"}'


@BOTH
def test_the_awaiting_transport_does_the_same(library: ModuleType, config: ClientConfig):
    async def run() -> Any:
        transport = AsyncTransport(config)
        async with library.AsyncClient(
            transport=transport, base_url="https://demo.example", timeout=60
        ) as opened:
            models = (await opened.get("/v1/models")).json()
            response = await opened.post("/v1/chat/completions", json=BODY)
            assert response.extensions["openpcc"].receipt is not None
            return models, response.json()

    models, found = asyncio.run(run())
    assert found == {"hello": "world"}
    assert [row["id"] for row in models["data"]] == ["demo"]


@BOTH
def test_what_needs_no_node_is_answered_here(library: ModuleType, transport: Transport):
    opened = client(library, transport)
    assert opened.get("/v1/models/demo").json()["id"] == "demo"
    assert opened.get("/v1/models/x").status_code == 404
    assert opened.post("/v1/files", json={}).status_code == 404
    assert opened.post("/v1/chat/completions", content=b"[]").status_code == 400


def test_a_wrong_model_sends_nothing(transport: Transport, talking: MemoryService, relay: FarEnd):
    ask(httpx, transport)
    before = len(relay.got)
    with pytest.raises(UnknownModelError):
        ask(httpx, transport, model="another")
    assert len(relay.got) == before


def test_a_pace_that_the_entry_does_not_list_sends_nothing(
    config: ClientConfig, talking: MemoryService, relay: FarEnd
):
    transport = Transport(config, pace="paced")
    try:
        ask(httpx, transport)
        snapshot = transport.book.snapshot
        assert snapshot is not None
        parameters = replace(snapshot.service.parameters, pace=("latency",))
        service = replace(snapshot.service, parameters=parameters)
        transport.book._snapshot = replace(snapshot, service=service)
        before = len(relay.got)
        with pytest.raises(UnknownPaceError, match="'paced'; it offers: latency"):
            ask(httpx, transport)
        assert len(relay.got) == before
    finally:
        transport.close()


def test_the_prompt_and_the_callers_fields_stay_inside(transport: Transport, relay: FarEnd):
    opened = client(httpx, transport)
    opened.post(
        "/v1/chat/completions",
        json=BODY,
        headers={"authorization": "Bearer secret", "x-user": "me", "cookie": "a=b"},
    )
    for got in relay.got:
        seen = b"".join(f"{name}{value}".encode() for name, value in got.headers) + got.body
        assert b"quokka" not in seen
        assert b"secret" not in seen
        assert got.header("cookie") is None
    assert len({got.header("user-agent") for got in relay.got}) == 1


def test_the_nodes_fields_are_a_closed_list_and_keep_their_bytes(
    transport: Transport, talking: MemoryService
):
    def reply(node: Node, unwrapped: Unwrapped, message: bytes) -> bytes:
        fields = (
            ("content-type", "text/plain"),
            ("set-cookie", "session=1"),
            ("location", "https://elsewhere.example/"),
            ("x-request-id", "caf\u00e9"),
        )
        return talking.inner(node, unwrapped, message, headers=fields)

    talking.reply = reply
    response = ask(httpx, transport)
    assert response.headers.raw == [
        (b"content-type", b"text/plain"),
        (b"x-request-id", b"caf\xe9"),
    ]


@BOTH
def test_a_reply_cut_by_the_relay_is_an_error_although_parts_were_read(
    library: ModuleType, transport: Transport, talking: MemoryService, relay: FarEnd
):
    async def cut(exchange: Exchange) -> None:
        data = talking.respond(exchange.got.body)
        await exchange.start(messages.OHTTP_RESPONSE)
        await exchange.chunk(data[:-100])
        await exchange.end()

    relay.script = sealed_only(talking, cut)
    with pytest.raises(TruncatedReplyError):
        ask(library, transport)
    opened = client(library, transport)
    with (
        pytest.raises(TruncatedReplyError),
        opened.stream("POST", "/v1/chat/completions", json=BODY) as response,
    ):
        for _ in response.iter_raw():
            pass


def test_a_connection_lost_in_mid_reply_is_a_truncated_reply(
    transport: Transport, talking: MemoryService, relay: FarEnd
):
    async def lose(exchange: Exchange) -> None:
        data = talking.respond(exchange.got.body)
        await exchange.start(messages.OHTTP_RESPONSE)
        await exchange.chunk(data[: len(data) * 3 // 4])
        await asyncio.sleep(0.2)  # lets the bytes leave before the reset overtakes them
        exchange.drop()

    relay.script = sealed_only(talking, lose)
    with pytest.raises(TruncatedReplyError, match="connection was lost"):
        ask(httpx, transport)


def test_a_connection_lost_before_any_reply_is_a_transport_error(
    transport: Transport, talking: MemoryService, relay: FarEnd
):
    async def lose(exchange: Exchange) -> None:
        exchange.drop()

    relay.script = sealed_only(talking, lose)
    with pytest.raises(TransportError):
        ask(httpx, transport)


@pytest.mark.parametrize(
    ("status", "kind", "body", "code", "looks"),
    [
        (503, messages.ERROR, messages.encode_error("busy", "x"), "busy", False),
        (422, messages.ERROR, messages.encode_error("expired", "x"), "expired", True),
        (422, "application/problem+json", b"{}", "ohttp-key", True),
        (502, "text/html", b"<html>", "unknown", False),
    ],
)
def test_a_relays_refusal_is_its_word_and_may_make_the_next_request_look(
    transport: Transport,
    talking: MemoryService,
    relay: FarEnd,
    status: int,
    kind: str,
    body: bytes,
    code: str,
    *,
    looks: bool,
):
    async def refuse(exchange: Exchange) -> None:
        await exchange.answer(status, body, [("content-type", kind)])

    ask(httpx, transport)
    relay.script = sealed_only(talking, refuse)
    with pytest.raises(GatewayError) as caught:
        ask(httpx, transport)
    assert caught.value.code == code
    relay.script = as_relay(talking)
    before = len(relay.got)
    ask(httpx, transport)
    assert any(got.path == "/ohttp-keys" for got in relay.got[before:]) == looks


@pytest.mark.parametrize("kind", ["text/html", messages.SEALED_RESPONSE])
def test_another_media_type_is_no_reply(
    transport: Transport, talking: MemoryService, relay: FarEnd, kind: str
):
    async def other(exchange: Exchange) -> None:
        data = talking.respond(exchange.got.body)
        await exchange.answer(200, data, [("content-type", kind)])

    relay.script = sealed_only(talking, other)
    with pytest.raises(TransportError, match="is not"):
        ask(httpx, transport)


def test_a_wrong_receipt_is_an_error_of_the_reply(transport: Transport, talking: MemoryService):
    def reply(node: Node, unwrapped: Unwrapped, message: bytes) -> bytes:
        return talking.inner(node, unwrapped, message, request_digest=bytes(32))

    talking.reply = reply
    with pytest.raises(ReceiptError):
        ask(httpx, transport)


def test_a_caller_that_leaves_early_gets_no_more(transport: Transport):
    opened = client(httpx, transport)
    with opened.stream("POST", "/v1/chat/completions", json=BODY) as response:
        reply = response.extensions["openpcc"]
    with pytest.raises(TruncatedReplyError):
        reply.finish()


def test_a_closed_transport_says_so(transport: Transport):
    ask(httpx, transport)
    transport.close()
    with pytest.raises(TransportError):
        ask(httpx, transport)


def test_too_large_a_request_is_refused_before_anything_is_fetched(
    transport: Transport, relay: FarEnd
):
    content = bytes(MAX_REQUEST + 1)
    assert client(httpx, transport).post("/v1/chat/completions", content=content).status_code == 413
    assert relay.got == []


def test_no_error_carries_the_prompt(transport: Transport, talking: MemoryService, relay: FarEnd):
    """Neither in its text nor in what it was raised from."""

    async def lose(exchange: Exchange) -> None:
        exchange.drop()

    relay.script = sealed_only(talking, lose)
    with pytest.raises(TransportError) as caught:
        ask(httpx, transport)
    error: BaseException | None = caught.value
    while error is not None:
        assert "quokka" not in repr(error) + json.dumps([str(arg) for arg in error.args])
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("made", [Transport, AsyncTransport])
def test_an_unknown_pace_is_refused_where_it_was_written(made: Callable[..., Any]):
    with pytest.raises(ValueError, match="pace"):
        made(pace="fast")


def test_a_missing_configuration_is_named(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="cannot read"):
        Transport(tmp_path / "absent.toml")


def test_the_public_transports_are_these():
    assert openpcc.Transport is Transport
    assert inspect.isclass(openpcc.AsyncTransport)

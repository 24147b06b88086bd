"""Whole transports against a service that wants to be paid, over real sockets."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from openpcc import clock, repetition
from openpcc.config import ClientConfig
from openpcc.errors import (
    ConfigurationError,
    GatewayError,
    TokenRefusedError,
    TooExpensiveError,
    TransportError,
    WalletEmptyError,
)
from openpcc.token_settings import TokenSettings
from openpcc.tokens.wallet import GRACE, Counts
from openpcc.transport import AsyncTransport, Transport
from tests.fakes.issuer import CREDENTIAL, MemoryIssuer, served
from tests.fakes.memory_service import as_relay
from tests.fakes.node import Exchange, FarEnd
from tests.fakes.paying_service import PayingService, terms_of
from tests.fakes.world import NOW

BODY = {"model": "demo", "max_tokens": 2000, "messages": [{"role": "user", "content": "quokka"}]}


@pytest.fixture(autouse=True)
def at_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setattr(repetition, "SHORTEST", 0.0)
    monkeypatch.setattr(repetition, "SPREAD", 0.0)


@pytest.fixture(scope="session")
def one_service(tmp_path_factory: pytest.TempPathFactory) -> PayingService:
    return PayingService(tmp_path_factory.mktemp("paying"))


@pytest.fixture
def service(one_service: PayingService) -> PayingService:
    one_service.paid.clear()
    one_service.headers.clear()
    one_service.reclaims.clear()
    one_service.refusing.clear()
    one_service.failing.clear()
    one_service.now = float(NOW)
    return one_service


@pytest.fixture
def relay(service: PayingService) -> Iterator[FarEnd]:
    with FarEnd(as_relay(service)) as far:
        yield far


@pytest.fixture
def config(
    service: PayingService, relay: FarEnd, issuer: MemoryIssuer, folder: Path, tmp_path: Path
) -> Iterator[ClientConfig]:
    credential = tmp_path / "credential"
    credential.touch(mode=0o600)
    credential.write_text(CREDENTIAL + "\n")
    with served(issuer) as far:
        tokens = TokenSettings(
            issuer=far.url, credential=credential, stock=16, every=86400, protection="file"
        )
        yield replace(service.config, relays=(relay.url,), state=folder, tokens=tokens)


@pytest.fixture
def transport(config: ClientConfig) -> Iterator[Transport]:
    opened = Transport(config)
    assert opened.purse is not None
    opened.purse.fill(terms_of(0))
    yield opened
    opened.close()


def ask(transport: Transport, **more: Any) -> httpx.Response:
    opened = httpx.Client(transport=transport, base_url="https://demo.example", timeout=60)
    return opened.post("/v1/chat/completions", json=BODY | more)


def counts(transport: Transport | AsyncTransport) -> Counts:
    assert transport.purse is not None
    found = transport.purse.counts()
    assert found is not None
    return found


def ask_back(transport: Transport, *, at: int) -> None:
    assert transport.purse is not None
    transport.purse._now = lambda: at
    transport.purse._reclaim()


def test_a_request_is_paid_for_and_its_tokens_are_gone(
    transport: Transport, service: PayingService
):
    assert ask(transport).json() == {"hello": "world"}
    assert [len(paid) for paid in service.paid] == [2]
    assert service.headers[0].max_output == 2048
    assert counts(transport) == Counts(stock=14, sent=0, pending=0, expired=0)


def test_the_awaiting_transport_pays_as_well(
    transport: Transport, config: ClientConfig, service: PayingService
):
    async def run() -> None:
        opened = AsyncTransport(config)
        async with httpx.AsyncClient(
            transport=opened, base_url="https://demo.example", timeout=60
        ) as client:
            found = await client.post("/v1/chat/completions", json=BODY)
            assert found.json() == {"hello": "world"}
            found = await client.post("/v1/chat/completions", json=BODY | {"max_tokens": 1})
            assert found.json() == {"hello": "world"}

    asyncio.run(run())
    assert [len(paid) for paid in service.paid] == [2, 1]
    assert counts(transport).stock == 13


def test_without_settings_nothing_is_sent(
    config: ClientConfig, service: PayingService, relay: FarEnd
):
    opened = Transport(replace(config, tokens=None))
    with pytest.raises(ConfigurationError, match=r"\[tokens\]"):
        ask(opened)
    opened.close()
    assert service.headers == []
    assert not (config.state / "wallet.sqlite").exists()


def test_an_empty_wallet_sends_nothing_and_asks_nobody(
    config: ClientConfig, service: PayingService, issuer: MemoryIssuer
):
    opened = Transport(config)
    with pytest.raises(WalletEmptyError):
        ask(opened)
    opened.close()
    assert (service.headers, issuer.asked) == ([], [])


def test_too_long_a_reply_is_refused_before_anything(transport: Transport, service: PayingService):
    with pytest.raises(TooExpensiveError, match="65536"):
        ask(transport, max_tokens=65537)
    assert (service.headers, counts(transport).stock) == ([], 16)


@pytest.mark.parametrize("wrong", [0, -1, "many", True, 1.5])
def test_a_limit_that_no_node_accepts_costs_nothing(
    transport: Transport, service: PayingService, wrong: object
):
    assert ask(transport, max_tokens=wrong).status_code == 400
    assert (service.headers, counts(transport).stock) == ([], 16)


@pytest.mark.parametrize("code", ["token-spent", "token-forged", "token-proof", "busy"])
def test_a_refusal_keeps_the_tokens_until_they_are_asked_back(
    transport: Transport, service: PayingService, code: str
):
    service.refusing.append(code)
    with pytest.raises(GatewayError) as caught:
        ask(transport)
    assert caught.value.code == code
    assert isinstance(caught.value, TokenRefusedError) == code.startswith("token-")
    assert counts(transport) == Counts(stock=14, sent=2, pending=0, expired=0)
    ask_back(transport, at=NOW + 179 + GRACE)
    ask_back(transport, at=NOW + 180 + GRACE)
    assert counts(transport) == Counts(stock=16, sent=0, pending=0, expired=0)


@pytest.mark.parametrize("code", ["upstream", "token-store"])
def test_the_same_bytes_are_sent_once_more_and_paid_once(
    transport: Transport, service: PayingService, code: str
):
    service.failing.append(code)
    assert ask(transport).json() == {"hello": "world"}
    first, second = service.paid
    assert first == second
    assert service.headers[0] == service.headers[1]
    assert counts(transport) == Counts(stock=14, sent=0, pending=0, expired=0)


def test_it_is_sent_twice_at_most(transport: Transport, service: PayingService):
    service.failing += ["upstream"] * 3
    with pytest.raises(GatewayError, match="upstream"):
        ask(transport)
    assert len(service.headers) == 2
    assert counts(transport).sent == 2


def test_a_connection_lost_before_any_reply_is_tried_once_more(
    transport: Transport, service: PayingService, relay: FarEnd
):
    honest = as_relay(service)
    lost: list[bytes] = []

    async def script(exchange: Exchange) -> None:
        body = exchange.got.body
        if body and not lost and service.decapsulate(body)[0].path == "/sealed":
            lost.append(service.respond(body))
            exchange.drop()
        else:
            await honest(exchange)

    relay.script = script
    # The first reply began: its tokens are spent, and the answer is lost with the connection.
    with pytest.raises(TokenRefusedError, match="token-spent"):
        ask(transport)
    assert len(service.headers) == 2
    assert counts(transport).sent == 2
    ask_back(transport, at=NOW + 180 + GRACE)
    assert counts(transport) == Counts(stock=14, sent=0, pending=0, expired=0)


def test_a_relay_that_is_gone_costs_nothing(transport: Transport, relay: FarEnd):
    ask(transport)
    relay.stop()
    with pytest.raises(TransportError):
        ask(transport)
    assert counts(transport) == Counts(stock=12, sent=2, pending=0, expired=0)

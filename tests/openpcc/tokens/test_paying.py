"""Whole transports against a service that wants to be paid, over real sockets."""

import asyncio
import multiprocessing
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.spent import MemorySpentStore
from openpcc import clock, repetition
from openpcc.config import ClientConfig
from openpcc.errors import (
    ConfigurationError,
    DirectoryError,
    GatewayError,
    TokenRefusedError,
    TooExpensiveError,
    TransportError,
    WalletEmptyError,
)
from openpcc.protocol.payment import Reclaimed
from openpcc.token_settings import TokenSettings
from openpcc.tokens import issuance
from openpcc.tokens.rows import Counts
from openpcc.tokens.store import Store
from openpcc.tokens.wallet import GRACE, PATIENCE, Wallet
from openpcc.transport import AsyncTransport, Transport
from tests.fakes.issuer import CREDENTIAL, MemoryIssuer, served
from tests.fakes.memory_service import SERVICE, as_relay
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


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wallet with 16 tokens, bought once for all tests."""
    store = Store(tmp_path_factory.mktemp("original"), SERVICE, protection="file")
    issuance.fill(Wallet(store), MemoryIssuer(), terms_of(0), target=16, now=NOW)
    store.close()
    return store.path


@pytest.fixture
def service(one_service: PayingService) -> PayingService:
    one_service.store = MemorySpentStore(limit=10**6, clock=lambda: 0.0)
    one_service.paid.clear()
    one_service.headers.clear()
    one_service.reclaims.clear()
    one_service.refusing.clear()
    one_service.failing.clear()
    one_service.now = float(NOW)
    one_service.claiming = None
    one_service.reclaimed = None
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
def transport(config: ClientConfig, original: Path) -> Iterator[Transport]:
    shutil.copy(original, config.state)
    opened = Transport(config)
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


@pytest.mark.filterwarnings("ignore:This process")  # it has threads: servers only
def test_a_child_waits_for_no_purchase_of_its_parent_and_cuts_none(transport: Transport):
    """Whoever forks while the keeper buys gave the child a lock that nobody ever opens."""
    purse = transport.purse
    assert purse is not None
    parents = purse._reach()

    def child() -> None:
        assert purse.fill(terms_of(0)) == 0
        assert purse._reach() is not parents
        purse.close()

    with purse._filling:
        forked = multiprocessing.get_context("fork").Process(target=child)
        forked.start()
        forked.join(20)
        forked.kill()
    assert forked.exitcode == 0
    assert purse._reach() is parents


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


@pytest.mark.parametrize("off", [-3600, 3600])
def test_a_clock_that_is_an_hour_off_takes_no_token(
    transport: Transport, service: PayingService, monkeypatch: pytest.MonkeyPatch, off: int
):
    monkeypatch.setattr(clock, "now", lambda: NOW + off)
    with pytest.raises(DirectoryError):
        ask(transport)
    assert (service.headers, counts(transport).stock) == ([], 16)


def test_a_gateway_that_calls_everything_spent_burns_what_it_was_sent_and_no_more(
    transport: Transport, service: PayingService
):
    for _ in range(3):
        service.refusing.append("token-spent")
        with pytest.raises(TokenRefusedError):
            ask(transport)
    service.claiming = Reclaimed.SPENT
    for _ in range(5):
        ask_back(transport, at=NOW + 180 + GRACE)
    assert counts(transport) == Counts(stock=10, sent=0, pending=0, expired=0)
    assert len(service.reclaims) == 3


def test_a_gateway_that_says_later_for_ever_delays_buying_for_a_day(
    transport: Transport, service: PayingService, issuer: MemoryIssuer
):
    service.refusing.append("token-spent")
    with pytest.raises(TokenRefusedError):
        ask(transport)
    service.claiming = Reclaimed.PENDING
    for _ in range(5):
        ask_back(transport, at=NOW + 180 + GRACE)
    assert counts(transport) == Counts(stock=14, sent=2, pending=0, expired=0)
    assert transport.purse is not None
    transport.purse._now = lambda: NOW + PATIENCE
    assert transport.purse.fill(terms_of(0)) == 0
    transport.purse._now = lambda: NOW + 180 + GRACE + PATIENCE
    assert transport.purse.fill(terms_of(0)) == 16


@pytest.mark.parametrize("answer", [b"", b"\x00", b"\x00\x03", b"\x00" * 3, b"\x00" * 9000])
def test_an_answer_that_is_none_moves_no_token(
    transport: Transport, service: PayingService, answer: bytes
):
    service.refusing.append("token-spent")
    with pytest.raises(TokenRefusedError):
        ask(transport)
    service.reclaimed = answer
    with pytest.raises((GatewayError, DirectoryError)):
        ask_back(transport, at=NOW + 180 + GRACE)
    assert counts(transport) == Counts(stock=14, sent=2, pending=0, expired=0)
    service.reclaimed = None
    ask_back(transport, at=NOW + 180 + GRACE)
    assert counts(transport).stock == 16


def test_tokens_of_two_requests_are_never_asked_back_together(
    transport: Transport, service: PayingService
):
    for _ in range(2):
        service.refusing.append("busy")
        with pytest.raises(GatewayError):
            ask(transport)
    ask_back(transport, at=NOW + 180 + GRACE)
    assert [len(one.tokens) for one in service.reclaims] == [2]
    assert counts(transport) == Counts(stock=14, sent=2, pending=0, expired=0)


def test_a_copy_of_the_wallet_is_refused_and_loses_what_the_other_spent(
    transport: Transport, config: ClientConfig, service: PayingService, tmp_path: Path
):
    shutil.copytree(config.state, tmp_path / "copy")
    copy = Transport(replace(config, state=tmp_path / "copy"))
    ask(transport)
    with pytest.raises(TokenRefusedError, match="token-spent"):
        ask(copy)
    ask_back(copy, at=NOW + 180 + GRACE)
    assert counts(copy) == counts(transport) == Counts(stock=14, sent=0, pending=0, expired=0)
    copy.close()


def test_a_call_that_is_cancelled_keeps_its_tokens_until_they_are_asked_back(
    transport: Transport, config: ClientConfig, service: PayingService, relay: FarEnd
):
    honest, arrived = as_relay(service), threading.Event()

    async def script(exchange: Exchange) -> None:
        body = exchange.got.body
        if body and service.decapsulate(body)[0].path == "/sealed":
            arrived.set()
            await exchange.gone()
        else:
            await honest(exchange)

    relay.script = script

    async def run() -> None:
        opened = AsyncTransport(config)
        async with httpx.AsyncClient(
            transport=opened, base_url="https://demo.example", timeout=60
        ) as client:
            asking = asyncio.create_task(client.post("/v1/chat/completions", json=BODY))
            await asyncio.to_thread(arrived.wait, 10)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

    asyncio.run(run())
    relay.script = honest
    transport.book.refresh(NOW)
    assert counts(transport) == Counts(stock=14, sent=2, pending=0, expired=0)
    ask_back(transport, at=NOW + 180 + GRACE)
    assert counts(transport).stock == 16


def test_nothing_the_user_sees_carries_a_token(transport: Transport, service: PayingService):
    service.refusing.append("token-spent")
    with pytest.raises(TokenRefusedError) as caught:
        ask(transport)
    assert CREDENTIAL not in repr(caught.value)
    assert "token=" not in repr(vars(transport.purse))


def test_a_relay_that_is_gone_costs_nothing(transport: Transport, relay: FarEnd):
    ask(transport)
    relay.stop()
    with pytest.raises(TransportError):
        ask(transport)
    assert counts(transport) == Counts(stock=12, sent=2, pending=0, expired=0)

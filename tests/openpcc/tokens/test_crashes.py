"""A client that is killed at any step loses no token and spends none twice."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from gateway.spent import MemorySpentStore
from openpcc import clock, repetition
from openpcc.config import ClientConfig
from openpcc.errors import OpenPCCError
from openpcc.protocol.privacypass import Token
from openpcc.token_settings import TokenSettings
from openpcc.tokens import issuance
from openpcc.tokens.issuer import Issuer
from openpcc.tokens.rows import Counts
from openpcc.tokens.store import FILE, Store
from openpcc.tokens.wallet import GRACE, HOLD, Wallet
from openpcc.transport import Transport
from tests.fakes.issuer import CREDENTIAL, MemoryIssuer, served
from tests.fakes.memory_service import SERVICE, as_relay
from tests.fakes.node import FarEnd
from tests.fakes.paying_service import PayingService, terms_of
from tests.fakes.world import NOW
from tests.openpcc.tokens.crashes import every_crash

pytestmark = pytest.mark.filterwarnings("ignore:This process")  # it has threads: servers only

STOCK = 16
AFTER = NOW + HOLD + 600


@pytest.fixture(autouse=True)
def at_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setattr(repetition, "SHORTEST", 0.0)
    monkeypatch.setattr(repetition, "SPREAD", 0.0)


@pytest.fixture
def settings(issuer: MemoryIssuer, tmp_path: Path) -> Iterator[TokenSettings]:
    credential = tmp_path / "credential"
    credential.touch(mode=0o600)
    credential.write_text(CREDENTIAL)
    with served(issuer) as far:
        yield TokenSettings(
            issuer=far.url, credential=credential, stock=STOCK, every=86400, protection="file"
        )


def fill(folder: Path, issuer: Issuer) -> Counts:
    """Do what `openpcc wallet fill` does, as a process that knows nothing of another."""
    store = Store(folder, SERVICE, protection="file")
    try:
        issuance.fill(Wallet(store), issuer, terms_of(0), target=STOCK, now=NOW)
        return Wallet(store).counts()
    finally:
        store.close()


def test_issue(tmp_path: Path, issuer: MemoryIssuer, settings: TokenSettings):
    steps, full = 0, Counts(stock=STOCK, sent=0, pending=0, expired=0)
    folder, theirs, ours = tmp_path / "state", Issuer(settings), Issuer(settings)
    for steps in every_crash(lambda: fill(folder, theirs)):
        assert fill(folder, ours) == full, f"killed before step {steps}"
        assert issuer.tokens == STOCK, f"killed before step {steps}"
        shutil.rmtree(folder)
        issuer.charged.clear()
    ours.close()
    assert steps > 30


class Client:
    """A transport that has looked at the service, and a wallet to go back to."""

    def __init__(self, config: ClientConfig, service: PayingService, original: Path) -> None:
        self.config, self.service, self._original = config, service, original
        self.transport = Transport(config)
        self.transport.book.refresh(NOW)
        # Its connections are the parent's; children make their own.
        self.renew()

    def renew(self) -> None:
        """Begin anew: the wallet as it was bought, and nothing spent."""
        for one in self.config.state.glob(f"{FILE}*"):
            one.unlink()
        shutil.copy(self._original, self.config.state / FILE)
        self.service.store = MemorySpentStore(limit=10**6, clock=lambda: 0.0)
        self.service.now = float(NOW)
        self.service.failing.clear()
        self.service.refusing.clear()

    def ask(self) -> None:
        opened = httpx.Client(transport=self.transport, base_url="https://demo.example", timeout=60)
        body = {"model": "demo", "max_tokens": 3000, "messages": []}
        try:
            opened.post("/v1/chat/completions", json=body)
        except OpenPCCError:
            pass

    def ask_back(self) -> None:
        """Ask until there is nothing left to ask for."""
        purse = self.transport.purse
        assert purse is not None
        purse._now = lambda: AFTER
        for _ in range(3):
            purse._reclaim()
        purse.store.close()

    def check(self, step: int) -> None:
        """Every token bought is in stock and unknown to the gateway, or paid for a reply."""
        self.service.now = float(AFTER)
        self.ask_back()
        store = Store(self.config.state, SERVICE)
        counts = Wallet(store).counts()
        with store.reading() as (db, vault):
            rows = [vault.open(b"token", row) for (row,) in db.execute("SELECT row FROM tokens")]
        store.close()
        held = {Token.parse(row[:354]).nonce for row in rows}
        known = {
            nonce: entry.begun
            for entries in self.service.store._sets.values()
            for nonce, entry in entries.items()
        }
        assert counts.sent == 0, f"killed before step {step}"
        assert not held & known.keys(), f"killed before step {step}"
        assert all(known.values()), f"killed before step {step}"
        assert counts.stock + len(known) == STOCK, f"killed before step {step}"


@pytest.fixture(scope="session")
def one_service(tmp_path_factory: pytest.TempPathFactory) -> PayingService:
    return PayingService(tmp_path_factory.mktemp("paying"))


@pytest.fixture
def client(one_service: PayingService, settings: TokenSettings, tmp_path: Path) -> Iterator[Client]:
    issuer = Issuer(settings)
    fill(tmp_path / "original", issuer)
    issuer.close()
    (tmp_path / "state").mkdir(mode=0o700)
    with FarEnd(as_relay(one_service)) as relay:
        config = replace(
            one_service.config, relays=(relay.url,), state=tmp_path / "state", tokens=settings
        )
        made = Client(config, one_service, tmp_path / "original" / FILE)
        yield made
        made.transport.close()


def run(client: Client, ready: Callable[[], None]) -> int:
    steps = 0
    ready()
    for steps in every_crash(client.ask):
        client.check(steps)
        client.renew()
        ready()
    return steps


def test_spend(client: Client):
    assert run(client, lambda: None) > 20


@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.long)])
def test_retry(client: Client, times: int):
    assert run(client, lambda: client.service.failing.extend(["upstream"] * times)) > 25


@pytest.mark.long
def test_refusal(client: Client):
    assert run(client, lambda: client.service.refusing.append("token-spent")) > 20


@pytest.mark.long
def test_asking_back(client: Client):
    def ready() -> None:
        client.renew()
        client.service.failing.extend(["upstream"] * 2)
        client.ask()
        client.service.now = float(AFTER)

    def act() -> None:
        assert client.transport.purse is not None
        client.transport.purse._now = lambda: NOW + 180 + GRACE
        client.transport.purse._reclaim()

    ready()
    steps = 0
    for steps in every_crash(act):
        client.check(steps)
        ready()
    assert steps > 20

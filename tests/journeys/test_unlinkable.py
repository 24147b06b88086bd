"""Nobody who sells tokens and takes them again can say whose they were.

Ten accounts buy, and send two hundred requests. The issuer and the gateway are one operator here:
what either saw is taken down on the wire, opened with the gateway's own key, and given to the
matchers of `tests.fakes.linkage`, with the time of everything. They must do no better than chance;
and each leak that is planted in a client must be found by the same matchers.

The relay's side is another test's (test_capture): it sees ciphertext alone. That a relay which
tells the operator who sent what undoes all of this is said in docs/threat-model.md, not tested.
"""

import dataclasses
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from scipy import stats  # type: ignore[import-untyped]

from gateway import keys
from gateway.decapsulation import Decapsulation
from openpcc import OpenPCC, exchange
from openpcc.cli import demo
from openpcc.cli.demo.stack import EngineChoice
from openpcc.protocol import bhttp, blind_rsa, sealing
from openpcc.protocol.payment import carried_tokens
from openpcc.protocol.privacypass import Token
from openpcc.tokens import wallet
from tests.fakes.linkage import Bought, Fields, Paid, guessed, shared, taken_apart
from tests.fakes.wire import Tap
from tests.journeys.paid_stack import PaidStack, running_paid

pytestmark = pytest.mark.long

ACCOUNTS = 10
REQUESTS = 200
PLANTED = 60
"""Requests of a run with a leak; enough to find one that is there in each."""

STOCK = 48
ALARM = 1e-6
"""The matchers are wrong about honest clients this often."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that the operator saw."""

    bought: list[Bought]
    paid: list[Paid]

    def named(self) -> int:
        """Count payments whose account shared bytes give away."""
        return sum(
            name == one.account
            for name, one in zip(shared(self.bought, self.paid), self.paid, strict=True)
        )

    def chance(self) -> float:
        """Say how often chance alone would guess as many payments as the matcher did."""
        found = guessed(self.bought, self.paid)
        right = sum(name == one.account for name, one in zip(found, self.paid, strict=True))
        return float(stats.binom.sf(right - 1, len(self.paid), 1 / ACCOUNTS))


class Market:
    """Clients with an account each, between a tap before the issuer and one before the gateway."""

    def __init__(self, stack: PaidStack, stacked: ExitStack, name: str) -> None:
        assert stack.issuer is not None
        self._stack = stack
        self.issuer = stacked.enter_context(Tap(stack.issuer.program.listening))
        self.gateway = stacked.enter_context(Tap(stack.gateway.listening))
        relay = stack.folder / f"{name}-relay.toml"
        relay.write_text(f'listen = "127.0.0.1:0"\ngateway = "{self.gateway.url}"\n')
        program = stack.programs.start(f"{name}-relay", "openpcc-relay", ["--config", str(relay)])
        stacked.callback(stack.programs.stop, program)
        self._paths = [
            self._configure(f"{name}-{number}", program.listening) for number in range(ACCOUNTS)
        ]
        self.clients = [stacked.enter_context(OpenPCC(path)) for path in self._paths]
        self._ring = keys.load((stack.folder / "ohttp" / keys.PRIVATE_NAME,))
        self._passed: dict[int, int] = {}
        self.bought: list[Bought] = []
        self._senders: list[tuple[bytes, int, float]] = []

    def _configure(self, name: str, relay: str) -> Path:
        path = self._stack.write_client(name, relay)
        assert self._stack.issuer is not None
        text = path.read_text().replace(self._stack.issuer.program.listening, self.issuer.url)
        path.write_text(f"{text}stock = {STOCK}\n")
        return path

    def buy(self, account: int) -> None:
        """Fill one wallet, by the user's command; what passes belongs to this account."""
        at = time.monotonic()
        self._stack.fill(self._paths[account])
        seen = b"".join(
            bytes(stream[self._passed.get(number, 0) :])
            for number, stream in enumerate(self._streams())
        )
        self._passed = {number: len(stream) for number, stream in enumerate(self._streams())}
        self.bought.append(Bought(account=account, at=at, seen=seen))

    def _streams(self) -> list[bytearray]:
        pairs = zip(self.issuer.up, self.issuer.down, strict=True)
        return [stream for pair in pairs for stream in pair]

    def ask(self, account: int) -> None:
        body = {
            "model": "demo",
            "messages": [{"role": "user", "content": secrets.token_hex(secrets.randbelow(200))}],
            "max_tokens": 4,
        }
        at = time.monotonic()
        answer = self.clients[account].http.post("/v1/chat/completions", json=body)
        assert answer.status_code == 200, answer.text
        self._senders.append((answer.extensions["openpcc"].request_digest, account, at))

    def seen(self) -> Seen:
        """Take apart what came to the gateway."""
        senders = {digest: (account, at) for digest, account, at in self._senders}
        paid = []
        for body in filter(None, self.gateway.bodies()):
            opening = Decapsulation(self._ring)
            opening.feed(body)
            request = bhttp.decode_request(opening.finish().message)
            if request.path == "/sealed":
                prefix = sealing.Prefix.parse(request.content)
                account, at = senders[prefix.request_digest]
                paid.append(Paid(account=account, at=at, fields=fields_of(body, request, prefix)))
        assert len(paid) == len(self._senders)
        return Seen(bought=self.bought, paid=paid)


def fields_of(body: bytes, request: bhttp.Request, prefix: sealing.Prefix) -> Fields:
    """Take a request apart, from its outer length to the last member of its tokens."""
    carried = carried_tokens(request.headers)
    return dict(
        [
            ("outer length", len(body).to_bytes(4, "big")),
            ("length", len(request.content).to_bytes(4, "big")),
            *taken_apart(dataclasses.replace(request, content=b""), "request"),
            *taken_apart(prefix, "prefix"),
            *taken_apart([Token.parse(one.token) for one in carried], "token"),
            *taken_apart([one.proof for one in carried], "proof"),
        ]
    )


@pytest.fixture(scope="module")
def paid_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaidStack]:
    engine = EngineChoice(kind="embedded", model=demo.embedded_model())
    with running_paid(tmp_path_factory.mktemp("market"), engine) as stack:
        yield stack


@pytest.fixture
def market(paid_stack: PaidStack, request: pytest.FixtureRequest) -> Iterator[Market]:
    with ExitStack() as stacked:
        yield Market(paid_stack, stacked, request.node.name)


def trade(market: Market, requests: int, *, just_before: bool = False) -> Seen:
    """Have everybody buy, and send as many requests each, in any order.

    `just_before`: a wallet is filled when a request needs it, which ours never does.
    """
    order = [number % ACCOUNTS for number in range(requests)]
    secrets.SystemRandom().shuffle(order)
    for account in range(ACCOUNTS):
        market.buy(account)
    for account in order:
        if just_before:
            market.buy(account)
        market.ask(account)
    return market.seen()


def test_what_operators_see_does_not_tell_whose_a_request_is(market: Market) -> None:
    seen = trade(market, REQUESTS)
    assert seen.named() == 0
    assert seen.chance() > ALARM


class NoBlinding:
    """Random numbers of a client that blinds with one: the issuer's signature is the token's."""

    token_bytes = staticmethod(secrets.token_bytes)

    @staticmethod
    def randbelow(_: int) -> int:
        return 0


def vain(monkeypatch: pytest.MonkeyPatch, market: Market) -> None:
    """Choose holder keys that begin with the account's number."""
    number = {"now": 0}
    real = Ed25519PrivateKey.generate
    buy = market.buy

    def generate() -> Ed25519PrivateKey:
        while True:
            key = real()
            if key.public_key().public_bytes_raw()[0] % 16 == number["now"]:
                return key

    def bought(account: int) -> None:
        number["now"] = account
        buy(account)

    monkeypatch.setattr(Ed25519PrivateKey, "generate", staticmethod(generate))
    monkeypatch.setattr(market, "buy", bought)


def test_unblinded_tokens_are_found(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blind_rsa, "secrets", NoBlinding)
    assert trade(market, PLANTED).named() == PLANTED


def test_a_habit_of_one_wallet_is_found(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    vain(monkeypatch, market)
    assert trade(market, PLANTED).chance() < ALARM


def test_buying_because_of_a_request_is_found(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wallet, "STEP", 1)  # no more than is missing, so at every request
    assert trade(market, PLANTED, just_before=True).chance() < ALARM


def test_a_field_of_ones_own_is_found(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    real, ask, number = exchange.carriage, market.ask, {"now": 0}

    def carriage(*args: object, **more: object) -> bhttp.Request:
        found = real(*args, **more)  # type: ignore[arg-type]
        return dataclasses.replace(
            found, headers=(*found.headers, ("user-agent", f"client/1.{number['now']}"))
        )

    def asked(account: int) -> None:
        number["now"] = account
        ask(account)

    monkeypatch.setattr(exchange, "carriage", carriage)
    monkeypatch.setattr(market, "ask", asked)
    assert trade(market, PLANTED).chance() < ALARM

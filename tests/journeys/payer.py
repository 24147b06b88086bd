"""A client with an account of its own, and the books of everything that it was ever issued."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest

from openpcc import clock
from openpcc.cli.installed import run
from openpcc.config import ClientConfig
from openpcc.errors import OpenPCCError
from openpcc.protocol.privacypass import Token
from openpcc.tokens import issuance, purse
from openpcc.tokens.held import HeldToken
from openpcc.tokens.issuer import Issuer
from openpcc.tokens.rows import Counts
from openpcc.tokens.store import Store
from openpcc.tokens.terms import Terms
from openpcc.tokens.wallet import Wallet
from openpcc.transport import Transport
from tests.journeys.paid_stack import PaidStack
from tests.journeys.store_history import History

BODY = {
    "model": "demo",
    "max_tokens": 1,
    "messages": [{"role": "user", "content": "What is a list in Python?"}],
}
NEVER = 86400.0


class Payer:
    """One client of a stack, in this process. What it is issued is counted by `issued`."""

    def __init__(self, stack: PaidStack, name: str) -> None:
        path = stack.write_client(name, stack.relay.listening)
        path.write_text(path.read_text() + "every = 86400\n")
        self.name, self.stack = name, stack
        self.config = ClientConfig.load(path)
        self.transport = Transport(self.config)
        self._tell_issuer("account", "quota", name, "100000")
        self.issued: set[bytes] = set()
        self.served: list[bytes] = []
        """Digests of requests whose whole reply came."""

    def close(self) -> None:
        self.transport.close()

    @property
    def terms(self) -> Terms:
        book = self.transport.book
        snapshot = book.valid(clock.now())
        if snapshot is None:
            book.refresh(clock.now())
            snapshot = book.valid(clock.now())
        assert snapshot is not None
        terms = Terms.of(snapshot.service)
        assert terms is not None
        return terms

    @contextmanager
    def wallet(self) -> Iterator[Wallet]:
        """Open the wallet as another process of the user would."""
        store = Store(self.config.state, self.config.policy.service, protection="file")
        try:
            yield Wallet(store)
        finally:
            store.close()

    def counts(self) -> Counts:
        with self.wallet() as wallet:
            return wallet.counts()

    def buy(self, target: int) -> None:
        """Do what `openpcc wallet fill` does, without looking at the service first."""
        assert self.config.tokens is not None
        issuer, terms = Issuer(replace(self.config.tokens, stock=target)), self.terms
        try:
            with self.wallet() as wallet:
                issuance.fill(wallet, issuer, terms, target=target, now=clock.now())
        finally:
            issuer.close()

    def note(self) -> None:
        """Note what is in the wallet as issued."""
        self.issued |= self.held()

    def held(self) -> set[bytes]:
        """Give the nonces of all tokens in the wallet."""
        store = Store(self.config.state, self.config.policy.service, protection="file")
        try:
            with store.reading() as (db, vault):
                rows = db.execute("SELECT row FROM tokens").fetchall()
                held = [HeldToken.parse(vault.open(b"token", row)) for (row,) in rows]
        finally:
            store.close()
        return {Token.parse(one.token).nonce for one in held}

    def ask(self) -> bool:
        """Make a request; say whether its whole reply came."""
        try:
            self.request()
        except OpenPCCError:
            return False
        return True

    def request(self) -> None:
        """Make a request that is served, or raise why not."""
        opened = httpx.Client(transport=self.transport, base_url="https://demo.example", timeout=60)
        answer = opened.post("/v1/chat/completions", json=BODY)
        assert answer.status_code == 200, answer.text
        self.served.append(answer.extensions["openpcc"].request_digest)

    def ask_back_once(self) -> None:
        """Do what the keeper does at one of its times."""
        purse = self.transport.purse
        assert purse is not None
        self.transport.book.candidates("demo", clock.now())
        purse._reclaim()

    def ask_back(self, *, patience: float = 30.0) -> None:
        """Let the keeper ask back what came to nothing, as it does for users, but more often."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(purse, "RECLAIM_EVERY", 0.02)
            later = Transport(self.config)
        try:
            later.book.refresh(clock.now())
            end = time.monotonic() + patience
            while self.counts().sent:
                assert time.monotonic() < end, "tokens do not come back"
                time.sleep(0.05)
        finally:
            later.close()

    def charged(self) -> int:
        """Count the tokens that the issuer would bill."""
        said = self._tell_issuer("account", "usage", "--json")
        lines = [json.loads(line) for line in said.splitlines()]
        return sum(line["tokens"] for line in lines if line["name"] == self.name)

    def check_books(self) -> None:
        """Every token that was charged is in stock, or has paid for a reply; never both."""
        counts, history = self.counts(), History.read(self.stack.store.folder)
        held, begun = self.held(), history.begun.keys() & self.issued
        assert counts.sent == counts.pending == counts.expired == 0
        assert held <= self.issued
        assert not history.admitted & self.issued, "a token stands for a request that is over"
        assert not held & begun, "a token that paid is in stock"
        assert held | begun == self.issued, "a token is lost"
        assert counts.stock + len(begun) == len(self.issued) == self.charged()
        paid = {history.begun[nonce] for nonce in begun}
        assert len(set(self.served)) == len(self.served)
        assert set(self.served) <= paid, "a reply was not paid for"

    def _tell_issuer(self, *words: str) -> str:
        assert self.stack.issuer is not None
        return run("openpcc-issuer", [*words, "--config", str(self.stack.issuer.config)])

"""What bad input gets through the whole service: a distinct typed error, and the wallet intact."""

import time
from collections.abc import Iterator
from dataclasses import replace
from shutil import copytree

import pytest

from openpcc import clock
from openpcc.cli.demo.issuing import ISSUER as NAME
from openpcc.cli.installed import run
from openpcc.config import ClientConfig
from openpcc.errors import (
    DirectoryError,
    GatewayError,
    IssuerError,
    IssuerKeyError,
    TokenRefusedError,
)
from openpcc.protocol.messages import WINDOW
from openpcc.protocol.privacypass import TokenChallenge
from openpcc.tokens import issuance
from openpcc.tokens.held import HeldToken
from openpcc.tokens.issuer import Issuer
from openpcc.tokens.store import Store
from openpcc.tokens.terms import Terms
from openpcc.tokens.wallet import GRACE, Wallet
from tests.journeys.killable_stack import GATEWAY, ISSUER, KillableStack, running_killable
from tests.journeys.payer import Payer

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

EXPIRED = 240 + GRACE + 60
"""Seconds after which every request that ended can be asked back."""

HOUR = 3600
STOCK = 16


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KillableStack]:
    with running_killable(tmp_path_factory.mktemp("refused")) as stack:
        yield stack


@pytest.fixture
def payer(service: KillableStack, request: pytest.FixtureRequest) -> Iterator[Payer]:
    name = request.node.name.removeprefix("test_").translate(str.maketrans("_[", "--", "]"))
    made = Payer(service, name)
    made.buy(STOCK)
    made.note()
    yield made
    service.trap.disarm()
    made.close()


def store_of(config: ClientConfig) -> Store:
    return Store(config.state, config.policy.service, protection="file")


def oldest(payer: Payer) -> HeldToken:
    store = store_of(payer.config)
    with store.reading() as (db, vault):
        (row,) = db.execute("SELECT row FROM tokens ORDER BY id LIMIT 1").fetchone()
        held = HeldToken.parse(vault.open(b"token", row))
    store.close()
    return held


def put_first(payer: Payer, bad: HeldToken) -> None:
    """Put a token in place of the one that is spent next."""
    store = store_of(payer.config)
    with store.step() as (db, vault):
        db.execute(
            "UPDATE tokens SET row = ? WHERE id = "
            "(SELECT min(id) FROM tokens WHERE state = 0 AND key = ?)",
            (vault.close(b"token", bad.encode()), payer.terms.keys[0]),
        )
    store.close()


def check_refused(payer: Payer, code: str) -> None:
    """Expect a refusal that costs nothing but the bad token, and a next request that is served."""
    with pytest.raises(TokenRefusedError) as caught:
        payer.request()
    assert caught.value.code == code
    assert (payer.counts().stock, payer.counts().sent) == (STOCK - 1, 1)
    payer.request()
    assert payer.counts().stock == STOCK - 2


def test_a_copied_wallet_pays_once(service: KillableStack, payer: Payer):
    copy = Payer(service, "copied")
    copytree(payer.config.state, copy.config.state, dirs_exist_ok=True)
    payer.request()
    check_refused(copy, "token-spent")
    service.let_pass(EXPIRED)
    copy.ask_back()
    assert copy.counts().stock == STOCK - 2, "what others paid with does not come back"
    copy.close()


def test_a_forged_token_is_refused(payer: Payer):
    good = oldest(payer)
    put_first(payer, replace(good, token=good.token[:-1] + bytes([good.token[-1] ^ 1])))
    check_refused(payer, "token-forged")


def test_a_token_of_another_service_is_refused(payer: Payer):
    """The issuer signs what it cannot read; the gateway sees for whom it is."""
    assert payer.config.tokens is not None
    elsewhere = TokenChallenge(issuer_name=NAME, origin_info=("elsewhere.example",))
    terms = replace(payer.terms, challenge_digest=elsewhere.digest)
    other = Store(payer.config.state / "other", payer.config.policy.service, protection="file")
    issuer = Issuer(payer.config.tokens)
    issuance.fill(Wallet(other), issuer, terms, target=STOCK, now=clock.now())
    issuer.close()
    with other.reading() as (db, vault):
        (row,) = db.execute("SELECT row FROM tokens LIMIT 1").fetchone()
        put_first(payer, HeldToken.parse(vault.open(b"token", row)))
    other.close()
    check_refused(payer, "token-origin")


def test_a_request_whose_gateways_died_is_given_back(service: KillableStack, payer: Payer):
    service.trap.arm(*[f"{GATEWAY} 5 kill"] * 2)
    assert not payer.ask()
    service.wait_ready()
    assert (payer.counts().stock, payer.counts().sent) == (STOCK - 1, 1)
    service.let_pass(EXPIRED)
    payer.ask_back()
    payer.check_books()
    assert payer.counts().stock == STOCK


def test_the_store_is_down(service: KillableStack, payer: Payer):
    payer.request()
    service.store.kill()
    with pytest.raises(GatewayError) as caught:
        payer.request()
    service.store.start()
    service.wait_ready()
    assert caught.value.code == "busy", "the store of outer requests is the same"
    assert (payer.counts().stock, payer.counts().sent) == (STOCK - 2, 1)
    payer.request()
    service.let_pass(EXPIRED)
    payer.ask_back()
    payer.check_books()


def test_the_issuer_is_down(service: KillableStack, payer: Payer):
    service.trap.arm(f"{ISSUER} 20 kill")
    with pytest.raises(IssuerError) as caught:
        payer.buy(2 * STOCK)
    assert caught.value.code == "unreachable"
    assert (payer.counts().stock, payer.counts().pending) == (STOCK, STOCK)
    payer.request()
    service.wait_ready()
    payer.buy(2 * STOCK - 1)
    assert payer.counts().stock == 2 * STOCK - 1


@pytest.mark.parametrize("off", [-HOUR, HOUR])
def test_a_clock_that_is_off_by_an_hour_pays_nothing(
    service: KillableStack, payer: Payer, monkeypatch: pytest.MonkeyPatch, off: int
):
    right = clock.now
    with monkeypatch.context() as patch:
        patch.setattr(clock, "now", lambda: right() + off)
        with pytest.raises(DirectoryError) as caught:
            payer.transport.book.refresh(clock.now())
        with pytest.raises(DirectoryError):
            payer.request()
    assert caught.value.code == "stale"
    assert payer.counts().stock == STOCK
    payer.request()


def test_a_key_that_the_entry_does_not_name_is_not_used(service: KillableStack, payer: Payer):
    """Another issuer at the client's address: nothing is blinded, nothing is asked."""
    folder = service.folder / "another"
    folder.mkdir()
    (folder / "keys").mkdir(mode=0o700)
    (folder / "issuer.toml").write_text(
        f'name = "{NAME}"\nkeys = "keys"\nlisten = "127.0.0.1:0"\n\n'
        '[database]\nkind = "sqlite"\npath = "issuer.db"\n'
    )
    settings = ["--config", str(folder / "issuer.toml")]
    run("openpcc-issuer", ["init", *settings])
    run("openpcc-issuer", ["keys", "new", *settings])
    other = service.programs.start("another-issuer", "openpcc-issuer", settings)
    assert payer.config.tokens is not None
    terms: Terms = payer.terms
    issuer = Issuer(replace(payer.config.tokens, issuer=other.listening))
    with payer.wallet() as wallet, pytest.raises(IssuerKeyError):
        issuance.fill(wallet, issuer, terms, target=2 * STOCK, now=clock.now())
    issuer.close()
    service.programs.stop(other)
    assert (payer.counts().stock, payer.counts().pending) == (STOCK, 0)


def wait_offered(payer: Payer, count: int) -> None:
    """Wait until the issuer has looked at its folder."""
    assert payer.config.tokens is not None
    issuer, end = Issuer(payer.config.tokens), time.monotonic() + 30
    while len(issuer.directory().keys) != count:
        assert time.monotonic() < end, "the issuer's keys are others"
        time.sleep(0.1)
    issuer.close()


def test_keys_overlap_and_then_end(service: KillableStack, payer: Payer):
    old, leftover = payer.terms.keys, oldest(payer)
    settings = ["--config", str(service.issuer_config)]
    run("openpcc-issuer", ["keys", "new", "--wait", "25", *settings])
    wait_offered(payer, 2)
    service.list_keys()
    service.let_pass_long(25 * 60)
    service.list_keys()  # the new one is in use by now, and the first
    payer.transport.book.refresh(clock.now())
    new = payer.terms.keys
    assert len(new) == 2
    assert new[1:] == old
    payer.request()
    assert payer.counts().stock == STOCK - 1, "tokens of the last key pay on"
    payer.buy(STOCK)

    run("openpcc-issuer", ["keys", "retire", old[0].hex(), *settings])
    wait_offered(payer, 1)
    service.list_keys()
    payer.transport.book.refresh(clock.now())
    assert payer.terms.keys == new[:1]
    payer.buy(STOCK)
    counts = payer.counts()
    assert (counts.stock, counts.expired) == (STOCK, STOCK - 1)
    payer.request()
    assert payer.counts().expired == STOCK - 1, "tokens of a retired key are not sent"
    service.let_pass_long(2 * WINDOW)  # until no entry lists it
    payer.transport.book.refresh(clock.now())
    put_first(payer, leftover)
    with pytest.raises(TokenRefusedError) as caught:
        payer.request()
    assert caught.value.code == "token-key"

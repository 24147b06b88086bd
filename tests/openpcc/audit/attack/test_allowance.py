"""Attacks take from the user's wallet what was said, and leave everything else of it alone."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from openpcc.audit.attack import allowance
from openpcc.audit.attack.allowance import Allowance
from openpcc.audit.attack.attempt import NotTriedError
from openpcc.budget import Wanted
from openpcc.config import ClientConfig
from openpcc.errors import ConfigurationError
from openpcc.token_settings import TokenSettings
from openpcc.tokens import issuance
from openpcc.tokens.payment import Payment
from tests.fakes.issuer import MemoryIssuer
from tests.fakes.paying_service import PayingService, terms_of
from tests.fakes.world import NOW

TERMS = terms_of(0)


@dataclass(frozen=True)
class Made:
    """What a request is, to a wallet."""

    request_digest: bytes
    payment: Payment


def made(payment: Payment) -> Made:
    return Made(b"a request".ljust(32), payment)


@pytest.fixture
def config(tmp_path: Path) -> ClientConfig:
    settings = TokenSettings(
        issuer="http://127.0.0.1:1", credential=tmp_path / "credential", protection="file"
    )
    return replace(PayingService(tmp_path).config, tokens=settings)


@pytest.fixture
def purse(config: ClientConfig) -> Iterator[Allowance]:
    found = Allowance(config, most=3)
    issuance.fill(found.wallet, MemoryIssuer(), TERMS, target=16, now=NOW)
    yield found
    found.close()


def take(purse: Allowance, count: int = 1) -> Made:
    return purse.take(count, TERMS, made, max_output=256, now=NOW)


def stock(purse: Allowance) -> int:
    counts = purse.counts()
    return 0 if counts is None else counts.stock


def test_it_takes_so_many_and_no_more(purse: Allowance):
    take(purse, 2)
    with pytest.raises(NotTriedError, match="more than the 3 tokens that were said"):
        take(purse, 2)
    take(purse)
    assert (purse.taken, stock(purse)) == (3, 13)


def test_a_client_that_pays_with_it_is_held_to_it_too(purse: Allowance):
    found = purse.pay(TERMS, Wanted(limit=1025), made, now=NOW)
    assert (found.payment.max_output, len(found.payment.tokens)) == (2048, 2)
    with pytest.raises(NotTriedError, match="that were said"):
        purse.pay(TERMS, Wanted(limit=1025), made, now=NOW)


def test_a_request_that_is_not_made_costs_nothing(purse: Allowance):
    def fails(_: Payment) -> Made:
        raise NotTriedError("it needs two nodes")

    with pytest.raises(NotTriedError, match="two nodes"):
        purse.take(1, TERMS, fails, max_output=256, now=NOW)
    assert (purse.taken, stock(purse)) == (0, 16)


def test_tokens_of_requests_that_came_to_nothing_are_asked_back_by_the_user_s_own_client(
    purse: Allowance,
):
    found = take(purse)
    purse.released(found.request_digest, expires=NOW)
    due = purse.wallet.due(NOW + 120)
    assert due is not None
    assert due.request_digest == found.request_digest


def test_without_a_wallet_none_is_made(config: ClientConfig):
    purse = Allowance(config)
    with pytest.raises(NotTriedError, match="no wallet to pay from; run: openpcc wallet fill"):
        take(purse)
    assert not purse.path.exists()


def test_a_wallet_that_is_empty_or_in_use_is_told(purse: Allowance):
    purse.most = 100
    take(purse, 16)
    with pytest.raises(NotTriedError, match="costs 1 tokens and the wallet has 0"):
        take(purse)
    assert purse.taken == 16


def test_a_wallet_that_is_damaged_is_told(purse: Allowance):
    purse.close()
    purse.path.write_bytes(b"no wallet" * 1000)
    with pytest.raises(NotTriedError, match=r"wallet: .*damaged|wallet: .*not a wallet"):
        take(purse)


def test_nothing_is_bought_or_asked_back(purse: Allowance):
    purse.start()
    assert not [one.name for one in threading.enumerate() if one.name.startswith("openpcc-tokens")]


def test_without_tokens_in_the_configuration_there_is_nothing_to_spend(config: ClientConfig):
    none = replace(config, tokens=None)
    assert allowance.allowance_of(none) is None
    with pytest.raises(NotTriedError, match=r"add \[tokens\]"):
        allowance.require(None)
    with pytest.raises(ConfigurationError):
        Allowance(none)

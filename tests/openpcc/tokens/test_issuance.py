"""Filling the wallet against issuers that are down, wrong, or offer a key of one's own."""

from dataclasses import replace

import pytest

from openpcc.errors import IssuerError, IssuerKeyError, WalletError
from openpcc.protocol.privacypass import DirectoryKey, IssuerDirectory, IssuerKey
from openpcc.tokens import issuance
from openpcc.tokens.rows import Counts
from openpcc.tokens.terms import Terms
from openpcc.tokens.wallet import KEPT, Wallet
from tests.fakes.issuer import MemoryIssuer, public_key
from tests.fakes.paying_service import terms_of
from tests.fakes.world import NOW

EMPTY = Counts(stock=0, sent=0, pending=0, expired=0)
BEGUN = Counts(stock=0, sent=0, pending=16, expired=0)
FULL = Counts(stock=16, sent=0, pending=0, expired=0)

THREES = IssuerKey(n=3**1292, e=65537)
"""2048 bits, odd, and nothing that hides anything."""


def fill(wallet: Wallet, issuer: MemoryIssuer, terms: Terms, *, now: int = NOW) -> int:
    return issuance.fill(wallet, issuer, terms, target=16, now=now)


@pytest.mark.parametrize("offered", [[1], [], [1, 2]])
def test_a_key_that_the_entry_does_not_name_is_never_blinded_to(
    wallet: Wallet, terms: Terms, offered: list[int]
):
    issuer = MemoryIssuer(*offered)
    issuer.keys = issuer.keys if offered else []
    with pytest.raises(IssuerKeyError):
        fill(wallet, issuer, terms)
    assert (issuer.asked, wallet.counts()) == ([], EMPTY)


@pytest.mark.parametrize("offered", [[0, 1], [1, 0]])
def test_of_two_keys_the_entry_chooses_and_not_the_issuer(wallet: Wallet, offered: list[int]):
    """Otherwise it could put each client into one of two crowds."""
    issuer = MemoryIssuer(*offered)
    fill(wallet, issuer, terms_of(0, 1))
    assert {body[2] for body in issuer.asked} == {public_key(0).truncated_id}


def test_a_service_that_changes_keys_again_and_again_is_bought_from_no_more(wallet: Wallet):
    """Whoever buys between two changes is in one crowd, which may be small: so not too many."""
    for number in range(4):
        listed = terms_of(number, max(number - 1, 0))
        issuance.fill(wallet, MemoryIssuer(number), listed, target=16, now=NOW)
        issuance.fill(wallet, MemoryIssuer(number), terms_of(number), target=16, now=NOW)
    held, issuer = wallet.counts(), MemoryIssuer(4)
    with pytest.raises(IssuerKeyError, match="too often"):
        fill(wallet, issuer, terms_of(4))
    assert (issuer.asked, wallet.counts().pending, held.stock) == ([], 0, 16)
    assert fill(wallet, issuer, terms_of(4), now=NOW + KEPT) == 16


def test_a_key_that_is_no_product_of_large_primes_is_not_blinded_to(wallet: Wallet):
    class Powers(MemoryIssuer):
        def directory(self) -> IssuerDirectory:
            key = DirectoryKey(token_type=2, token_key=THREES.spki)
            return IssuerDirectory(request_uri="/token-request", keys=(key,))

    issuer = Powers()
    with pytest.raises(IssuerKeyError, match="no RSA key"):
        fill(wallet, issuer, replace(terms_of(0), keys=(THREES.id,)))
    assert (issuer.asked, wallet.counts()) == ([], EMPTY)


def test_another_key_leaves_the_wallet_as_it_was(filled: Wallet, terms: Terms):
    with pytest.raises(IssuerKeyError):
        issuance.fill(filled, MemoryIssuer(1), terms, target=32, now=NOW)
    assert filled.counts() == FULL


@pytest.mark.parametrize(
    "refusal",
    [
        IssuerError("unreachable", 0, "down"),
        IssuerError("quota", 429, "used up"),
        IssuerError("account", 401, "revoked"),
        IssuerError("answer", 0, "cut"),
    ],
)
def test_what_was_begun_is_finished_with_the_same_bytes(
    wallet: Wallet, issuer: MemoryIssuer, terms: Terms, refusal: IssuerError
):
    issuer.refusal = refusal
    for _ in range(2):
        with pytest.raises(IssuerError) as caught:
            fill(wallet, issuer, terms)
        assert caught.value.code == refusal.code
        assert wallet.counts() == BEGUN
    issuer.refusal = None
    assert fill(wallet, issuer, terms) == 16
    assert wallet.counts() == FULL
    assert len(issuer.asked) == 3
    assert len(set(issuer.asked)) == 1


@pytest.mark.parametrize("number", [0, 7, 15])
def test_one_forged_signature_and_nothing_of_the_batch_counts(
    wallet: Wallet, issuer: MemoryIssuer, terms: Terms, number: int
):
    issuer.break_signature = number
    with pytest.raises(IssuerError, match="report"):
        fill(wallet, issuer, terms)
    assert wallet.counts() == BEGUN
    issuer.break_signature = -1
    assert fill(wallet, issuer, terms) == 16
    assert (wallet.counts(), issuer.tokens) == (FULL, 16)


def test_an_issuer_that_cheats_is_not_asked_for_more(
    wallet: Wallet, issuer: MemoryIssuer, terms: Terms
):
    issuer.break_signature = 0
    for _ in range(5):
        with pytest.raises(IssuerError):
            fill(wallet, issuer, terms)
    assert len(set(issuer.asked)) == 1


def test_one_batch_that_fails_keeps_no_other_from_coming(
    wallet: Wallet, issuer: MemoryIssuer, terms: Terms
):
    for target in (16, 32):
        wallet.begin_issue(public_key(), terms, target=target, now=NOW)
    first = wallet.pending()[0].body

    class Fussy(MemoryIssuer):
        def sign(self, body: bytes, count: int) -> tuple[bytes, ...]:
            if body == first:
                raise IssuerError("quota", 429, "no")
            return super().sign(body, count)

    with pytest.raises(IssuerError, match="no"):
        fill(wallet, Fussy(), terms)
    assert wallet.counts() == Counts(stock=16, sent=0, pending=16, expired=0)


def test_a_batch_of_a_retired_key_is_dropped_and_asked_anew(
    wallet: Wallet, issuer: MemoryIssuer, terms: Terms
):
    wallet.begin_issue(public_key(), terms, target=16, now=NOW)
    issuer.keys = MemoryIssuer(1).keys
    with pytest.raises(IssuerError, match="such key"):
        fill(wallet, issuer, terms)
    assert wallet.counts() == EMPTY
    assert fill(wallet, issuer, terms_of(1)) == 16


def test_a_batch_of_a_key_no_longer_listed_is_not_asked_for_and_goes_after_a_week(
    wallet: Wallet, issuer: MemoryIssuer, terms: Terms
):
    wallet.begin_issue(public_key(), terms, target=16, now=NOW)
    other = MemoryIssuer(1)
    fill(wallet, other, terms_of(1))
    assert len(wallet.pending()) == 1
    fill(wallet, other, terms_of(1), now=NOW + KEPT)
    assert wallet.pending() == []


def test_after_a_rotation_the_old_key_still_pays_while_it_is_listed(filled: Wallet):
    both = terms_of(1, 0)
    issuer = MemoryIssuer(1, 0)
    issuance.fill(filled, issuer, both, target=32, now=NOW)
    assert {body[2] for body in issuer.asked} == {public_key(1).truncated_id}
    assert filled.counts().stock == 32


def test_a_wallet_that_cannot_be_written_asks_nothing(
    wallet: Wallet, issuer: MemoryIssuer, terms: Terms, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object, **__: object) -> None:
        raise WalletError("full", "no room")

    monkeypatch.setattr(wallet, "begin_issue", full)
    with pytest.raises(WalletError):
        fill(wallet, issuer, terms)
    assert issuer.asked == []


def test_a_directory_without_any_key_is_no_choice(terms: Terms):
    with pytest.raises(IssuerKeyError):
        issuance.choose_key(IssuerDirectory(request_uri="/token-request", keys=()), terms)

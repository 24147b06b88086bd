"""Every step of the wallet, against an issuer with the operator's own signing code."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from openpcc.errors import IssuerError, WalletEmptyError
from openpcc.protocol.payment import Reclaimed
from openpcc.protocol.privacypass import TokenChallenge, verify_token
from openpcc.tokens import issuance
from openpcc.tokens.payment import Payment
from openpcc.tokens.rows import Counts
from openpcc.tokens.terms import Terms
from openpcc.tokens.wallet import GRACE, HOLD, KEPT, Wallet
from tests.fakes.issuer import NAME, MemoryIssuer, public_key
from tests.fakes.memory_service import SERVICE
from tests.fakes.paying_service import terms_of
from tests.fakes.world import NOW


@dataclass(frozen=True, kw_only=True)
class Request:
    """What `spend` makes."""

    request_digest: bytes
    payment: Payment


def make(digest: bytes = bytes(32)) -> Callable[[Payment], Request]:
    return lambda payment: Request(request_digest=digest, payment=payment)


def spend(wallet: Wallet, terms: Terms, count: int = 1, digest: bytes = bytes(32)) -> Request:
    return wallet.spend(count, terms, make(digest), max_output=1024, now=NOW)


def names(payment: Payment) -> set[bytes]:
    return {one.token for one in payment.tokens}


def test_what_is_bought_verifies_and_is_counted(filled: Wallet, terms: Terms, issuer: MemoryIssuer):
    assert filled.counts() == Counts(stock=16, sent=0, pending=0, expired=0)
    assert issuer.tokens == 16
    challenge = TokenChallenge(issuer_name=NAME, origin_info=(SERVICE,))
    for token in spend(filled, terms, 16).payment.tokens:
        key = public_key()
        verify_token(token.token, keys={key.id: key}, challenge_digest=challenge.digest)


def test_no_token_is_given_twice(filled: Wallet, terms: Terms):
    seen: set[bytes] = set()
    for number in range(4):
        found = names(spend(filled, terms, 4, bytes([number]) * 32).payment)
        assert not found & seen
        seen |= found
    with pytest.raises(WalletEmptyError) as caught:
        spend(filled, terms)
    assert (caught.value.held, caught.value.needed) == (0, 1)


def test_the_oldest_go_first(wallet: Wallet, terms: Terms, issuer: MemoryIssuer):
    issuance.fill(wallet, issuer, terms, target=16, now=NOW)
    first = names(spend(wallet, terms, 16).payment)
    wallet.released(bytes(32), expires=NOW)
    due = wallet.due(NOW + GRACE)
    assert due is not None
    wallet.settle(due, [Reclaimed.FREE] * 16)
    issuance.fill(wallet, issuer, terms, target=32, now=NOW)
    assert names(spend(wallet, terms, 16, b"2" * 32).payment) == first


def test_a_request_that_cannot_be_sealed_takes_nothing(filled: Wallet, terms: Terms):
    def fails(_: Payment) -> Request:
        raise IssuerError("any", 0, "error")

    with pytest.raises(IssuerError):
        filled.spend(3, terms, fails, max_output=1024, now=NOW)
    assert filled.counts().stock == 16


def test_too_few_tokens_are_left_where_they_are(filled: Wallet, terms: Terms):
    with pytest.raises(WalletEmptyError):
        spend(filled, terms, 17)
    assert filled.counts() == Counts(stock=16, sent=0, pending=0, expired=0)


def test_a_reply_that_began_ends_its_tokens(filled: Wallet, terms: Terms):
    spend(filled, terms, 3)
    filled.served(bytes(32))
    assert filled.counts() == Counts(stock=13, sent=0, pending=0, expired=0)


def test_tokens_of_an_unknown_fate_are_asked_back_only_after_every_wait(
    filled: Wallet, terms: Terms
):
    spend(filled, terms, 3)
    assert filled.due(NOW + HOLD - 1) is None
    due = filled.due(NOW + HOLD)
    assert due is not None
    assert len(due.tokens) == 3


def test_tokens_of_a_request_that_failed_are_asked_back_after_its_expiry(
    filled: Wallet, terms: Terms
):
    spend(filled, terms, 3)
    filled.released(bytes(32), expires=NOW + 120)
    assert filled.due(NOW + 120 + GRACE - 1) is None
    due = filled.due(NOW + 120 + GRACE)
    assert due is not None
    filled.settle(due, [Reclaimed.FREE, Reclaimed.SPENT, Reclaimed.PENDING])
    assert filled.counts() == Counts(stock=14, sent=1, pending=0, expired=0)
    again = filled.due(NOW + 120 + GRACE)
    assert again is not None
    assert len(again.tokens) == 1


def test_an_answer_that_comes_late_touches_no_token_of_another_request(
    filled: Wallet, terms: Terms
):
    """Two processes asked; one put the token to use again before the other's answer came."""
    spend(filled, terms, 16)
    due = filled.due(NOW + HOLD)
    assert due is not None
    filled.settle(due, [Reclaimed.FREE] * 16)
    spend(filled, terms, 16, b"2" * 32)
    filled.settle(due, [Reclaimed.SPENT] * 16)
    filled.settle(due, [Reclaimed.FREE] * 16)
    assert filled.counts() == Counts(stock=0, sent=16, pending=0, expired=0)


def test_tokens_of_a_key_that_is_not_listed_are_not_spent_and_go_after_a_week(
    filled: Wallet, terms: Terms, issuer: MemoryIssuer
):
    other = terms_of(1)
    with pytest.raises(WalletEmptyError):
        spend(filled, other)
    filled.note_keys(other.keys, now=NOW)
    assert filled.counts() == Counts(stock=0, sent=0, pending=0, expired=16)
    filled.note_keys(other.keys, now=NOW + KEPT - 1)
    assert filled.counts().expired == 16
    filled.note_keys(terms.keys, now=NOW + KEPT)  # it came back
    assert filled.counts().stock == 16
    filled.note_keys(other.keys, now=NOW + KEPT)
    filled.note_keys(other.keys, now=NOW + 2 * KEPT)
    assert filled.counts() == Counts(stock=0, sent=0, pending=0, expired=0)


def test_what_was_asked_for_counts_and_is_not_asked_twice(
    wallet: Wallet, terms: Terms, issuer: MemoryIssuer
):
    key = public_key()
    assert wallet.begin_issue(key, terms, target=16, now=NOW) is not None
    assert wallet.begin_issue(key, terms, target=16, now=NOW) is None
    assert wallet.counts() == Counts(stock=0, sent=0, pending=16, expired=0)


@pytest.mark.parametrize(("target", "sizes"), [(1, [16]), (40, [48]), (64, [64]), (100, [64, 48])])
def test_batches_come_in_few_sizes(
    wallet: Wallet, terms: Terms, issuer: MemoryIssuer, target: int, sizes: list[int]
):
    issuance.fill(wallet, issuer, terms, target=target, now=NOW)
    assert [len(body) // 259 for body in issuer.asked] == sizes


def test_the_same_batch_is_finished_once(wallet: Wallet, terms: Terms, issuer: MemoryIssuer):
    wallet.begin_issue(public_key(), terms, target=16, now=NOW)
    (batch,) = wallet.pending()
    (again,) = wallet.pending()
    signed = issuer.sign(batch.body, 16)
    assert batch.body == again.body
    assert wallet.finish_issue(batch, signed) == 16
    assert wallet.finish_issue(again, signed) == 0
    assert wallet.counts() == Counts(stock=16, sent=0, pending=0, expired=0)


def test_tokens_of_a_retired_key_keep_no_others_from_coming_back(wallet: Wallet) -> None:
    both, old, new = terms_of(0, 1), terms_of(0), terms_of(1)
    issuance.fill(wallet, MemoryIssuer(0), old, target=16, now=NOW)
    issuance.fill(wallet, MemoryIssuer(1), new, target=32, now=NOW)
    spend(wallet, both, 32)
    wallet.note_keys(new.keys, now=NOW)
    due = wallet.due(NOW + HOLD)
    assert due is not None
    assert {one.token[66:98] for one in due.tokens.values()} == set(new.keys)

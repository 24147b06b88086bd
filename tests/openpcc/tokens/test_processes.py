"""Several processes on one wallet: no token is given to two, and nothing is bought twice."""

import multiprocessing
import os
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from openpcc.errors import WalletEmptyError
from openpcc.token_settings import TokenSettings
from openpcc.tokens import issuance
from openpcc.tokens.issuer import Issuer
from openpcc.tokens.payment import Payment
from openpcc.tokens.rows import Counts
from openpcc.tokens.store import Store
from openpcc.tokens.terms import Terms
from openpcc.tokens.wallet import Wallet
from tests.fakes.issuer import CREDENTIAL, MemoryIssuer, served
from tests.fakes.memory_service import SERVICE
from tests.fakes.paying_service import terms_of
from tests.fakes.world import NOW

pytestmark = pytest.mark.filterwarnings("ignore:This process")  # it has threads: servers only

PROCESSES = 4
FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True, kw_only=True)
class Request:
    request_digest: bytes
    tokens: tuple[bytes, ...]


def make(payment: Payment) -> Request:
    return Request(request_digest=os.urandom(32), tokens=tuple(one.token for one in payment.tokens))


def all_at_once(act: Callable[[], list[bytes]]) -> list[list[bytes]]:
    """Run it in every process, begun together; give what each sent back."""
    start = FORK.Barrier(PROCESSES)

    def child(out: Connection) -> None:
        start.wait(20)
        out.send(act())

    pipes = [FORK.Pipe(duplex=False) for _ in range(PROCESSES)]
    started = [FORK.Process(target=child, args=(out,)) for _, out in pipes]
    for one in started:
        one.start()
    for _, out in pipes:
        out.close()
    found: list[list[bytes]] = [ours.recv() for ours, _ in pipes]
    for one in started:
        one.join(20)
    assert [one.exitcode for one in started] == [0] * PROCESSES
    return found


def spend_all(wallet: Wallet, terms: Terms, count: int) -> list[bytes]:
    spent: list[bytes] = []
    try:
        while True:
            spent += wallet.spend(count, terms, make, max_output=1024, now=NOW).tokens
    except WalletEmptyError:
        return spent


def test_no_token_is_given_to_two(folder: Path, issuer: MemoryIssuer, terms: Terms):
    store = Store(folder, SERVICE, protection="file")
    issuance.fill(Wallet(store), issuer, terms, target=128, now=NOW)
    store.close()
    found = all_at_once(lambda: spend_all(Wallet(Store(folder, SERVICE)), terms, 2))
    everything = [token for spent in found for token in spent]
    assert len(everything) == len(set(everything)) == 128


def test_a_wallet_that_was_open_before_the_fork_is_shared_as_well(
    folder: Path, issuer: MemoryIssuer, terms: Terms
):
    store = Store(folder, SERVICE, protection="file")
    wallet = Wallet(store)
    issuance.fill(wallet, issuer, terms, target=64, now=NOW)
    found = all_at_once(lambda: spend_all(wallet, terms, 1))
    everything = [token for spent in found for token in spent]
    assert len(everything) == len(set(everything)) == 64
    assert wallet.counts() == Counts(stock=0, sent=64, pending=0, expired=0)
    store.close()


def test_what_one_buys_no_other_buys(folder: Path, issuer: MemoryIssuer, tmp_path: Path):
    credential = tmp_path / "credential"
    credential.touch(mode=0o600)
    credential.write_text(CREDENTIAL)

    def buy() -> list[bytes]:
        wallet, reached = Wallet(Store(folder, SERVICE, protection="file")), Issuer(settings)
        issuance.fill(wallet, reached, terms_of(0), target=64, now=NOW)
        return []

    with served(issuer) as far:
        settings = TokenSettings(issuer=far.url, credential=credential)
        all_at_once(buy)
    store = Store(folder, SERVICE)
    assert Wallet(store).counts() == Counts(stock=64, sent=0, pending=0, expired=0)
    store.close()
    assert issuer.tokens == 64


def test_the_first_step_of_all_makes_one_wallet(folder: Path):
    ids = all_at_once(lambda: [_id(Store(folder, SERVICE, protection="file"))])
    assert len({one for (one,) in ids}) == 1


def _id(store: Store) -> bytes:
    with store.reading() as (db, _):
        found: str = db.execute("SELECT value FROM meta WHERE name = 'id'").fetchone()[0]
    return found.encode()

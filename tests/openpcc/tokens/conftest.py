"""A wallet in a folder, terms to fill it under, and an issuer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from openpcc.tokens import issuance
from openpcc.tokens.store import Store
from openpcc.tokens.terms import Terms
from openpcc.tokens.wallet import Wallet
from tests.fakes.issuer import MemoryIssuer
from tests.fakes.memory_service import SERVICE
from tests.fakes.paying_service import terms_of
from tests.fakes.world import NOW


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "state"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture
def issuer() -> MemoryIssuer:
    return MemoryIssuer()


@pytest.fixture
def terms() -> Terms:
    return terms_of(0)


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    made = Store(folder, SERVICE, protection="file")
    yield made
    made.close()


@pytest.fixture
def wallet(store: Store) -> Wallet:
    return Wallet(store)


@pytest.fixture
def filled(wallet: Wallet, issuer: MemoryIssuer, terms: Terms) -> Wallet:
    issuance.fill(wallet, issuer, terms, target=16, now=NOW)
    return wallet

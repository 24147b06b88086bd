"""Rows open to what was closed, and to nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.errors import WalletError
from openpcc.tokens.vault import KeyVault, OpenVault, Vault

VAULTS: list[Vault] = [KeyVault(bytes(32), b"id"), OpenVault(b"id")]
OTHERS: list[Vault] = [KeyVault(b"x" * 32, b"id"), KeyVault(bytes(32), b"di"), OpenVault(b"di")]


@pytest.mark.parametrize("vault", VAULTS)
@given(row=st.binary(max_size=200))
def test_a_row_comes_back(vault: Vault, row: bytes):
    assert vault.open(b"token", vault.close(b"token", row)) == row


@pytest.mark.parametrize("vault", VAULTS)
@given(stored=st.binary(max_size=200))
def test_any_bytes_are_a_row_or_damaged(vault: Vault, stored: bytes):
    with pytest.raises(WalletError) as caught:
        vault.open(b"token", stored)
    assert caught.value.code == "damaged"


@pytest.mark.parametrize("vault", VAULTS)
@given(at=st.integers(0, 60), bit=st.integers(0, 7))
def test_no_bit_can_be_changed(vault: Vault, at: int, bit: int):
    stored = bytearray(vault.close(b"token", b"thirteen bytes"))
    stored[at % len(stored)] ^= 1 << bit
    with pytest.raises(WalletError):
        vault.open(b"token", bytes(stored))


@pytest.mark.parametrize("vault", VAULTS)
@pytest.mark.parametrize("other", OTHERS)
def test_another_wallet_or_kind_opens_nothing(vault: Vault, other: Vault):
    stored = vault.close(b"token", b"row")
    with pytest.raises(WalletError):
        other.open(b"token", stored)
    with pytest.raises(WalletError):
        vault.open(b"batch", stored)


def test_no_two_rows_are_closed_alike():
    assert len({VAULTS[0].close(b"token", b"row") for _ in range(100)}) == 100


@pytest.mark.parametrize("vault", VAULTS)
def test_a_name_is_the_same_each_time_and_of_this_wallet_alone(vault: Vault):
    names = {one.name(bytes(32)) for one in (vault, *OTHERS, vault)}
    assert len(names) == 1 + len(OTHERS)
    assert vault.name(b"x" * 32) not in names
    assert bytes(32) not in names

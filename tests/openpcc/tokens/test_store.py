"""A wallet file that cannot be used is an error with a remedy, and is left as it is."""

import secrets
import shutil
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from openpcc.errors import WalletError
from openpcc.tokens import examination, issuance, schema
from openpcc.tokens.rows import Counts
from openpcc.tokens.store import FILE, Store
from openpcc.tokens.terms import Terms
from openpcc.tokens.wallet import GRACE, HOLD, Wallet
from tests.fakes.issuer import MemoryIssuer
from tests.fakes.memory_service import SERVICE
from tests.fakes.world import NOW

FULL = Counts(stock=16, sent=0, pending=0, expired=0)


class MemoryKeystore:
    """A keystore that is a dictionary."""

    def __init__(self) -> None:
        self.keys: dict[str, bytes] = {}
        self.locked = False

    def get(self, name: str) -> bytes | None:
        if self.locked:
            raise WalletError("keystore", "locked")
        return self.keys.get(name)

    def put(self, name: str, key: bytes) -> None:
        if self.locked:
            raise WalletError("keystore", "locked")
        self.keys[name] = key


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / FILE


def reopened(folder: Path, **more: object) -> Store:
    return Store(folder, SERVICE, **more)  # type: ignore[arg-type]


def refused(folder: Path, code: str, **more: object) -> str:
    """Fail to use the wallet, and give the text; it must leave the file alone."""
    before = (folder / FILE).read_bytes() if (folder / FILE).is_file() else None
    store = reopened(folder, **more)
    with pytest.raises(WalletError) as caught:
        Wallet(store).counts()
    store.close()
    assert caught.value.code == code
    assert before is None or (folder / FILE).read_bytes() == before
    return str(caught.value)


@pytest.fixture
def used(filled: Wallet, store: Store) -> Wallet:
    """A wallet with tokens, closed: everything is in the one file."""
    store.close()
    return filled


def test_only_the_user_can_read_what_is_made(filled: Wallet, path: Path):
    assert {stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()} == {0o600}
    assert {one.name for one in path.parent.iterdir()} == {FILE, f"{FILE}-wal", f"{FILE}-shm"}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o620])
def test_a_wallet_that_others_can_read_is_refused(used: Wallet, path: Path, mode: int):
    path.chmod(mode)
    assert "chmod 600" in refused(path.parent, "permissions")


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o702])
def test_a_folder_that_others_can_write_is_refused(used: Wallet, folder: Path, mode: int):
    folder.chmod(mode)
    assert "chmod 700" in refused(folder, "permissions")


def test_a_link_or_a_folder_is_no_wallet(used: Wallet, path: Path, tmp_path: Path):
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    refused(path.parent, "permissions")
    path.unlink()
    path.mkdir()
    refused(path.parent, "permissions")


def test_a_wallet_of_a_newer_version_is_refused(used: Wallet, path: Path):
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    db.close()
    assert "newer" in refused(path.parent, "newer")


def test_a_wallet_of_another_service_is_refused(used: Wallet, folder: Path):
    store = Store(folder, "other.example")
    with pytest.raises(WalletError) as caught:
        Wallet(store).counts()
    assert caught.value.code == "foreign"


def test_another_database_is_no_wallet(folder: Path, path: Path):
    path.touch(mode=0o600)
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE notes (text TEXT)")
    db.close()
    refused(folder, "damaged")


@pytest.mark.parametrize(
    "data", [b"no database", b"SQLite format 3\x00" + bytes(4080), b"x" * 9000]
)
def test_bytes_that_are_no_database_are_refused(folder: Path, path: Path, data: bytes):
    path.touch(mode=0o600)
    path.write_bytes(data)
    refused(folder, "damaged")


def test_a_wallet_that_was_cut_is_refused(used: Wallet, path: Path):
    path.write_bytes(path.read_bytes()[:-8192])
    store = reopened(path.parent)
    with pytest.raises(WalletError) as caught:
        examination.examine(store)
    assert caught.value.code == "damaged"


@pytest.mark.parametrize("stride", [151, pytest.param(7, marks=pytest.mark.long)])
def test_no_byte_of_a_wallet_can_be_changed_unseen(used: Wallet, path: Path, stride: int):
    """A step gives a value or a `WalletError`, and never a token that is not what was stored."""
    data = path.read_bytes()
    for at in [at for at, byte in enumerate(data) if byte][::stride]:
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :])
        broken = reopened(path.parent)
        try:
            examination.examine(broken)
            Wallet(broken).counts()
        except WalletError:
            pass
        finally:
            broken.close()
        for left in path.parent.glob(f"{FILE}-*"):
            left.unlink()


@pytest.mark.parametrize("protection", ["file", "keystore"])
def test_a_damaged_row_is_counted_and_can_be_dropped(
    folder: Path, issuer: MemoryIssuer, terms: Terms, protection: str
):
    keys = MemoryKeystore()
    store = Store(folder, SERVICE, protection=protection, find_keystore=lambda: keys)
    wallet = Wallet(store)
    issuance.fill(wallet, issuer, terms, target=16, now=NOW)
    with store.step() as (db, _):
        (row,) = db.execute("SELECT row FROM tokens WHERE id = 3").fetchone()
        changed = row[:100] + bytes([row[100] ^ 1]) + row[101:]
        db.execute("UPDATE tokens SET row = ? WHERE id = 3", (changed,))
    with pytest.raises(WalletError) as caught:
        wallet.spend(16, terms, _never, max_output=1024, now=NOW)
    assert caught.value.code == "damaged"
    assert wallet.counts() == FULL
    found = examination.examine(store)
    assert (found.whole, found.tokens) == (15, (3,))
    examination.drop(store, found)
    assert examination.examine(store).damaged == 0
    assert wallet.counts().stock == 15
    store.close()


def test_a_row_with_anothers_token_is_damaged(filled: Wallet, store: Store):
    """The token of one and the holder's key of another are of no use together."""
    with store.step() as (db, vault):
        rows = [vault.open(b"token", row) for (row,) in db.execute("SELECT row FROM tokens")]
        mixed = rows[0][:354] + rows[1][354:]
        db.execute("UPDATE tokens SET row = ? WHERE id = 1", (vault.close(b"token", mixed),))
    assert examination.examine(store).tokens == (1,)


def test_a_full_disk_loses_nothing(
    wallet: Wallet, store: Store, issuer: MemoryIssuer, terms: Terms
):
    issuance.fill(wallet, issuer, terms, target=16, now=NOW)
    with store.reading() as (db, _):
        (pages,) = db.execute("PRAGMA page_count").fetchone()
    assert store._db is not None
    store._db.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(WalletError) as caught:
        issuance.fill(wallet, issuer, terms, target=256, now=NOW)
    assert caught.value.code == "full"
    assert wallet.counts() == FULL
    store._db.execute("PRAGMA max_page_count = 100000")
    issuance.fill(wallet, issuer, terms, target=32, now=NOW)
    assert wallet.counts().stock == 32


def test_a_wallet_that_another_process_keeps_is_waited_for_and_then_refused(
    filled: Wallet, store: Store, path: Path, terms: Terms, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(schema, "BUSY", 0.2)
    store.close()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(WalletError) as caught:
        filled.served(bytes(32))
    assert caught.value.code == "busy"
    monkeypatch.setattr(schema, "BUSY", 10.0)
    store.close()
    timer = threading.Timer(0.1, lambda: other.execute("ROLLBACK"))
    timer.start()
    filled.served(bytes(32))
    timer.join()
    other.close()


def test_reading_does_not_wait_for_a_writer(filled: Wallet, store: Store, path: Path):
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert filled.counts() == FULL
    other.close()


def test_who_makes_it_at_the_same_time_is_waited_for(folder: Path, path: Path):
    """SQLite does not wait while a new file is given its log: one of two was `busy` at once."""
    schema.prepare(path)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.2, other.execute, ("ROLLBACK",)).start()
    store = Store(folder, SERVICE, protection="file")
    assert Wallet(store).counts().stock == 0
    store.close()
    other.close()


# The keystore.


@pytest.fixture
def keys() -> MemoryKeystore:
    return MemoryKeystore()


@pytest.fixture
def locked_up(
    folder: Path, issuer: MemoryIssuer, terms: Terms, keys: MemoryKeystore
) -> Iterator[Store]:
    store = Store(folder, SERVICE, find_keystore=lambda: keys)
    issuance.fill(Wallet(store), issuer, terms, target=16, now=NOW)
    yield store
    store.close()


def test_with_a_keystore_rows_are_encrypted(locked_up: Store, keys: MemoryKeystore, path: Path):
    assert locked_up.protected
    with locked_up.reading() as (db, vault):
        rows = [row for (row,) in db.execute("SELECT row FROM tokens")]
        plain = [vault.open(b"token", row) for row in rows]
    locked_up.close()
    on_disk = path.read_bytes()
    assert not [row for row in plain if row[:48] in on_disk or row[354:] in on_disk]
    assert len({row[:32] for row in rows}) == 16  # every row has a salt of its own
    assert not [key for key in keys.keys.values() if key in on_disk]


def test_an_encrypted_wallet_does_not_say_which_requests_were_its_own(
    locked_up: Store, path: Path, terms: Terms
):
    """A gateway knows requests by their digest: beside it, the file would name who sent them."""
    digest, wallet = secrets.token_bytes(32), Wallet(locked_up)
    made = wallet.spend(2, terms, lambda _: _Request(digest), max_output=2048, now=NOW)
    wallet.released(made.request_digest, expires=NOW)
    assert digest not in b"".join(one.read_bytes() for one in path.parent.iterdir())
    due = wallet.due(NOW + GRACE)
    assert due is not None
    assert (due.request_digest, len(due.tokens)) == (digest, 2)
    wallet.served(digest)
    assert wallet.due(NOW + GRACE) is None


def test_a_damaged_digest_of_a_request_is_found(filled: Wallet, store: Store, terms: Terms):
    filled.spend(1, terms, _request, max_output=1024, now=NOW)
    with store.step() as (db, _):
        db.execute("UPDATE tokens SET digest = ? WHERE state = 1", (bytes(80),))
    with pytest.raises(WalletError) as caught:
        filled.due(NOW + HOLD)
    assert caught.value.code == "damaged"
    assert len(examination.examine(store).tokens) == 1


def test_an_encrypted_wallet_whose_key_is_gone_is_kept(
    locked_up: Store, keys: MemoryKeystore, folder: Path
):
    locked_up.close()
    name, key = keys.keys.popitem()
    for find in (lambda: keys, lambda: None):
        said = refused(folder, "keystore", find_keystore=find)
        assert name in said
        assert "restore" in said
    keys.keys[name] = key
    assert Wallet(reopened(folder, find_keystore=lambda: keys)).counts() == FULL


def test_a_copied_wallet_is_of_no_use_to_another_user(
    locked_up: Store, folder: Path, tmp_path: Path
):
    locked_up.close()
    shutil.copytree(folder, tmp_path / "copied")
    refused(tmp_path / "copied", "keystore", find_keystore=MemoryKeystore)


def test_another_key_opens_no_row(locked_up: Store, keys: MemoryKeystore, folder: Path):
    locked_up.close()
    keys.keys = dict.fromkeys(keys.keys, bytes(32))
    store = reopened(folder, find_keystore=lambda: keys)
    assert examination.examine(store).damaged == 16
    store.close()


def test_a_locked_keystore_makes_no_wallet_in_the_clear(folder: Path, keys: MemoryKeystore):
    keys.locked = True
    refused(folder, "keystore", find_keystore=lambda: keys)
    keys.locked = False
    store = reopened(folder, find_keystore=lambda: keys)
    assert store.protected
    store.close()


def test_who_wants_a_keystore_gets_no_wallet_without(folder: Path):
    refused(folder, "keystore", protection="keystore", find_keystore=lambda: None)


def test_what_is_deleted_is_overwritten(filled: Wallet, store: Store, path: Path, terms: Terms):
    with store.reading() as (db, vault):
        (row,) = db.execute("SELECT row FROM tokens WHERE id = 1").fetchone()
        seed = vault.open(b"token", row)[354:]
    filled.spend(1, terms, _request, max_output=1024, now=NOW)
    filled.served(bytes(32))
    assert seed in b"".join(one.read_bytes() for one in path.parent.iterdir())
    store.tidy()
    assert seed not in b"".join(one.read_bytes() for one in path.parent.iterdir())


class _Request:
    def __init__(self, digest: bytes = bytes(32)) -> None:
        self.request_digest = digest


def _request(_: object) -> _Request:
    return _Request()


def _never(_: object) -> _Request:
    raise AssertionError("nothing is sealed with damaged tokens")

"""The wallet's file, open: a connection, what opens its rows, and transactions. Locks and files.

The connection belongs to one process. After a fork the child opens one of its own and never touches
the parent's, not even to close it: SQLite's locks are the process's.
"""

import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from openpcc.errors import WalletError
from openpcc.tokens import keystore, schema
from openpcc.tokens.keystore import Keystore
from openpcc.tokens.vault import KEY_SIZE, KeyVault, OpenVault, Vault

FILE = "wallet.sqlite"

_INHERITED: list[sqlite3.Connection] = []
"""Connections of a parent process: kept, so that nothing closes them here."""


class Store:
    """One wallet file. Safe to share between threads."""

    def __init__(
        self,
        folder: Path,
        service: str,
        *,
        protection: str | None = None,
        find_keystore: Callable[[], Keystore | None] = keystore.find,
    ) -> None:
        """Open the wallet of a folder at the first step; made if there is none.

        Args:
            folder: the client's state folder.
            service: whose tokens these are; a wallet is for one service.
            protection: of a new wallet: `keystore`, `file`, or None: the keystore if there is one.
            find_keystore: gives the user's keystore.
        """
        self.path = folder / FILE
        self._service = service
        self._protection = protection
        self._find_keystore = find_keystore
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._vault: Vault | None = None
        self._process = os.getpid()

    @property
    def exists(self) -> bool:
        """Whether there is a wallet in the folder."""
        return self.path.exists()

    @property
    def protected(self) -> bool:
        """Whether rows are encrypted under a key of the keystore. Raises as `step`."""
        with self.reading() as (_, vault):
            return isinstance(vault, KeyVault)

    @contextmanager
    def step(self, *, durable: bool = True) -> Iterator[tuple[sqlite3.Connection, Vault]]:
        """Change something: all of it is there when this ends, or nothing is.

        Args:
            durable: whether it must outlast a power cut; a killed process it always outlasts.

        Raises:
            WalletError: the file cannot be used.
        """
        with self._locked() as (db, vault):
            db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            with _transaction(db, "BEGIN IMMEDIATE"):
                yield db, vault

    @contextmanager
    def reading(self) -> Iterator[tuple[sqlite3.Connection, Vault]]:
        """Read one state of the file, without waiting for writers. Raises as `step`."""
        with self._locked() as (db, vault), _transaction(db, "BEGIN"):
            yield db, vault

    def tidy(self) -> None:
        """Cut SQLite's log, which has what was deleted. Raises as `step`."""
        with self._locked() as (db, _):
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file."""
        self._leave_parents()
        with self._lock:
            self._forget()

    @contextmanager
    def _locked(self) -> Iterator[tuple[sqlite3.Connection, Vault]]:
        self._leave_parents()
        with self._lock, schema.translated(self.path):
            yield self._open()

    def _leave_parents(self) -> None:
        if self._process != os.getpid():
            if self._db is not None:
                _INHERITED.append(self._db)
            self._lock, self._process = threading.Lock(), os.getpid()
            self._db = self._vault = None

    def _open(self) -> tuple[sqlite3.Connection, Vault]:
        if self._db is None or self._vault is None:
            schema.prepare(self.path)
            self._db = schema.connect(self.path)
            try:
                self._vault = self._unlock(self._db)
            except BaseException:
                self._forget()
                raise
        return self._db, self._vault

    def _unlock(self, db: sqlite3.Connection) -> Vault:
        if schema.is_new(db):
            with _transaction(db, "BEGIN IMMEDIATE"):
                if schema.is_new(db):  # another process may have been faster
                    schema.make(db, self._new())
        meta = schema.read_meta(db)
        if meta.service != self._service:
            raise WalletError(
                "foreign", f"{self.path}: of another service; set 'state' to a folder of its own"
            )
        wallet_id = bytes.fromhex(meta.id)
        if meta.protection == "file":
            return OpenVault(wallet_id)
        return KeyVault(self._key(meta.id), wallet_id)

    def _new(self) -> schema.Meta:
        """Choose the protection of a new wallet; a key is kept before there is anything to open."""
        name = secrets.token_hex(16)
        store = None if self._protection == "file" else self._find_keystore()
        if store is None and self._protection == "keystore":
            raise WalletError("keystore", "there is no keystore here; leave 'protection' out")
        if store is not None:
            store.put(name, secrets.token_bytes(KEY_SIZE))
        kind = "file" if store is None else "keystore"
        return schema.Meta(id=name, service=self._service, protection=kind)

    def _key(self, name: str) -> bytes:
        store = self._find_keystore()
        key = None if store is None else store.get(name)
        if key is None or len(key) != KEY_SIZE:
            raise WalletError(
                "keystore",
                f"{self.path}: its key is not in this user's keystore (entry {name}); unlock or "
                "restore the keystore, or move the file away: its tokens are lost then",
            )
        return key

    def _forget(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):  # nothing is pending; what closing does is tidying
                self._db.close()
        self._db = self._vault = None


@contextmanager
def _transaction(db: sqlite3.Connection, begin: str) -> Iterator[None]:
    db.execute(begin)
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise

"""`openpcc wallet check`: does every row open, belong to its holder's key, and verify?

A step that meets a damaged row stops and changes nothing. Here all rows are looked at, so that a
user can tell how much is lost, and drop that alone.
"""

import sqlite3
from dataclasses import dataclass

from openpcc.errors import WalletError
from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.privacypass import IssuerKey, Token, verify_token
from openpcc.tokens.rows import read_batch, read_digest, read_held
from openpcc.tokens.store import Store
from openpcc.tokens.vault import Vault


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What was found: rows that are whole, and the ids of those that are not."""

    whole: int
    tokens: tuple[int, ...]
    batches: tuple[int, ...]

    @property
    def damaged(self) -> int:
        """How many rows are of no use."""
        return len(self.tokens) + len(self.batches)


def examine(store: Store) -> Examined:
    """Look at every row.

    Raises:
        WalletError: the file as a whole cannot be used.
    """
    with store.reading() as (db, vault):
        if db.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise WalletError("damaged", "the file is damaged; restore it, or move it away")
        keys = dict(db.execute("SELECT id, spki FROM keys").fetchall())
        tokens = db.execute("SELECT id, key, row, request, digest FROM tokens").fetchall()
        batches = db.execute("SELECT id, key, count, row FROM batches").fetchall()
        bad = [id_ for id_, *row in tokens if not _token_is_whole(vault, keys, *row)]
        lost = [row[0] for row in batches if not _batch_is_whole(vault, row)]
        whole = len(tokens) + len(batches) - len(bad) - len(lost)
        return Examined(whole=whole, tokens=tuple(bad), batches=tuple(lost))


def drop(store: Store, found: Examined) -> None:
    """Remove the rows that are of no use. Raises as `examine`."""
    with store.step() as (db, _):
        _remove(db, found)


def _remove(db: sqlite3.Connection, found: Examined) -> None:
    db.executemany("DELETE FROM tokens WHERE id = ?", [(id_,) for id_ in found.tokens])
    db.executemany("DELETE FROM batches WHERE id = ?", [(id_,) for id_ in found.batches])


def _token_is_whole(
    vault: Vault,
    keys: dict[bytes, bytes],
    key_id: bytes,
    row: bytes,
    request: bytes | None,
    digest: bytes | None,
) -> bool:
    try:
        if request is not None and vault.name(read_digest(vault, digest)) != request:
            return False
        held = read_held(vault, row)
        key = IssuerKey.parse(keys.get(key_id, b""))
        digest = Token.parse(held.token).challenge_digest
        verify_token(held.token, keys={key.id: key}, challenge_digest=digest)
    except (WalletError, ProtocolError):
        return False
    return True


def _batch_is_whole(vault: Vault, row: tuple[int, bytes, int, bytes]) -> bool:
    try:
        read_batch(vault, *row)
    except WalletError:
        return False
    return True

"""The wallet: what this user may spend, in one SQLite file. Each step is one transaction.

    begin_issue ─ post ─ finish_issue        a batch is written before it is posted, and its row
                                             goes in the transaction in which its tokens come
    spend ─ send ─ served                    tokens are marked with the request that is sealed in
                                             the same transaction, before anything is sent
                 └ released ─ due ─ settle   what came to nothing is asked back, much later

So wherever a process ends, the file says what remains to be done, and doing it again is safe: the
same batch is posted again and charged once, the same tokens pay for the same request or for none.
Several processes may share the file. The order of tokens is that of their coming, oldest first.

Nothing here talks to anybody. Times are Unix seconds and come from the caller.
"""

import secrets
import sqlite3
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from openpcc.errors import IssuerKeyError, WalletEmptyError
from openpcc.protocol.payment import Reclaimed
from openpcc.protocol.privacypass import MAX_BATCH, IssuerKey
from openpcc.tokens.held import AskedToken
from openpcc.tokens.payment import Payment
from openpcc.tokens.rows import Batch, Counts, Due, read_batch, read_digest, read_held
from openpcc.tokens.store import Store
from openpcc.tokens.terms import Terms

STOCK, SENT = 0, 1

STEP = 16
"""Batches have a multiple of this many tokens, so that their size says little of what was spent."""

KEPT = 7 * 86400
"""Seconds that tokens are kept after their issuer key was last seen in a service entry."""

MAX_KEYS = 4
"""Issuer keys that a wallet buys tokens of within `KEPT`: two that are listed, and two that were.
Tokens of a key are of those who bought between two changes: with a change every ten minutes these
would be few, and issuer and gateway together would know whose a request is."""

GRACE = 120
"""Seconds after a request's expiry at which its tokens may be asked back (docs/formats.md, 11)."""

HOLD = 1800
"""Seconds after which tokens may be asked back of whose request nothing was noted: longer than two
tries of a request can wait for their first byte (`carrier.TIMEOUT`). Its process may still be
waiting, and a reply whose tokens were given back is not given."""

PATIENCE = 86400
"""Seconds that a sent token is counted on to come back. A gateway that says "later" for ever can
keep a wallet from being filled for a day, and not for good."""


class Sealed(Protocol):
    """What `spend` makes: something with a digest that its tokens pay for."""

    @property
    def request_digest(self) -> bytes:
        """The digest."""
        ...


S = TypeVar("S", bound=Sealed)


class Wallet:
    """One wallet. Safe to share between threads and processes."""

    def __init__(self, store: Store) -> None:
        """Use a file; it is opened, or made, at the first step."""
        self._store = store

    # Issue.

    def missing(self, terms: Terms, *, target: int, now: int) -> int:
        """Count what is missing to the target; what was asked for is not."""
        with self._store.reading() as (db, _):
            return target - _there(db, terms.keys, now)

    def begin_issue(self, key: IssuerKey, terms: Terms, *, target: int, now: int) -> Batch | None:
        """Write down what is to be asked of the issuer; None if the wallet is full enough.

        Args:
            key: the issuer's, held against the service entry by the caller.
            terms: of that entry; tokens of other keys do not count.
            target: how many tokens there should be.
            now: for the record.

        Raises:
            IssuerKeyError: keys change so often that its tokens would be of a small crowd.
            ProtocolError: it is no RSA key.
        """
        with self._store.step() as (db, vault):
            missing = target - _there(db, terms.keys, now)
            if missing <= 0:
                return None
            count = min(MAX_BATCH, -(-missing // STEP) * STEP)
            asked = tuple(AskedToken.begin(key, terms.challenge_digest) for _ in range(count))
            row = vault.close(b"batch", b"".join(one.encode() for one in asked))
            db.execute("INSERT OR IGNORE INTO keys VALUES (?, ?, NULL)", (key.id, key.spki))
            if _one(db, "SELECT count(*) FROM keys") > MAX_KEYS:
                raise IssuerKeyError(_TOO_MANY_KEYS)
            made = db.execute(
                "INSERT INTO batches (key, count, created, row) VALUES (?, ?, ?, ?)",
                (key.id, count, now, row),
            )
            return Batch(id=made.lastrowid or 0, key=key.id, asked=asked)

    def pending(self) -> list[Batch]:
        """Give what was asked of the issuer and has not come."""
        with self._store.reading() as (db, vault):
            rows = db.execute("SELECT id, key, count, row FROM batches ORDER BY id").fetchall()
            return [read_batch(vault, *row) for row in rows]

    def finish_issue(self, batch: Batch, signatures: Sequence[bytes]) -> int:
        """Take the issuer's answer: all of it, or nothing. Gives how many tokens came.

        Raises:
            ProtocolError: a signature is not the issuer's; the batch stays as it was.
        """
        held = [one.finish(sign) for one, sign in zip(batch.asked, signatures, strict=True)]
        with self._store.step() as (db, vault):
            gone = db.execute("DELETE FROM batches WHERE id = ?", (batch.id,))
            if gone.rowcount == 0:
                return 0  # another process was faster with the same answer
            db.executemany(
                "INSERT INTO tokens (key, state, row) VALUES (?, ?, ?)",
                [(batch.key, STOCK, vault.close(b"token", one.encode())) for one in held],
            )
            return len(held)

    def drop_batch(self, batch: Batch) -> None:
        """Forget a batch that nobody will ever answer."""
        with self._store.step() as (db, _):
            db.execute("DELETE FROM batches WHERE id = ?", (batch.id,))

    # Spend.

    def spend(
        self,
        count: int,
        terms: Terms,
        make: Callable[[Payment], S],
        *,
        max_output: int,
        now: int,
    ) -> S:
        """Take the oldest tokens, seal the request they pay for, and mark them with it.

        Args:
            count: how many.
            terms: of the newest service entry: only tokens of its keys are of use.
            make: seals; if it raises, no token was touched.
            max_output: the budget that they buy.
            now: as the request counts it.

        Raises:
            WalletEmptyError: there are fewer.
        """
        with self._store.step() as (db, vault):
            rows = db.execute(
                "SELECT id, row FROM tokens WHERE state = 0 AND key IN (?, ?) ORDER BY id LIMIT ?",
                (*_two(terms.keys), count),
            ).fetchall()
            if len(rows) < count:
                raise WalletEmptyError(held=len(rows), needed=count)
            tokens = tuple(read_held(vault, row) for _, row in rows)
            made = make(Payment(max_output=max_output, tokens=tokens))
            digest, name = made.request_digest, vault.name(made.request_digest)
            db.executemany(
                "UPDATE tokens SET state = ?, request = ?, digest = ?, due = ? WHERE id = ?",
                [(SENT, name, vault.close(b"request", digest), now + HOLD, id_) for id_, _ in rows],
            )
            return made

    def served(self, request_digest: bytes) -> None:
        """Note that the reply to a request began: its tokens are spent."""
        # A power cut may bring these rows back. Asking for them finds out that they are spent.
        with self._store.step(durable=False) as (db, vault):
            db.execute("DELETE FROM tokens WHERE request = ?", (vault.name(request_digest),))

    def released(self, request_digest: bytes, *, expires: int) -> None:
        """Note that nobody waits for a reply any more: its tokens may be asked back soon."""
        with self._store.step(durable=False) as (db, vault):
            db.execute(
                "UPDATE tokens SET due = ? WHERE request = ?",
                (expires + GRACE, vault.name(request_digest)),
            )

    # Ask back.

    def due(self, now: int) -> Due | None:
        """Give the tokens of one request that may be asked back, at random; None: of none."""
        with self._store.reading() as (db, vault):
            found = db.execute(
                "SELECT DISTINCT request FROM tokens JOIN keys ON keys.id = tokens.key "
                "WHERE state = ? AND due <= ? AND gone IS NULL",
                (SENT, now),
            ).fetchall()
            if not found:
                return None
            # Not those of a retired key beside them: one such refuses the others as well.
            rows = db.execute(
                "SELECT tokens.id, row, digest FROM tokens JOIN keys ON keys.id = tokens.key "
                "WHERE request = ? AND gone IS NULL LIMIT ?",
                (*secrets.choice(found), MAX_BATCH),
            ).fetchall()
            return Due(
                request_digest=read_digest(vault, rows[0][2]),
                tokens={id_: read_held(vault, row) for id_, row, _ in rows},
            )

    def settle(self, due: Due, outcomes: Sequence[Reclaimed]) -> None:
        """Take the gateway's answer: what is free comes back to the stock, what is spent goes."""
        pairs = list(zip(due.tokens, outcomes, strict=True))
        with self._store.step() as (db, vault):
            name = vault.name(due.request_digest)
            db.executemany(
                "UPDATE tokens SET state = ?, request = NULL, digest = NULL, due = NULL "
                "WHERE id = ? AND request = ?",
                [(STOCK, id_, name) for id_, was in pairs if was == Reclaimed.FREE],
            )
            db.executemany(
                "DELETE FROM tokens WHERE id = ? AND request = ?",
                [(id_, name) for id_, was in pairs if was == Reclaimed.SPENT],
            )

    # Keys, numbers, the end.

    def note_keys(self, listed: Sequence[bytes], *, now: int) -> None:
        """Note which issuer keys the newest service entry lists; drop what is long of no use."""
        two = _two(listed)
        with self._store.step() as (db, _):
            db.execute("UPDATE keys SET gone = NULL WHERE id IN (?, ?)", two)
            db.execute(
                "UPDATE keys SET gone = ? WHERE gone IS NULL AND id NOT IN (?, ?)", (now, *two)
            )
            long_gone = (now - KEPT,)
            db.execute(
                "DELETE FROM tokens WHERE key IN (SELECT id FROM keys WHERE gone <= ?)", long_gone
            )
            db.execute(
                "DELETE FROM batches WHERE key IN (SELECT id FROM keys WHERE gone <= ?)", long_gone
            )
            db.execute("DELETE FROM keys WHERE gone <= ?", long_gone)

    def counts(self) -> Counts:
        """Count what is there."""
        with self._store.reading() as (db, _):
            stock, sent, expired = 0, 0, 0
            for state, gone, count in db.execute(
                "SELECT state, gone IS NOT NULL, count(*) FROM tokens JOIN keys "
                "ON keys.id = tokens.key GROUP BY 1, 2"
            ):
                stock += count if (state, gone) == (STOCK, 0) else 0
                sent += count if (state, gone) == (SENT, 0) else 0
                expired += count if gone else 0
            pending = _one(
                db,
                "SELECT total(count) FROM batches JOIN keys ON keys.id = batches.key "
                "WHERE gone IS NULL",
            )
            return Counts(stock=stock, sent=sent, pending=pending, expired=expired)


_TOO_MANY_KEYS = (
    "the service changes the issuer's key too often; nothing was asked of the issuer. Tokens of a "
    "key tell when they were bought: report it, and try again in some days"
)


def _one(db: sqlite3.Connection, query: str, values: Sequence[object] = ()) -> int:
    return int(db.execute(query, values).fetchone()[0])


def _there(db: sqlite3.Connection, keys: Sequence[bytes], now: int) -> int:
    """Count what is there or may still come: it is not bought twice."""
    two = _two(keys)
    held = _one(
        db,
        "SELECT count(*) FROM tokens WHERE key IN (?, ?) AND (state = 0 OR due > ?)",
        (*two, now - PATIENCE),
    )
    return held + _one(db, "SELECT total(count) FROM batches WHERE key IN (?, ?)", two)


def _two(keys: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Give the one or two keys of a service entry as two."""
    return keys[0], keys[-1]

"""Accounts, what they have used of a day, and the batches they were charged for.

One set of rules over two databases (`sqlite_accounts`, `postgres_accounts`). Every call is one
transaction and durable when it returns. Several threads and processes may work on one database,
each with a connection of its own.

    account   id, name, credential digest, quota of its own, day added, day revoked
    usage     account, day, tokens, batches                            for billing
    batch     account, digest of a charged batch, key id               a batch is not charged twice

A day is counted from 1970 in UTC; no finer time is kept. An API key has 32 random bytes, so nobody
finds it from its SHA-256 by trying: a slow hash with a salt, as passwords need it, would add work
to every request and nothing else. Of an OIDC identity the digest is a name and no secret.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from gateway.errors import ConfigurationError

ENROLLED = "oidc-"
"""What names of accounts begin with that were made at their first use; `add` takes no such name."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
"""Names that show, copy and sort as what they are."""

MAX_QUOTA = 10**9
"""Tokens a day; larger numbers are typing errors."""

TABLES = (
    "CREATE TABLE issuer_account (id {identity}, name {text} NOT NULL UNIQUE, "
    "credential {bytes} NOT NULL UNIQUE, quota {integer}, added {integer} NOT NULL, "
    "revoked {integer})",
    "CREATE TABLE issuer_usage (account {integer} NOT NULL REFERENCES issuer_account, "
    "day {integer} NOT NULL, tokens {integer} NOT NULL, batches {integer} NOT NULL, "
    "PRIMARY KEY (account, day)){unordered}",
    "CREATE TABLE issuer_batch (account {integer} NOT NULL REFERENCES issuer_account, "
    "digest {bytes} NOT NULL, key_id {bytes} NOT NULL, PRIMARY KEY (account, digest)){unordered}",
)
"""Every table and column; docs/issuer.md lists them, and a test holds the two together."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account.

    Attributes:
        credential: SHA-256 of its API key, or `id_tokens.subject_digest`.
        quota: tokens a day; None is what the configuration says.
        added: day it was added.
        revoked: day it was revoked; None is in use.
    """

    id: int
    name: str
    credential: bytes = field(repr=False)
    quota: int | None
    added: int
    revoked: int | None


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What an account took on a day."""

    name: str
    day: int
    tokens: int
    batches: int


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Token requests to be charged. The digest is over key id and requests."""

    digest: bytes
    key_id: bytes
    count: int


class Charge(Enum):
    """What came of charging a batch."""

    CHARGED = "charged"
    AGAIN = "again"
    """This account was charged for these bytes before."""
    QUOTA = "quota"
    """It would go over the day's quota; nothing was charged."""
    REVOKED = "revoked"
    """The account is revoked; nothing was charged."""


class Accounts(ABC):
    """The tables of one issuer over one connection. Not thread-safe: one thread at a time.

    All methods raise `AccountsError` when the database fails.
    """

    lock = ""
    """Clause that makes a row wait for other transactions, where a transaction does not anyway."""

    @abstractmethod
    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement with `?` for its values; gives its rows, if it has some."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """Hold the statements of the block together; they are durable when it is left."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    def check(self) -> None:
        """See that the tables answer."""
        with self.transaction():
            self.rows("SELECT id FROM issuer_account LIMIT 1")
            self.rows("SELECT day FROM issuer_usage LIMIT 1")
            self.rows("SELECT digest FROM issuer_batch LIMIT 1")

    def add(self, name: str, credential: bytes, *, quota: int | None, day: int) -> None:
        """Add an account.

        Raises:
            ConfigurationError: the name cannot be one, or name or identity have an account.
        """
        if not NAME.fullmatch(name) or name.startswith(ENROLLED):
            raise ConfigurationError(
                f"name: letters, digits and ._@+- (64 at most), and not {ENROLLED}…"
            )
        with self.transaction():
            if not self._insert(name, credential, quota, day):
                raise ConfigurationError("there is an account of this name, or for this identity")

    def enroll(self, credential: bytes, *, day: int) -> Account:
        """Give the account of an identity, made now if it has none."""
        with self.transaction():
            self._insert(ENROLLED + credential.hex(), credential, None, day)
            return self._find("credential", credential)[0]

    def find(self, credential: bytes) -> Account | None:
        """Find the account that has a credential, revoked or not."""
        with self.transaction():
            return next(iter(self._find("credential", credential)), None)

    def replace_credential(self, name: str, credential: bytes) -> None:
        """Give an account another credential; the old one is worth nothing from now on.

        Raises:
            ConfigurationError: there is no such account.
        """
        with self.transaction():
            account = self._named(name)
            self.rows(
                "UPDATE issuer_account SET credential = ? WHERE id = ?", credential, account.id
            )

    def set_quota(self, name: str, quota: int | None) -> None:
        """Change an account's quota.

        Raises:
            ConfigurationError: there is no such account.
        """
        with self.transaction():
            account = self._named(name)
            self.rows("UPDATE issuer_account SET quota = ? WHERE id = ?", quota, account.id)

    def revoke(self, name: str, *, day: int) -> None:
        """Revoke an account, for good: its usage stays, its credential gets nothing any more.

        Raises:
            ConfigurationError: there is no such account.
        """
        with self.transaction():
            account = self._named(name)
            if account.revoked is None:
                self.rows("UPDATE issuer_account SET revoked = ? WHERE id = ?", day, account.id)

    def all(self) -> list[Account]:
        """Give all accounts, by name."""
        with self.transaction():
            found = self.rows(f"{_SELECT} ORDER BY name")
        return [_account(row) for row in found]

    def usage(self, *, first: int, last: int) -> list[Usage]:
        """Give what was taken on the days `first` to `last`, by day and name."""
        with self.transaction():
            found = self.rows(
                "SELECT name, day, tokens, batches FROM issuer_usage "
                "JOIN issuer_account ON issuer_account.id = issuer_usage.account "
                "WHERE day BETWEEN ? AND ? ORDER BY day, name",
                first,
                last,
            )
        return [Usage(name=a, day=b, tokens=c, batches=d) for a, b, c, d in found]

    def charge(self, account: int, batch: Batch, *, day: int, quota: int) -> Charge:
        """Charge an account for a batch, once.

        Args:
            account: its id.
            batch: what it asks for.
            day: whose quota it is charged to.
            quota: tokens of a day for accounts without a quota of their own.
        """
        with self.transaction():
            ((own, revoked),) = self.rows(_LIMITS + self.lock, account)
            if revoked is not None:
                return Charge.REVOKED
            if self._charged_before(account, batch):
                return Charge.AGAIN
            if self._used(account, day) + batch.count > (quota if own is None else own):
                return Charge.QUOTA
            self._enter(account, batch, day)
            return Charge.CHARGED

    def forget_batches(self, gone: Iterable[bytes]) -> None:
        """Drop the digests of batches for these keys, which sign nowhere any more."""
        with self.transaction():
            for key_id in gone:
                self.rows("DELETE FROM issuer_batch WHERE key_id = ?", key_id)

    def forget_usage(self, before: int) -> None:
        """Drop usage of days before `before`."""
        with self.transaction():
            self.rows("DELETE FROM issuer_usage WHERE day < ?", before)

    def _insert(self, name: str, credential: bytes, quota: int | None, day: int) -> bool:
        return bool(
            self.rows(
                "INSERT INTO issuer_account (name, credential, quota, added) VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO NOTHING RETURNING id",
                name,
                credential,
                quota,
                day,
            )
        )

    def _find(self, column: str, value: object) -> list[Account]:
        return [_account(row) for row in self.rows(f"{_SELECT} WHERE {column} = ?", value)]

    def _named(self, name: str) -> Account:
        for account in self._find("name", name):
            return account
        raise ConfigurationError("no account of this name; `account list` shows all")

    def _charged_before(self, account: int, batch: Batch) -> bool:
        query = "SELECT 1 FROM issuer_batch WHERE account = ? AND digest = ?"
        return bool(self.rows(query, account, batch.digest))

    def _used(self, account: int, day: int) -> int:
        query = "SELECT tokens FROM issuer_usage WHERE account = ? AND day = ?"
        return sum(tokens for (tokens,) in self.rows(query, account, day))

    def _enter(self, account: int, batch: Batch, day: int) -> None:
        self.rows("INSERT INTO issuer_batch VALUES (?, ?, ?)", account, batch.digest, batch.key_id)
        self.rows(
            "INSERT INTO issuer_usage VALUES (?, ?, ?, 1) ON CONFLICT (account, day) DO UPDATE SET "
            "tokens = issuer_usage.tokens + excluded.tokens, batches = issuer_usage.batches + 1",
            account,
            day,
            batch.count,
        )


_SELECT = "SELECT id, name, credential, quota, added, revoked FROM issuer_account"

_LIMITS = "SELECT quota, revoked FROM issuer_account WHERE id = ?"


def _account(row: tuple[Any, ...]) -> Account:
    number, name, credential, quota, added, revoked = row
    return Account(
        id=number,
        name=name,
        credential=bytes(credential),
        quota=quota,
        added=added,
        revoked=revoked,
    )

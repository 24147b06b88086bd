"""Who may submit entries: spam control, never trust. What an entry is worth its signatures say.

    [[publishers]]
    name = "release"                   for the operator and the quota
    token = "release.token"            file with the bearer token, mode 0600
    kinds = ["release", "status"]      left out: every kind

A token is compared with those of all publishers, by digest and in constant time: neither how much
of a token is right nor whose it is shows in the time an answer takes.
"""

import hashlib
import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from transparency_log.entry import EntryKind
from transparency_log.errors import ConfigurationError
from transparency_log.server.problems import found, wrong
from transparency_log.server.secret_files import read_token
from transparency_log.server.sequence import Account
from transparency_log.server.toml_table import Table

MAX_PUBLISHERS = 64
"""Publishers of a log; each has a share of the waiting room."""

ENTRIES_PER_DAY = 1000
"""A status every ten minutes is 144."""

BYTES_PER_DAY = 64 << 20
"""Room for that many of the largest entries."""

KINDS = {kind.name.lower(): kind for kind in EntryKind}
"""Kinds of entries, as the configuration names them."""


class NotAPublisherError(Exception):
    """No publisher has this token, or there is none."""


@dataclass(frozen=True, kw_only=True)
class PublisherConfig:
    """One `[[publishers]]` of the log's file."""

    # Name, unique; the quota is kept under it.
    name: str
    # File with the bearer token that it sends to `POST /add`. Mode 0600.
    token: Path
    # Kinds of entries that it may submit; left out: every kind.
    kinds: frozenset[EntryKind] = frozenset(EntryKind)
    # What a day (UTC) of its may have; an entry submitted again costs nothing.
    entries_per_day: int = ENTRIES_PER_DAY
    bytes_per_day: int = BYTES_PER_DAY

    @property
    def account(self) -> Account:
        """What its entries are charged to."""
        return Account(
            name=self.name,
            entries_per_day=self.entries_per_day,
            bytes_per_day=self.bytes_per_day,
        )


@dataclass(frozen=True, kw_only=True)
class Publisher:
    """A publisher whose token was shown, or is known."""

    account: Account
    kinds: frozenset[EntryKind]
    token_digest: bytes = field(repr=False)


class Publishers:
    """All publishers of a log.

    Raises:
        ConfigurationError: a token file cannot be used, or two publishers share a name or a token.
    """

    def __init__(self, configured: Sequence[PublisherConfig]) -> None:
        check_names(configured)
        self._all = [
            Publisher(
                account=one.account,
                kinds=one.kinds,
                token_digest=_digest(read_token(one.token).encode()),
            )
            for one in configured
        ]
        if len({one.token_digest for one in self._all}) != len(configured):
            raise ConfigurationError(
                wrong(expected="tokens of their own", found="two publishers with one token",
                      remedy="make a new one")
            )  # fmt: skip

    def __len__(self) -> int:
        """Count them."""
        return len(self._all)

    def authenticate(self, authorization: bytes | None) -> Publisher:
        """Find who sends a request, by its `authorization` field.

        Raises:
            NotAPublisherError: nobody we know.
        """
        scheme, _, token = (authorization or b"").partition(b" ")
        digest, found = _digest(token), None
        for one in self._all:
            if hmac.compare_digest(one.token_digest, digest):
                found = one
        if found is None or scheme != b"Bearer":
            raise NotAPublisherError
        return found


def check_names(configured: Sequence[PublisherConfig]) -> None:
    """Refuse publishers that could not be told apart, too many of them, or none.

    Raises:
        ConfigurationError: see above.
    """
    if not 1 <= len(configured) <= MAX_PUBLISHERS:
        expected = f"1 to {MAX_PUBLISHERS} tables [[publishers]]"
        raise ConfigurationError(wrong(expected=expected, found=str(len(configured))))
    if len({one.name for one in configured}) != len(configured):
        raise ConfigurationError(
            wrong(expected="names of their own", found="two publishers with one name",
                  remedy="rename one")
        )  # fmt: skip


def read_publisher(table: Table) -> PublisherConfig:
    """Take one `[[publishers]]`."""
    kinds = table.optional_texts("kinds")
    table.check(lambda: _check_kinds(kinds or ()), "kinds")
    publisher = PublisherConfig(
        name=table.text("name"),
        token=table.path("token", read_token),
        kinds=frozenset(
            EntryKind if kinds is None else (KINDS[one] for one in kinds if one in KINDS)
        ),
        entries_per_day=table.integer("entries_per_day", ENTRIES_PER_DAY, 1, 10**9),
        bytes_per_day=table.integer("bytes_per_day", BYTES_PER_DAY, 1, 10**15),
    )
    table.end()
    return publisher


def _check_kinds(names: Collection[str]) -> None:
    unknown = sorted(set(names) - KINDS.keys())
    if unknown:
        expected = f"some of {', '.join(KINDS)}"
        raise ConfigurationError(wrong(expected=expected, found=found(unknown[0])))


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()

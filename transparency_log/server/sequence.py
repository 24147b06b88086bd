"""The sequencing table: which entry stands at which index, and what was signed last.

The seam between the log and its database (`sqlite_sequence`, `postgres_sequence`), with the rules
that both follow. Every call is one transaction and durable when it returns. One process at a time
has a table open; what a process that has lost it still tries is refused.

An entry is charged to its publisher's day when it gets its index. One that is over the quota gets
none, and one that has its index already costs nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from transparency_log.errors import StorageError


@dataclass(frozen=True, kw_only=True)
class Head:
    """A tree that this log has signed or is about to sign."""

    size: int
    root: bytes


@dataclass(frozen=True, kw_only=True)
class Account:
    """Whose entries these are, and how much of them a day (UTC) may have."""

    name: str
    entries_per_day: int
    bytes_per_day: int


@dataclass(frozen=True, kw_only=True)
class Submission:
    """An entry on its way into the log."""

    entry: bytes = field(repr=False)
    leaf_hash: bytes
    account: Account


@dataclass(frozen=True, kw_only=True)
class State:
    """How far the log has come.

    Attributes:
        sequenced: entries that have their index.
        tiled: those of them that stand in durable tiles and bundles.
        head: the newest tree that was signed or was about to be.
    """

    sequenced: int
    tiled: int
    head: Head


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a publisher has used of a day: entries, and their bytes."""

    entries: int = 0
    size: int = 0

    def plus(self, entry: bytes) -> "Spent":
        """Add an entry."""
        return Spent(entries=self.entries + 1, size=self.size + len(entry))

    def within(self, account: Account) -> bool:
        """Say whether the account allows that much."""
        return self.entries <= account.entries_per_day and self.size <= account.bytes_per_day


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What a batch comes to.

    Attributes:
        indexes: of each submission; None for one over its publisher's quota.
        new: what gets the next indexes, in order.
        spent: what the day's publishers will have used.
    """

    indexes: list[int | None]
    new: list[Submission]
    spent: dict[str, Spent]


class SequenceTable(Protocol):
    """The sequencing table of one log. Not thread-safe: one thread at a time."""

    def state(self) -> State:
        """Tell how far the log has come."""
        ...

    def append(self, submissions: Sequence[Submission], *, size: int, day: int) -> list[int | None]:
        """Give each entry its index; one that has one keeps it.

        Args:
            submissions: the batch, in order.
            size: how many entries are sequenced, as the caller knows it.
            day: whose quotas are charged, counted from 1970 (UTC).

        Returns:
            The indexes in order, None for an entry over its publisher's quota.

        Raises:
            StorageError: another number is sequenced. Or the database fails, or another process has
                taken over; so all methods.
        """
        ...

    def pending(self) -> list[bytes]:
        """Give the sequenced entries that are not marked as tiled, in order."""
        ...

    def mark_tiled(self, size: int) -> None:
        """Note that the first `size` entries stand in durable tiles; their bytes may go."""
        ...

    def record_head(self, head: Head) -> None:
        """Record what is about to be signed.

        Raises:
            StorageError: smaller than what was signed, or of that size with another root.
        """
        ...

    def close(self) -> None:
        """Let another process open the table."""
        ...


def place(
    submissions: Sequence[Submission],
    *,
    size: int,
    known: Mapping[bytes, int],
    spent: Mapping[str, Spent],
) -> Placement:
    """Decide which entries of a batch get an index.

    Args:
        submissions: the batch, in order.
        size: the next index.
        known: leaf hash to index, of those entries of the batch that are in the log.
        spent: what publishers have used of this day.
    """
    placement = Placement(indexes=[], new=[], spent=dict(spent))
    places = dict(known)
    for one in submissions:
        if one.leaf_hash not in places and _charge(placement.spent, one):
            places[one.leaf_hash] = size + len(placement.new)
            placement.new.append(one)
        placement.indexes.append(places.get(one.leaf_hash))
    return placement


def _charge(spent: dict[str, Spent], submission: Submission) -> bool:
    account = submission.account
    after = spent.get(account.name, Spent()).plus(submission.entry)
    if not after.within(account):
        return False
    spent[account.name] = after
    return True


def check_size(state: State, size: int) -> None:
    """Check that the table is as this process left it.

    Raises:
        StorageError: it is another one: a copy, or a replica that had not everything.
    """
    if state.sequenced != size:
        raise StorageError(
            f"the sequencing table has {state.sequenced} entries, this log knows of {size}; "
            "bring back the newest table, and start again"
        )


def check_successor(last: Head, head: Head) -> None:
    """Check that `head` may be signed after `last`.

    Raises:
        StorageError: see `SequenceTable.record_head`.
    """
    if head.size < last.size or (head.size == last.size and head.root != last.root):
        raise StorageError("this log already signed a larger or different tree")

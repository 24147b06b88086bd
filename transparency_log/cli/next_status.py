"""The next status of a log: the newest one, with what was asked to be changed. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from transparency_log.cli.memory import KnownRelease, Memory
from transparency_log.cli.outcome import RefusedError
from transparency_log.entry import Status
from transparency_log.status import Floors, StatusStatement

LIFE = 7200
"""Seconds a status counts for clients."""

CLOCK_TOLERANCE = 300
"""Seconds that two clocks may differ."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What is to be different.

    Attributes:
        accept: leaf hashes of releases to list.
        revoke: leaf hashes of releases to list no more.
        floors: None: as they are.
        first: whether this is to be the log's first status.
        abandoned: number of a status that was signed, never logged, and is lost; None: none.
    """

    accept: Sequence[bytes] = ()
    revoke: Sequence[bytes] = ()
    floors: Floors | None = None
    first: bool = False
    abandoned: int | None = None


@dataclass(frozen=True, kw_only=True)
class Next:
    """A status to sign, and what people should know about how it came about."""

    statement: StatusStatement
    remarks: tuple[str, ...]


def next_status(
    newest: Status | None, changes: Changes, memory: Memory, *, log: str, now: int
) -> Next:
    """Make the next status.

    Raises:
        RefusedError: what was asked for does not fit what the log says.
    """
    _require_order(newest, changes, now)
    remarks: list[str] = []
    listed = [] if newest is None else list(_current(newest.releases, memory, now, remarks))
    for leaf in changes.revoke:
        if leaf not in listed:
            raise RefusedError(f"{leaf.hex()}: the newest status does not list it")
        listed.remove(leaf)
        remarks.append(f"revoked: {_name(leaf, memory)}")
    for leaf in changes.accept:
        if leaf not in listed:
            _require_good(leaf, memory.releases.get(leaf), now)
            listed.append(leaf)
            remarks.append(f"accepted: {_name(leaf, memory)}")
    known = Floors() if newest is None else newest.floors
    statement = StatusStatement(
        log=log,
        sequence=_sequence(newest, changes.abandoned),
        previous=None if newest is None else newest.leaf_hash,
        issued=now if newest is None else max(now, newest.issued),
        releases=tuple(listed),
        floors=known if changes.floors is None else changes.floors,
    )
    return Next(statement=statement, remarks=tuple(remarks))


def require_next(
    status: StatusStatement, digest: bytes, newest: Status | None, *, abandoned: int | None
) -> None:
    """Check that a status that others made follows the newest one, or is it.

    A number far ahead would be one that nothing can follow, so none is left out unasked.

    Raises:
        RefusedError: it does not.
    """
    if newest is not None:
        if (status.sequence, digest) == (newest.sequence, newest.payload_digest):
            return
        if status.sequence <= newest.sequence:
            raise RefusedError(
                f"status {status.sequence} comes too late: the log has number {newest.sequence}"
            )
    expected = _sequence(newest, abandoned)
    if status.sequence != expected:
        raise RefusedError(
            f"status {status.sequence} is not the next, which is {expected}; if the numbers "
            f"between are lost for good, say --abandon {status.sequence - 1}"
        )
    if newest is not None and status.previous != newest.leaf_hash:
        raise RefusedError(f"status {status.sequence} was not made from the newest one of the log")


def differences(newest: StatusStatement, status: StatusStatement) -> Iterator[str]:
    """Say what a status changes: whoever signs it has to see that at once."""
    before, after = set(newest.releases), set(status.releases)
    yield f"compared with number {newest.sequence}, the newest in the log:"
    for leaf in status.releases:
        if leaf not in before:
            yield f"  accepts {leaf.hex()}"
    for leaf in newest.releases:
        if leaf not in after:
            yield f"  revokes {leaf.hex()}"
    if newest.floors != status.floors:
        yield "  has other floors"
    if before == after and newest.floors == status.floors:
        yield "  says the same"


def require_timely(status: StatusStatement, *, now: int) -> None:
    """Check that a status counts now: one from the future would hold up all that follow.

    Raises:
        RefusedError: it does not.
    """
    if not now - LIFE < status.issued <= now + CLOCK_TOLERANCE:
        raise RefusedError(
            f"the status was issued {status.issued - now:+d} s from now, and counts for {LIFE} s "
            "from then; make it anew, or set this machine's clock"
        )


def _require_order(newest: Status | None, changes: Changes, now: int) -> None:
    if newest is None and not changes.first:
        raise RefusedError("the log has no status by these signers; say --first to begin with one")
    if newest is not None and changes.first:
        raise RefusedError(f"the log has status {newest.sequence}; --first is for an empty one")
    if newest is not None and newest.issued > now + CLOCK_TOLERANCE:
        raise RefusedError("the newest status was issued later than now; set this machine's clock")


def _current(
    releases: Iterable[bytes], memory: Memory, now: int, remarks: list[str]
) -> Iterable[bytes]:
    """Keep what has not expired."""
    for leaf in releases:
        known = memory.releases.get(leaf)
        if known is not None and known.expires <= now:
            remarks.append(f"dropped, because it has expired: {_name(leaf, memory)}")
        else:
            yield leaf


def _require_good(leaf: bytes, known: KnownRelease | None, now: int) -> None:
    if known is None:
        raise RefusedError(f"{leaf.hex()}: no release of the policy's signers in this log")
    if known.expires <= now:
        raise RefusedError(f"{leaf.hex()}: {known.name} {known.version} has expired")


def _name(leaf: bytes, memory: Memory) -> str:
    known = memory.releases.get(leaf)
    return leaf.hex() if known is None else f"{known.name} {known.version}, {leaf.hex()}"


def _sequence(newest: Status | None, abandoned: int | None) -> int:
    following = 0 if newest is None else newest.sequence + 1
    if abandoned is None:
        return following
    if newest is None:
        raise RefusedError(
            "the first status cannot be left out; find the one that was signed, or begin with "
            "new status keys"
        )
    if abandoned < following:
        raise RefusedError(f"--abandon {abandoned}: the next number is {following} anyway")
    return abandoned + 1

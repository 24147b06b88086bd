"""The log as of now: its newest status and its releases, read under a policy.

What a log could try on somebody who is about to sign the next status, and what answers it:

- an old checkpoint        it must be younger than `CHECKPOINT_AGE`
- a shorter log            it must extend the newest checkpoint this machine has seen
- another log for us       a quorum of witnesses has cosigned the checkpoint
- leaving out a status     every entry is read, and proved against the checkpoint
- two statuses of a number both are kept as proof, and nothing is signed

And if all of that were not enough: `guard` remembers what each key has signed.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from transparency_log.checkpoint import parse_checkpoint
from transparency_log.cli.memory import KnownStatus, Memory, MemoryFile, known_release
from transparency_log.cli.outcome import RefusedError
from transparency_log.cli.policy_file import EntryPolicy
from transparency_log.client import Fetch, LogClient
from transparency_log.entry import Status, parse_entry, verify_release, verify_status
from transparency_log.errors import (
    EquivocationError,
    InconsistentError,
    MalformedError,
    NotSignedError,
)
from transparency_log.follow import follow
from transparency_log.merkle import verify_consistency
from transparency_log.note import parse_note
from transparency_log.payload import EntryKind
from transparency_log.prover import consistency_proof
from transparency_log.witness_policy import WitnessedCheckpoint

CHECKPOINT_AGE = 1200
"""Seconds a checkpoint counts as the log's present: two windows of service entries, as clients."""

CLOCK_TOLERANCE = 300
"""Seconds the local clock may be behind the witnesses."""


@dataclass(frozen=True, kw_only=True)
class LogNow:
    """What the log says now, verified; made by `read_log` alone."""

    client: LogClient
    newest: WitnessedCheckpoint
    status: Status | None
    memory: Memory


def read_log(fetch: Fetch, policy: EntryPolicy, memory: MemoryFile, *, now: int) -> LogNow:
    """Read everything that is new in the log, and remember it.

    Raises:
        RefusedError: its checkpoint is old, or this machine's clock is behind.
        UntrustedError: it does not verify, or contradicts what was seen before; the proof is kept.
        FetchError: it cannot be read.
    """
    client = LogClient(policy.log, fetch)
    newest = client.checkpoint()
    _require_current(newest, now)
    known = memory.load()
    reader = _Reader(policy, known)
    with _kept(memory):
        _require_extended(client, known, newest)
        frontier = known.frontier
        for stretch in follow(client, newest, frontier):
            for offset, entry in enumerate(stretch.entries):
                reader.take(stretch.start + offset, entry, stretch.leaves[offset])
            frontier = stretch.frontier
    found = Memory(
        checkpoint=newest.note,
        frontier=frontier,
        status=reader.known_status,
        releases=reader.releases,
    )
    memory.save(found)
    return LogNow(client=client, newest=newest, status=reader.status, memory=found)


class _Reader:
    """Picks the policy's releases and the newest status out of the entries."""

    def __init__(self, policy: EntryPolicy, memory: Memory) -> None:
        self._origin = policy.log.origin
        self._release_signers = policy.signers[EntryKind.RELEASE]
        self._status_signers = policy.signers[EntryKind.STATUS]
        self._by_sequence: dict[int, tuple[bytes, bytes]] = {}
        self.releases = dict(memory.releases)
        self.known_status: KnownStatus | None = None
        self.status: Status | None = None
        if memory.status is not None:
            self._take_status(memory.status.index, memory.status.entry)

    def take(self, index: int, entry: bytes, leaf: bytes) -> None:
        """Look at one entry; what the policy's signers have not signed is nobody's word."""
        with suppress(MalformedError, NotSignedError):
            kind = parse_entry(entry).kind
            if kind is EntryKind.RELEASE:
                self._take_release(index, entry, leaf)
            if kind is EntryKind.STATUS:
                self._take_status(index, entry)

    def _take_release(self, index: int, entry: bytes, leaf: bytes) -> None:
        release = verify_release(entry, self._release_signers)
        self.releases[leaf] = known_release(index, release)

    def _take_status(self, index: int, entry: bytes) -> None:
        status = verify_status(entry, self._status_signers)
        if status.log != self._origin:
            return
        mine = (status.payload_digest, entry)
        digest, first = self._by_sequence.setdefault(status.sequence, mine)
        if digest != status.payload_digest:
            text = f"two statuses have sequence {status.sequence}"
            raise EquivocationError(text, first=first, second=entry)
        if self.status is None or status.sequence > self.status.sequence:
            self.status = status
            self.known_status = KnownStatus(index=index, entry=entry)


def _require_current(newest: WitnessedCheckpoint, now: int) -> None:
    if newest.time < now - CHECKPOINT_AGE:
        raise RefusedError(
            f"the log shows a checkpoint that is {now - newest.time} s old: the log, its witnesses "
            "or this machine's clock is wrong; find out which; nothing was signed"
        )
    if newest.time > now + CLOCK_TOLERANCE:
        raise RefusedError(
            f"this machine's clock is {newest.time - now} s behind the witnesses; set it"
        )


def _require_extended(client: LogClient, known: Memory, newest: WitnessedCheckpoint) -> None:
    """Check that the log still has all it had; what was kept was verified then."""
    if not known.checkpoint:
        return
    old, new = parse_checkpoint(parse_note(known.checkpoint).unverified_text), newest.checkpoint
    if old.size == 0:
        return
    try:
        if old.size > new.size:
            raise InconsistentError(f"the log has {new.size} entries, and had {old.size} before")
        verify_consistency(
            old_size=old.size,
            old_root=old.root,
            size=new.size,
            root=new.root,
            proof=consistency_proof(old.size, new.size, client.reader(new.size)),
        )
    except InconsistentError as error:
        text = f"this is not the log that was seen before: {error}"
        raise EquivocationError(text, first=known.checkpoint, second=newest.note) from error


@contextmanager
def _kept(memory: MemoryFile) -> Iterator[None]:
    """Keep the proof of a contradiction before it is told."""
    try:
        yield
    except EquivocationError as error:
        folder = memory.save_proof(error.first, error.second)
        raise EquivocationError(
            f"{error}; both are kept in {folder}; sign nothing before you know why",
            first=error.first,
            second=error.second,
        ) from error

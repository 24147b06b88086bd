"""The service's public record as of now: steps 3 to 5 of a look (numbers as in `openpcc.lookup`).

What a gateway could try, and what answers it:

- an old checkpoint             it must be younger than two windows, by the later of the clocks
- another log than yesterday's  it must extend the newest checkpoint this client has verified
- an old entry, logged again    reading begins before the newest entries this client knows, and at
                                least `LOOK_BACK` entries before the gateway's hint
- an entry for each client      a window has one set of keys and few entries (`service_windows`)
- two entries of one number     both are kept as proof, and the service stays refused (`lookup`)
- two trees of one size         the same: the log's own signatures prove the fork
- a larger tree that is not     both checkpoints are kept as a suspicion, this look is refused. Not
  shown to extend ours          the service for good: the tiles came from a gateway, which could
                                garble an honest log's proof and so have the log accused. If the log
                                is honest it has the proof, and anybody can ask it for that; nobody
                                can make one for a fork. Whoever serves no tiles at all leaves us as
                                a broken line would, and we stay with what we know
- a smaller tree                dated no later than ours it is an old one out of a cache: refused as
                                stale, and says nothing of anybody. Dated later, a quorum says that
                                no larger tree had been seen by then: kept as a suspicion. Not yet
                                a proof: operators' clocks differ, and the two quorums may have few
                                in common; a witness that cosigned both and went back is proved to
                                lie by `transparency_log.contradiction`, and below the quorum a lie
                                is what the policy allows for
"""

from dataclasses import dataclass

from openpcc import log_checks, state
from openpcc.config import ClientPolicy
from openpcc.directory import Hint
from openpcc.errors import ConfigurationError, DirectoryError
from openpcc.protocol import messages
from openpcc.service_windows import require_grid
from openpcc.state import ClientState, Position, StateFile
from transparency_log import scan
from transparency_log.client import LogClient
from transparency_log.entry import Service, Status
from transparency_log.errors import LogError, OneHistoryError
from transparency_log.log_range import LogRange
from transparency_log.tile import TILE_WIDTH
from transparency_log.witness_policy import WitnessedCheckpoint, remembered_checkpoint

MAX_SCAN = 8192
"""Entries read in one look; a current hint leaves a few dozen. More is a gateway's obstruction."""

LOOK_BACK = 256
"""Entries read before the hint at the least: in a quiet log two days, and a status counts for two
hours. Without them an old status, logged again behind the one that revokes, would look newest."""

CATCH_UP = 2048
"""Entries that a returning client reads to close the gap to what it knows; at most 3 MB."""

CHECKPOINT_AGE = 2 * messages.WINDOW
"""Seconds a checkpoint counts as the log's present."""

TRIES = 4
"""Processes that share a state and look at one moment wait for each other this often."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What the log says of the service, verified; made by `RecordReader` alone."""

    newest: WitnessedCheckpoint
    service: scan.Found[Service]
    status: scan.Found[Status]
    witnessed: int
    """Newest witnessed time ever verified, Unix seconds."""


class LapsedEntryError(DirectoryError):
    """The newest service entry is not valid now: nobody has published since, or it is of later."""


class _MovedError(Exception):
    """Another process has remembered a newer checkpoint meanwhile."""


class RecordReader:
    """Reads the record of one service, and remembers what was accepted."""

    def __init__(self, policy: ClientPolicy, states: StateFile) -> None:
        self._policy = policy
        self._states = states

    def read(self, log: LogClient, hint: Hint, *, now: int) -> Record:
        """Read and verify the record; remember it.

        Args:
            log: whoever serves the log's files; not trusted.
            hint: where in the log to look; not trusted.
            now: Unix seconds, the local clock.

        Raises:
            DirectoryError: the record is missing, old, or behind what was accepted before.
            LogError: the log's files do not verify. `EquivocationError`: they contradict each
                other, and carry the proof.
        """
        known = self._states.load()
        newest = self._checkpoint(log, known, now)  # 3
        start = _start(hint, known, newest.checkpoint.size)
        entries = log.entries(newest, start)  # 4
        record = self._newest(entries, known, now)  # 5
        self._remember(log, known, record)
        return record

    def _checkpoint(self, log: LogClient, known: ClientState, now: int) -> WitnessedCheckpoint:
        """Step 3."""
        newest = log.checkpoint()
        witnessed = max(known.witnessed, newest.time)
        if newest.time < max(now, known.witnessed) - CHECKPOINT_AGE:
            raise DirectoryError("stale", "the log's checkpoint is older than two windows")
        if now < witnessed - log_checks.CLOCK_TOLERANCE:
            behind = witnessed - now
            raise DirectoryError(
                "stale", f"check 5.clock: the local clock is {behind} s behind the witnesses"
            )
        self._extends(log, known, newest)
        return newest

    def _extends(self, log: LogClient, known: ClientState, newest: WitnessedCheckpoint) -> None:
        """Check that a checkpoint and the one this client knows are of one history."""
        if not known.checkpoint:
            return
        try:
            old = self._remembered(known)
        except LogError as error:
            raise ConfigurationError(
                "the state is of another log than the policy's; name another state folder for it"
            ) from error
        self._one_history(log, old, newest)

    def _remembered(self, known: ClientState) -> WitnessedCheckpoint:
        return remembered_checkpoint(
            known.checkpoint, time=known.witnessed, policy=self._policy.log
        )

    def _one_history(
        self, log: LogClient, old: WitnessedCheckpoint, new: WitnessedCheckpoint
    ) -> None:
        """Let the log prove that the newer checkpoint extends the older one, or keep both."""
        try:
            log.consistency(old, new)
        except OneHistoryError as error:
            if new.checkpoint.size < old.checkpoint.size and new.time <= old.time:
                raise DirectoryError("stale", f"{error}; by its date this is an old one") from error
            where = self._states.save_suspicion(error.first, error.second)
            kept = (
                f"both checkpoints are kept in {where}" if where else "enough such pairs are kept"
            )
            raise DirectoryError("unavailable", f"log: {error}; {kept}") from error

    def _newest(self, entries: LogRange, known: ClientState, now: int) -> Record:
        """Step 5."""
        policy, newest = self._policy, entries.witnessed
        chain = scan.services(entries, policy.service, policy.service_signers)
        status = scan.newest_status(entries, policy.status_signers)
        if not chain or status is None:
            raise DirectoryError("unavailable", "the log has no entry of this service or no status")
        service = chain[-1]
        _never_back("service", known.service, service.index, service.entry.sequence, entries)
        _never_back("status", known.status, status.index, status.entry.sequence, entries)
        witnessed = max(known.witnessed, newest.time)
        _require_current(service.entry, max(now, witnessed))
        require_grid([one.entry for one in chain])
        return Record(newest=newest, service=service, status=status, witnessed=witnessed)

    def _remember(self, log: LogClient, known: ClientState, record: Record) -> None:
        """Keep what was accepted, if it fits what other processes have kept meanwhile."""
        seen = ClientState(
            checkpoint=record.newest.note,
            witnessed=record.newest.time,
            service=_position(record.service),
            status=_position(record.status),
        )
        for _ in range(TRIES):
            try:
                self._states.update(lambda old: _merged(known, old, seen))  # noqa: B023 - at once
            except _MovedError:
                known = self._states.load()
                self._fits(log, known, record.newest)
            else:
                return
        raise DirectoryError("unavailable", "other processes keep changing the state; try again")

    def _fits(self, log: LogClient, known: ClientState, newest: WitnessedCheckpoint) -> None:
        """As `_extends`, whichever of the two is larger."""
        other = self._remembered(known)
        if other.checkpoint.size > newest.checkpoint.size:
            self._one_history(log, newest, other)
        else:
            self._extends(log, known, newest)


def _merged(known: ClientState, old: ClientState, seen: ClientState) -> ClientState:
    if old.checkpoint != known.checkpoint:
        raise _MovedError
    return state.newest(old, seen)


def _position(found: scan.Found[Service] | scan.Found[Status]) -> Position:
    return Position(index=found.index, sequence=found.entry.sequence)


def _start(hint: Hint, known: ClientState, size: int) -> int:
    """Step 4: where to begin reading. Bundles come whole, so it is a bundle's first entry."""
    hinted = min(hint.index, hint.status)
    if not 0 <= size - hinted <= MAX_SCAN:
        raise DirectoryError("unavailable", f"the hint at {hinted} leaves too much of the log")
    starts = [hinted - LOOK_BACK]
    starts += [
        position.index
        for position in (known.service, known.status)
        if position is not None and size - position.index <= CATCH_UP
    ]
    return max(min(starts), 0) // TILE_WIDTH * TILE_WIDTH


def _never_back(
    chain: str, known: Position | None, index: int, sequence: int, entries: LogRange
) -> None:
    """Refuse a record older than one accepted before, or one that may be another of its number.

    Where the range covers the accepted entry, `scan` has compared the two.
    """
    if known is None or sequence > known.sequence:
        return
    if sequence < known.sequence:
        raise DirectoryError("stale", f"{chain} entry {sequence} is older than {known.sequence}")
    if index != known.index and known.index < entries.start:
        raise DirectoryError("stale", f"{chain} entry {sequence} stands far from where it stood")


def _require_current(service: Service, now: int) -> None:
    """Check the validity of the newest entry: two windows at most, and now within them."""
    if service.not_after - service.not_before > 2 * messages.WINDOW:
        raise DirectoryError("unavailable", "the service entry is valid for more than two windows")
    if not service.not_before - log_checks.CLOCK_TOLERANCE <= now < service.not_after:
        raise LapsedEntryError("stale", "the newest service entry is not valid now")

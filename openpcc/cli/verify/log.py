"""The log's present for `openpcc verify release --log`: newest checkpoint and status, verified."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from openpcc.config import ClientPolicy
from openpcc.errors import ConfigurationError, DirectoryError, TransportError
from openpcc.record import CHECKPOINT_AGE, MAX_SCAN
from transparency_log import errors, scan
from transparency_log.checkpoint import Checkpoint
from transparency_log.cli.connection import LogConnection
from transparency_log.client import LogClient
from transparency_log.entry import Status
from transparency_log.prover import consistency_proof
from transparency_log.tile import TILE_WIDTH
from transparency_log.witness_policy import WitnessedCheckpoint


@dataclass(frozen=True, kw_only=True)
class Present:
    """What the log says now."""

    newest: WitnessedCheckpoint
    status: Status
    proof: tuple[bytes, ...] | None
    """That the older checkpoint in hand and the newest are of one history; None: there is none."""


def read_present(url: str, policy: ClientPolicy, held: Checkpoint | None, *, now: int) -> Present:
    """Read the newest status of a log, and the proof that a checkpoint in hand is of its history.

    Raises:
        DirectoryError: the log is behind, has no status, or contradicts itself.
        TransportError: it cannot be read.
        ConfigurationError: the URL cannot be used.
    """
    with _told(), LogConnection(url) as connection:
        log = LogClient(policy.log, connection.fetch)
        newest = log.checkpoint()
        if newest.time < now - CHECKPOINT_AGE:
            raise DirectoryError("stale", "the log's checkpoint is older than two windows")
        status = _newest_status(log, newest, policy)
        return Present(newest=newest, status=status, proof=_proof(log, newest, held))


def _newest_status(log: LogClient, newest: WitnessedCheckpoint, policy: ClientPolicy) -> Status:
    """Read back from the end, further and further, until there is a status."""
    size, back = newest.checkpoint.size, TILE_WIDTH
    while True:
        start = max(size - back, 0) // TILE_WIDTH * TILE_WIDTH
        found = scan.newest_status(log.entries(newest, start), policy.status_signers)
        if found is not None:
            return found.entry
        if start == 0 or back >= MAX_SCAN:
            raise DirectoryError("unavailable", f"no status among the last {size - start} entries")
        back *= 4


def _proof(
    log: LogClient, newest: WitnessedCheckpoint, held: Checkpoint | None
) -> tuple[bytes, ...] | None:
    size = newest.checkpoint.size
    if held is None or not 0 < held.size <= size:
        return None
    return tuple(consistency_proof(held.size, size, log.reader(size)))


@contextmanager
def _told() -> Iterator[None]:
    """Say what an error of the log means for whoever runs the command."""
    try:
        yield
    except errors.PolicyError as error:
        raise ConfigurationError(f"--log: {error}") from error
    except errors.FetchError as error:
        raise TransportError(f"the log could not be read: {error}") from error
    except errors.EquivocationError as error:
        raise DirectoryError("equivocation", str(error)) from error
    except errors.LogError as error:
        raise DirectoryError("unavailable", f"the log does not verify: {error}") from error

"""Step 2: the newest checkpoint against the one that was remembered.

What was remembered was verified then, perhaps under keys that a policy lists no more; so its
signatures are not judged again. Both notes are given to whoever keeps them: a third party judges
them by the signatures (`contradiction`).
"""

from enum import StrEnum

from transparency_log.checkpoint import Checkpoint, parse_checkpoint
from transparency_log.client import LogClient
from transparency_log.errors import InconsistentError, MalformedTileError
from transparency_log.merkle import verify_consistency
from transparency_log.note import parse_note
from transparency_log.prover import consistency_proof
from transparency_log.witness_policy import WitnessedCheckpoint


class History(StrEnum):
    """What two checkpoints of a log are to each other."""

    EXTENDED = "extended"
    """Proved, or there was none before."""
    SHRUNK = "shrunk"
    """The later one has fewer entries: a rollback, or an old one shown again."""
    FORKED = "forked"
    """Two trees of one size: proof that the log has two histories."""
    UNPROVED = "unproved"
    """The log's tiles do not show that the larger tree extends the smaller one."""


def compare(client: LogClient, known: bytes, newest: WitnessedCheckpoint) -> History:
    """Compare the newest checkpoint with a note that was verified before; empty: there was none.

    Raises:
        LogError: the log could not be read.
    """
    if not known:
        return History.EXTENDED
    old, new = parse_checkpoint(parse_note(known).unverified_text), newest.checkpoint
    if old.size > new.size:
        return History.SHRUNK
    if old.size == new.size:
        return History.EXTENDED if old.root == new.root else History.FORKED
    try:
        _prove(client, old, new)
    except (InconsistentError, MalformedTileError):
        return History.UNPROVED
    return History.EXTENDED


def _prove(client: LogClient, old: Checkpoint, new: Checkpoint) -> None:
    if old.size == 0:
        return
    verify_consistency(
        old_size=old.size,
        old_root=old.root,
        size=new.size,
        root=new.root,
        proof=consistency_proof(old.size, new.size, client.reader(new.size)),
    )

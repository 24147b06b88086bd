"""The newest checkpoint of a log, and the one that was remembered: what is found of them. Pure."""

from dataclasses import replace

from openpcc.audit.log_files import OutOfTimeError
from openpcc.audit.log_keeper import Keeper
from openpcc.audit.log_tests import failed, judged, passed, skipped, skipped_all, told
from openpcc.audit.report import Extract, Finding, Section
from openpcc.log_checks import CLOCK_TOLERANCE
from openpcc.record import CHECKPOINT_AGE
from transparency_log.errors import FetchError, LogError, TooFewWitnessesError
from transparency_log.monitor.history import History
from transparency_log.witness_policy import LogPolicy, WitnessedCheckpoint

CHECKPOINT_TESTS = ("log.checkpoint", "log.quorum", "log.checkpoint-age", "log.clock")
HISTORY_TESTS = ("log.rollback", "log.split-view")


def checkpoint_section(
    newest: WitnessedCheckpoint | LogError, policy: LogPolicy, *, now: int, witnessed: int
) -> Section:
    """Write what was found of the newest checkpoint.

    Args:
        newest: verified; or why there is none.
        policy: of the log.
        now: the local clock, Unix seconds.
        witnessed: newest witnessed time that is remembered.
    """
    title = "The newest checkpoint"
    if isinstance(newest, LogError):
        return Section(name="checkpoint", title=title, findings=_refused(newest))
    facts = {
        "size": newest.checkpoint.size,
        "root": newest.checkpoint.root.hex(),
        "checkpoint_time_seconds": newest.time,
        "witnesses": list(newest.witnesses),
    }
    findings = _verified(newest, policy, now, max(witnessed, newest.time))
    return Section(name="checkpoint", title=title, findings=findings, facts=facts)


def history_findings(
    history: History, known: bytes, newest: WitnessedCheckpoint, keeper: Keeper
) -> tuple[Finding, ...]:
    """Write what two checkpoints are to each other, and keep both where they do not agree."""
    rollback, split = passed("log.rollback"), passed("log.split-view")
    size, notes = newest.checkpoint.size, _notes(known, newest.note)
    match history:
        case History.SHRUNK:
            wrong = f"{size} entries now; both checkpoints are"
            wrong = f"{wrong} {keeper.suspicion(known, newest.note)}"
            rollback = failed("log.rollback", wrong, extracts=notes)
            split = skipped("log.split-view", "the log has fewer entries than before")
        case History.FORKED:
            wrong = f"two trees of size {size}, which is proof; both checkpoints are"
            wrong = f"{wrong} {keeper.proof(known, newest.note)}"
            split = failed("log.split-view", wrong, extracts=notes)
        case History.UNPROVED:
            wrong = "the log's tiles do not prove it; both checkpoints are"
            wrong = f"{wrong} {keeper.suspicion(known, newest.note)}"
            split = failed("log.split-view", wrong, extracts=notes)
        case History.EXTENDED:
            pass
    return rollback, split


def unserved(error: LogError) -> Finding:
    """Write that a file was not to be had."""
    if isinstance(error, OutOfTimeError):
        return skipped("log.served", str(error))
    return failed("log.served", str(error))


def _refused(error: LogError) -> tuple[Finding, ...]:
    if isinstance(error, FetchError):
        return (unserved(error), *skipped_all(CHECKPOINT_TESTS, "there is no checkpoint"))
    if isinstance(error, TooFewWitnessesError):
        actual, expected = f"{error.actual} operators", f"{error.expected} operators"
        wrong = failed("log.quorum", actual, expected=expected)
        rest = skipped_all(CHECKPOINT_TESTS[2:], "the quorum is not met")
        return (passed("log.checkpoint"), wrong, *rest)
    wrong = failed("log.checkpoint", str(error))
    return (wrong, *skipped_all(CHECKPOINT_TESTS[1:], "the checkpoint is not the log's"))


def _verified(
    newest: WitnessedCheckpoint, policy: LogPolicy, now: int, witnessed: int
) -> tuple[Finding, ...]:
    operators = {one.operator for one in policy.witnesses}
    cosigned = {one.operator for one in policy.witnesses if one.name in newest.witnesses}
    silent = ", ".join(sorted(operators - cosigned))
    count = f"{len(cosigned)} of {len(operators)}" + (f"; not {silent}" if silent else "")
    age, behind = max(now, witnessed) - newest.time, witnessed - now
    old = f"{age} s old, {CHECKPOINT_AGE} s are allowed" if age > CHECKPOINT_AGE else ""
    late = f"{behind} s behind" if behind > CLOCK_TOLERANCE else ""
    note = Extract(part="checkpoint", offset=0, field="note", value=newest.note)
    return (
        replace(passed("log.checkpoint"), extracts=(note,)),
        passed("log.quorum", f"{len(cosigned)} operators, {policy.quorum} are needed"),
        told("log.operators", count),
        judged("log.checkpoint-age", old, actual=f"{age} s old"),
        judged("log.clock", late),
    )


def _notes(known: bytes, newest: bytes) -> tuple[Extract, ...]:
    return (
        Extract(part="remembered checkpoint", offset=0, field="note", value=known),
        Extract(part="newest checkpoint", offset=0, field="note", value=newest),
    )

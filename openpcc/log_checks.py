"""Step 5 of the trust decision: the quote is not older than a checkpoint witnesses have signed.

Step 7, the other one that rests on the transparency log, is in `release_checks`. `openpcc.trust`
judges a node with everything its client knows of the log, `openpcc.offline` a bundle with nothing
but what lies in it: there, what only the log can say is out of scope. Pure: bytes, facts and `now`
come in, checks come out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from attestation.checks import Checks
from attestation.errors import AppraisalError
from attestation.evidence import EvidenceBundle, FreshnessSection, KeysSection
from openpcc.config import ClientPolicy
from openpcc.protocol.errors import ProtocolError
from transparency_log import merkle
from transparency_log.checkpoint import Checkpoint
from transparency_log.errors import LogError
from transparency_log.witness_policy import verify_checkpoint

Value = TypeVar("Value")

CLOCK_TOLERANCE = 300
"""Seconds the local clock may be behind the newest witnessed time, or a time ahead of the clock."""

BEACON_TOLERANCE = 600
"""Seconds between the beacon's witnessed time and the epoch's not_before."""

ALONE = "needs the log: a bundle alone does not show it"
"""Why a check is out of scope where nothing but the bundle is known."""

CHOSEN = "the time to judge at was chosen: no clock is involved"
"""Why the clock is out of scope where nobody read one."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a client has established about the log before it judges evidence.

    Attributes:
        checkpoint: the newest witnessed one.
        witnessed: newest witnessed time ever verified, Unix seconds; None where the time to judge
            at was chosen, so that there is no clock to hold against it.
    """

    checkpoint: Checkpoint
    witnessed: int | None


def judge_beacon(
    checks: Checks,
    bundle: EvidenceBundle,
    keys: KeysSection,
    *,
    now: int,
    policy: ClientPolicy,
    known: Known | None,
    proof: Sequence[bytes] | None,
) -> None:
    """Judge step 5.

    Args:
        checks: records.
        bundle: parsed, otherwise unknown.
        keys: of the bundle.
        now: Unix seconds, the local clock.
        policy: whom this client believes.
        known: None: no checkpoint is known, and clock and consistency are out of scope.
        proof: that the beacon's tree and the known one are one history; None if there is none at
            hand, which skips 5.consistency and so refuses, unless they are one tree.
    """
    checkpoint = FreshnessSection.parse(bundle.freshness).checkpoint
    judged = _judge_clock(checks, known, now=now)
    beacon = checks.run("5.beacon", ground(lambda: verify_checkpoint(checkpoint, policy.log)))
    if beacon is None:
        for name in ("5.age", "5.order", "5.consistency"):
            checks.skip(name, "5.beacon did not pass")
        return
    longest = policy.attestation.maximum_epoch + BEACON_TOLERANCE
    checks.run(
        "5.age", lambda: within("beacon", beacon.time, judged - longest, judged + CLOCK_TOLERANCE)
    )
    start = keys.not_before
    checks.run(
        "5.order",
        lambda: within("beacon", beacon.time, start - BEACON_TOLERANCE, start + BEACON_TOLERANCE),
    )
    judge_consistency(checks, beacon.checkpoint, known, proof)


def judge_consistency(
    checks: Checks, beacon: Checkpoint, known: Known | None, proof: Sequence[bytes] | None
) -> None:
    """Judge whether a checkpoint and the one that is known are of one history."""
    if known is None:
        checks.out_of_scope("5.consistency", ALONE)
        return
    newest = known.checkpoint
    if proof is None and beacon.size == newest.size:
        proof = ()
    if proof is None:
        checks.skip("5.consistency", "no consistency proof at hand")
        return
    older, newer = sorted((beacon, newest), key=lambda one: one.size)
    checks.run(
        "5.consistency",
        ground(
            lambda: merkle.verify_consistency(
                old_size=older.size,
                old_root=older.root,
                size=newer.size,
                root=newer.root,
                proof=proof,
            )
        ),
    )


def ground(test: Callable[[], Value]) -> Callable[[], Value]:
    """Let a test of the log's or the protocol's refuse as a check does: their errors are others."""

    def run() -> Value:
        try:
            return test()
        except (LogError, ProtocolError) as error:
            raise AppraisalError("proof", expected="a valid one", actual=str(error)) from error

    return run


def _judge_clock(checks: Checks, known: Known | None, *, now: int) -> int:
    """Hold the local clock against the newest witnessed time; give the later of the two."""
    if known is None or known.witnessed is None:
        checks.out_of_scope("5.clock", ALONE if known is None else CHOSEN)
        return now
    witnessed = known.witnessed
    checks.run("5.clock", lambda: at_least("clock", now, witnessed - CLOCK_TOLERANCE))
    return max(now, witnessed)


def at_least(claim: str, value: int, low: int) -> None:
    """Test that a number reaches a bound.

    Raises:
        AppraisalError: it does not.
    """
    if value < low:
        raise AppraisalError(claim, expected=f"at least {low}", actual=str(value))


def within(claim: str, value: int, low: int, high: int) -> None:
    """Test that a number lies between two bounds.

    Raises:
        AppraisalError: it does not.
    """
    if not low <= value <= high:
        raise AppraisalError(claim, expected=f"{low} to {high}", actual=str(value))

"""Steps 5 and 7 of the trust decision: what the transparency log shows about evidence.

5. beacon    the quote is not older than a checkpoint that witnesses have signed
7. release   the software it names is signed, logged, witnessed, still listed, not expired, and,
             where the policy asks, built by whom and from what it says

`openpcc.trust` judges a node with everything its client knows of the log, `openpcc.offline` a
bundle with nothing but what lies in it: there, what only the log can say is out of scope. Pure:
bytes, facts and `now` come in, checks come out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from attestation.checks import Checks
from attestation.endorsements import of_type
from attestation.errors import AppraisalError, UnjudgedError
from attestation.evidence import EvidenceBundle, FreshnessSection, KeysSection, SoftwareSection
from attestation.policy import Floors, Mark
from attestation.reference_values import ReferenceValues
from openpcc.config import ClientPolicy
from openpcc.protocol.errors import ProtocolError
from transparency_log import merkle
from transparency_log.checkpoint import Checkpoint
from transparency_log.entry import Release, Status, verify_release
from transparency_log.errors import LogError
from transparency_log.proof import UnverifiedProof, parse_proof
from transparency_log.witness_policy import WitnessedCheckpoint, verify_checkpoint

if TYPE_CHECKING:
    from transparency_log.provenance import ProvenancePolicy, VerifiedProvenance

Value = TypeVar("Value")

CLOCK_TOLERANCE = 300
"""Seconds the local clock may be behind the newest witnessed time, or a time ahead of the clock."""

BEACON_TOLERANCE = 600
"""Seconds between the beacon's witnessed time and the epoch's not_before."""

STATUS_AGE = 7200
"""Seconds a status entry counts; status signers publish at least hourly."""

MAX_PROVENANCES = 4
"""Sigstore bundles looked at; a release has one, and each costs about a millisecond."""

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
        "5.age", lambda: _within("beacon", beacon.time, judged - longest, judged + CLOCK_TOLERANCE)
    )
    start = keys.not_before
    checks.run(
        "5.order",
        lambda: _within("beacon", beacon.time, start - BEACON_TOLERANCE, start + BEACON_TOLERANCE),
    )
    _judge_consistency(checks, beacon.checkpoint, known, proof)


def judge_release(
    checks: Checks,
    bundle: EvidenceBundle,
    software: SoftwareSection,
    *,
    now: int,
    policy: ClientPolicy,
    status: Status | None,
) -> Release | None:
    """Judge step 7: the software the node names is a release that counts. None: it does not.

    Args:
        checks: records.
        bundle: with the release entry stapled.
        software: of the bundle.
        now: Unix seconds.
        policy: whom this client believes.
        status: the newest one; None: none is known, and whether the release is still listed is out
            of scope.
    """
    proof = checks.run("7.signers", ground(lambda: _release_proof(bundle, software, policy)))
    _judge_status(checks, software, status, now=now)
    if proof is None:
        _judge_provenance(checks, bundle, None, policy)
        for name in ("7.inclusion", "7.witnesses", "7.expiry"):
            checks.skip(name, "7.signers did not pass")
        return None
    release, logged = proof
    _judge_provenance(checks, bundle, release, policy)
    witnessed = checks.run(
        "7.witnesses", ground(lambda: verify_checkpoint(logged.checkpoint, policy.log))
    )
    if witnessed is None:
        checks.skip("7.inclusion", "7.witnesses did not pass")
    else:
        checks.run("7.inclusion", ground(lambda: _included(release, logged, witnessed)))
    checks.run("7.expiry", lambda: _at_least("expires", release.expires, now + 1))
    needed = ["7.inclusion", "7.expiry"]
    needed += ["7.status", "7.fresh"] if status is not None else []
    needed += ["7.provenance"] if policy.provenance is not None else []
    return release if all(checks.passed(name) for name in needed) else None


def reference_values(release: Release | None, platform: str) -> ReferenceValues | None:
    """Give what the release says of this platform; None: nothing may be compared, so it refuses."""
    found = None if release is None else release.platforms.get(platform)
    if release is None or found is None:
        return None
    return ReferenceValues(
        measurement=found.measurement,
        registers=found.registers,
        device_count=found.devices.count,
        device_kinds=found.devices.kinds,
        models={model.name: model.digest for model in release.models},
    )


def floors_of(status: Status) -> Floors:
    """Give what a status entry asks of endorsements."""
    floors = status.floors
    return Floors(
        crl={issuer: Mark(number=one.number, time=one.time) for issuer, one in floors.crl.items()},
        tcb_evaluation=floors.tcb_evaluation,
        minimum_tcb=floors.minimum_tcb,
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
    checks.run("5.clock", lambda: _at_least("clock", now, witnessed - CLOCK_TOLERANCE))
    return max(now, witnessed)


def _judge_consistency(
    checks: Checks, beacon: Checkpoint, known: Known | None, proof: Sequence[bytes] | None
) -> None:
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


def _judge_status(
    checks: Checks, software: SoftwareSection, status: Status | None, *, now: int
) -> None:
    if status is None:
        checks.out_of_scope("7.status", ALONE)
        checks.out_of_scope("7.fresh", ALONE)
        return
    checks.run("7.status", lambda: _listed(software.release, status))
    issued = status.issued
    checks.run(
        "7.fresh", lambda: _within("issued", issued, now - STATUS_AGE, now + CLOCK_TOLERANCE)
    )


def _judge_provenance(
    checks: Checks, bundle: EvidenceBundle, release: Release | None, policy: ClientPolicy
) -> None:
    """Judge who built the image, and from which source, where the policy says who may.

    Bundles of a policy that does not ask are not looked at: they could only prove what nobody has
    said must be proved.
    """
    asked = policy.provenance
    if asked is None:
        checks.not_asked("7.provenance", "the policy does not ask for it")
    elif release is None:
        checks.skip("7.provenance", "7.signers did not pass")
    else:
        checks.run("7.provenance", ground(lambda: _provenance(bundle, release, asked)))


def _provenance(
    bundle: EvidenceBundle, release: Release, policy: "ProvenancePolicy"
) -> "VerifiedProvenance":
    """Verify one of the stapled Sigstore bundles; if none does, the first one says why."""
    from transparency_log.provenance import verify_provenance  # few policies ask

    refusals: list[LogError] = []
    for data in of_type(bundle.endorsements, "sigstore-bundle")[:MAX_PROVENANCES]:
        try:
            return verify_provenance(
                data, policy=policy, image_sha256=release.image, commit=release.source.commit
            )
        except LogError as error:
            refusals.append(error)
    if not refusals:
        raise UnjudgedError("there is no Sigstore bundle about the release")
    raise refusals[0]


def _release_proof(
    bundle: EvidenceBundle, software: SoftwareSection, policy: ClientPolicy
) -> tuple[Release, UnverifiedProof]:
    """Find the stapled release entry, and check who signed it; its place in the log comes next."""
    for stapled in bundle.endorsements:
        if stapled.type != "log-entry":
            continue
        proof = parse_proof(stapled.data)
        if proof.extra is not None and merkle.leaf_hash(proof.extra) == software.release:
            return verify_release(proof.extra, policy.release_signers), proof
    raise AppraisalError("release", expected=software.release.hex(), actual="no such entry stapled")


def _included(release: Release, proof: UnverifiedProof, witnessed: WitnessedCheckpoint) -> None:
    merkle.verify_inclusion(
        index=proof.index,
        size=witnessed.checkpoint.size,
        leaf=release.leaf_hash,
        proof=proof.hashes,
        root=witnessed.checkpoint.root,
    )


def _listed(release: bytes, status: Status) -> None:
    if release not in status.releases:
        raise AppraisalError(
            "release", expected=f"one of {len(status.releases)} listed", actual=release.hex()
        )


def _at_least(claim: str, value: int, low: int) -> None:
    if value < low:
        raise AppraisalError(claim, expected=f"at least {low}", actual=str(value))


def _within(claim: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise AppraisalError(claim, expected=f"{low} to {high}", actual=str(value))

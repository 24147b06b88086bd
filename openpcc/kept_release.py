"""A release judged by itself: its log entry with its proof, for auditors and for who installs it.

Step 7 of the trust decision as far as the bytes at hand carry it. Whether the release is still
listed is out of scope where no status is given. Nothing can be sealed on the ground of what is
found here: that a machine runs it is for evidence to show.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from attestation.checks import Checks
from attestation.evidence import SIMULATED_PLATFORMS
from attestation.result import KINDS, OUTSIDE, Report, Scope
from openpcc.config import ClientPolicy
from openpcc.log_checks import ALONE, Known, judge_consistency
from openpcc.release_checks import STATUS_AGE, judge_entry
from transparency_log.checkpoint import Checkpoint
from transparency_log.entry import Release, Status, verify_release, verify_status
from transparency_log.errors import LogError, MalformedProofError
from transparency_log.merkle import leaf_hash
from transparency_log.proof import UnverifiedProof, parse_proof, verify_proof
from transparency_log.witness_policy import verify_checkpoint

BEYOND = OUTSIDE[Scope.RELEASE] - {"7.status", "7.fresh", "5.consistency"}
"""Checks of the trust decision that are about a machine: no release shows anything of them."""


@dataclass(frozen=True, kw_only=True)
class KeptRelease:
    """What was given: the entry, and the proof around it.

    Attributes:
        entry: bytes of the entry.
        proof: None: the entry came alone, which cannot show that it was logged.
    """

    entry: bytes
    proof: UnverifiedProof | None

    @classmethod
    def parse(cls, data: bytes) -> "KeptRelease":
        """Read a proof file that carries its entry, or an entry alone; nothing is trusted yet.

        Raises:
            LogError: neither.
        """
        if data.lstrip()[:1] == b"{":
            return cls(entry=data, proof=None)
        proof = parse_proof(data)
        if proof.extra is None:
            raise MalformedProofError("the proof does not carry the entry it is about")
        return cls(entry=proof.extra, proof=proof)


def read_status(proof: bytes, policy: ClientPolicy) -> Status:
    """Read a status from its proof file.

    Raises:
        LogError: not signed by the status signers, not about this log, or not in it.
    """
    entry = parse_proof(proof).extra
    if entry is None:
        raise MalformedProofError("the proof does not carry the status it is about")
    status = verify_status(entry, policy.status_signers)
    if status.log != policy.log.origin:
        raise MalformedProofError(f"the status is about the log {status.log}")
    verify_proof(proof, status.leaf_hash, policy.log)
    return status


def judge_release_file(
    data: bytes,
    *,
    now: int,
    policy: ClientPolicy,
    status: Status | None,
    known: Known | None,
    consistency: Sequence[bytes] | None,
    provenances: Sequence[bytes],
) -> tuple[Report, Release | None]:
    """Judge a release; give the report, and the release if its signers have signed it.

    Args:
        data: a proof file, or an entry alone.
        now: the time to judge at, Unix seconds.
        policy: whom the asker believes.
        status: as of which it is to be listed; None: out of scope.
        known: a checkpoint that the one in the proof is held against; None: out of scope.
        consistency: proof that the two are of one history.
        provenances: Sigstore bundles about its build.
    """
    checks = Checks(optional=policy.attestation.optional, required=policy.attestation.required)
    for name in BEYOND:
        checks.out_of_scope(name, "a release by itself does not show it")
    found: list[Release] = []
    kept = _parsed(data)

    def find() -> tuple[Release, UnverifiedProof | None]:
        given = KeptRelease.parse(data)
        found.append(verify_release(given.entry, policy.release_signers))
        return found[0], given.proof

    leaf = b"" if kept is None else leaf_hash(kept.entry)
    judge_entry(checks, find, leaf, provenances, now=now, policy=policy, status=status)
    _judge_history(checks, kept, policy, known, consistency)
    release = found[0] if found else None
    report = Report(
        platform=KINDS[Scope.RELEASE],
        at=now,
        checks=checks.done(),
        scope=Scope.RELEASE,
        simulated=release is not None and set(release.platforms) <= SIMULATED_PLATFORMS,
        release=leaf or None,
    )
    if report.failed or release is None:
        return report, release
    ends = [release.expires, *([] if status is None else [status.issued + STATUS_AGE])]
    return replace(report, expires=min(ends)), release


def held(data: bytes, policy: ClientPolicy) -> Checkpoint | None:
    """Give the checkpoint of a proof file, if it verifies; else the report will say so."""
    try:
        proof = KeptRelease.parse(data).proof
        return None if proof is None else verify_checkpoint(proof.checkpoint, policy.log).checkpoint
    except LogError:
        return None


def _parsed(data: bytes) -> KeptRelease | None:
    try:
        return KeptRelease.parse(data)
    except LogError:
        return None  # as 7.signers says


def _judge_history(
    checks: Checks,
    kept: KeptRelease | None,
    policy: ClientPolicy,
    known: Known | None,
    consistency: Sequence[bytes] | None,
) -> None:
    if known is None:
        checks.out_of_scope("5.consistency", ALONE)
        return
    if kept is None or kept.proof is None or not checks.passed("7.witnesses"):
        checks.skip("5.consistency", "7.witnesses did not pass")
        return
    witnessed = verify_checkpoint(kept.proof.checkpoint, policy.log)
    judge_consistency(checks, witnessed.checkpoint, known, consistency)

"""Step 7 of the trust decision: the software that a node names is a release that counts.

It is signed by its signers, logged, witnessed, still listed, not expired, and, where the policy
asks, built by whom and from what it says. `openpcc.trust` judges the release of a node,
`openpcc.offline` that of a bundle, `openpcc.kept_release` one by itself. Pure: bytes, facts and
`now` come in, checks come out.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from attestation.checks import Checks
from attestation.endorsements import of_type
from attestation.errors import AppraisalError, UnjudgedError
from attestation.event_rules import EventRule
from attestation.evidence import EvidenceBundle, SoftwareSection
from attestation.policy import Floors, Mark
from attestation.reference_values import ReferenceValues
from openpcc.config import ClientPolicy
from openpcc.log_checks import ALONE, CLOCK_TOLERANCE, at_least, ground, within
from transparency_log import merkle
from transparency_log.entry import Release, Status, verify_release
from transparency_log.errors import LogError
from transparency_log.proof import UnverifiedProof, parse_proof
from transparency_log.release import EventRule as Rule
from transparency_log.witness_policy import WitnessedCheckpoint, verify_checkpoint

if TYPE_CHECKING:
    from transparency_log.provenance import ProvenancePolicy, VerifiedProvenance

STATUS_AGE = 7200
"""Seconds a status entry counts; status signers publish at least hourly."""

MAX_PROVENANCES = 4
"""Sigstore bundles looked at; a release has one, and each costs about a millisecond."""


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
    return judge_entry(
        checks,
        lambda: _release_proof(bundle, software, policy),
        software.release,
        of_type(bundle.endorsements, "sigstore-bundle"),
        now=now,
        policy=policy,
        status=status,
    )


def judge_entry(
    checks: Checks,
    find: Callable[[], tuple[Release, UnverifiedProof | None]],
    leaf: bytes,
    provenances: Sequence[bytes],
    *,
    now: int,
    policy: ClientPolicy,
    status: Status | None,
) -> Release | None:
    """Judge step 7 of a release entry, wherever it was found. None: it does not count.

    Args:
        checks: records.
        find: gives the entry, its signatures verified, and the proof that came with it, not yet
            verified; a proof of None skips what it would show, and so refuses.
        leaf: leaf hash that a status has to list.
        provenances: Sigstore bundles that may be about it.
        now: Unix seconds.
        policy: whom this client believes.
        status: as of `judge_release`.
    """
    found = checks.run("7.signers", ground(find))
    _judge_status(checks, leaf, status, now=now)
    if found is None:
        _judge_provenance(checks, provenances, None, policy)
        for name in ("7.inclusion", "7.witnesses", "7.expiry"):
            checks.skip(name, "7.signers did not pass")
        return None
    release, proof = found
    _judge_provenance(checks, provenances, release, policy)
    _judge_proof(checks, release, proof, policy)
    checks.run("7.expiry", lambda: at_least("expires", release.expires, now + 1))
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
        events={index: tuple(map(_rule, rules)) for index, rules in found.events.items()},
    )


def _rule(rule: Rule) -> EventRule:
    return EventRule(
        type=rule.type, digests=frozenset(rule.digests), least=rule.least, most=rule.most
    )


def floors_of(status: Status) -> Floors:
    """Give what a status entry asks of endorsements."""
    floors = status.floors
    return Floors(
        crl={issuer: Mark(number=one.number, time=one.time) for issuer, one in floors.crl.items()},
        tcb_evaluation=floors.tcb_evaluation,
        minimum_tcb=floors.minimum_tcb,
    )


def _judge_status(checks: Checks, leaf: bytes, status: Status | None, *, now: int) -> None:
    if status is None:
        checks.out_of_scope("7.status", ALONE)
        checks.out_of_scope("7.fresh", ALONE)
        return
    checks.run("7.status", lambda: _listed(leaf, status))
    issued = status.issued
    checks.run("7.fresh", lambda: within("issued", issued, now - STATUS_AGE, now + CLOCK_TOLERANCE))


def _judge_provenance(
    checks: Checks, provenances: Sequence[bytes], release: Release | None, policy: ClientPolicy
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
        checks.run("7.provenance", ground(lambda: _provenance(provenances, release, asked)))


def _provenance(
    provenances: Sequence[bytes], release: Release, policy: "ProvenancePolicy"
) -> "VerifiedProvenance":
    """Verify one of the Sigstore bundles at hand; if none does, the first one says why."""
    from transparency_log.provenance import verify_provenance  # few policies ask

    refusals: list[LogError] = []
    for data in provenances[:MAX_PROVENANCES]:
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


def _judge_proof(
    checks: Checks, release: Release, proof: UnverifiedProof | None, policy: ClientPolicy
) -> None:
    if proof is None:
        for name in ("7.inclusion", "7.witnesses"):
            checks.skip(name, "no proof that it is in the log is at hand")
        return
    witnessed = checks.run(
        "7.witnesses", ground(lambda: verify_checkpoint(proof.checkpoint, policy.log))
    )
    if witnessed is None:
        checks.skip("7.inclusion", "7.witnesses did not pass")
    else:
        checks.run("7.inclusion", ground(lambda: _included(release, proof, witnessed)))


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

"""The trust decision: where the two grounds of trust meet, and the only maker of `TrustedNode`.

The argument, as in DESIGN 5; the same numbers stand in docs, errors and reports:

1. parse          the bundle is the one accepted spelling                     attestation.verifier
2. authenticate   quote, vendor chain to a pinned root, revocation, TCB       attestation.verifier
3. bind           report data is the digest of the sections                   attestation.verifier
4. epoch          keys are current, and stay so long enough                   attestation.verifier
5. beacon         the quote is not older than a witnessed checkpoint          here
6. devices        every device is authentic, fresh and as its RIM says        attestation.verifier
7. release        signed, logged, witnessed, listed in a fresh status         here
8. measure        launch measurement and event log are the release's          attestation.verifier
9. policy         platforms, TCB, machine, model; suite (here)                attestation.verifier

Only then `TrustedNode`. Pure: bytes, facts and `now` come in; a node or a report comes out.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from attestation import verifier
from attestation.binding import evidence_binding
from attestation.checks import Checks
from attestation.errors import AppraisalError
from attestation.evidence import EvidenceBundle, FreshnessSection, KeysSection, SoftwareSection
from attestation.policy import Floors, Mark, NewestAccepted
from attestation.reference_values import ReferenceValues
from attestation.result import UNKNOWN_PLATFORM, Report
from attestation.verifier import Appraisal
from openpcc.config import ClientPolicy
from openpcc.errors import DirectoryError, RefusedError
from openpcc.protocol import sealing
from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.messages import DirectoryLeaf, machine_digest
from transparency_log import merkle
from transparency_log.entry import Release, Status, verify_release
from transparency_log.errors import LogError
from transparency_log.proof import UnverifiedProof, parse_proof
from transparency_log.witness_policy import WitnessedCheckpoint, verify_checkpoint

Value = TypeVar("Value")

CLOCK_TOLERANCE = 300
"""Seconds the local clock may be behind the newest witnessed time, or a time ahead of the clock."""

BEACON_TOLERANCE = 600
"""Seconds between the beacon's witnessed time and the epoch's not_before."""

STATUS_AGE = 7200
"""Seconds a status entry counts; status signers publish at least hourly."""

EPOCH_MARGIN = 120
"""Seconds before not_after at which clients stop using an epoch's keys."""

REQUEST_LIFE = 120
"""Seconds a sealed request lives, before rounding up to a whole minute."""


@dataclass(frozen=True, kw_only=True)
class LogView:
    """What this client has established about the log before it judges evidence."""

    newest: WitnessedCheckpoint
    status: Status
    """The newest status entry as of `newest`."""
    witnessed: int
    """Newest witnessed time ever verified, Unix seconds."""


@dataclass(frozen=True, kw_only=True)
class TrustedNode:
    """A node that passed every required check; alone able to seal, and only until `expires`.

    Attributes:
        leaf_hash: the node's place in the directory, and the address of its evidence.
        expires: Unix seconds; the earliest of everything the decision rests on.
        report: every check with its outcome.
        machine: the platform's machine id, if it names one.
        models: names of the models it serves.
        receipt_key: the attested Ed25519 key of its receipts.
        binding: digest over the sections of its evidence; its receipts name it.
    """

    leaf_hash: bytes
    expires: int
    report: Report
    machine: bytes | None
    models: tuple[str, ...]
    receipt_key: bytes
    binding: bytes
    kem_id: int
    _key: sealing.NodeKey = field(repr=False)

    @property
    def key_id(self) -> bytes:
        """Name its sealing key; a message may not be sealed to one key twice."""
        return self._key.id


def establish(
    data: bytes,
    *,
    leaf: DirectoryLeaf,
    now: int,
    policy: ClientPolicy,
    view: LogView,
    consistency: Sequence[bytes] | None,
    newest: Mapping[bytes, Mark],
) -> tuple[TrustedNode, Mapping[bytes, Mark]]:
    """Judge one evidence bundle; give the node, and how new the endorsements accepted with it are.

    Args:
        data: the bundle as fetched.
        leaf: the directory leaf it was fetched for.
        now: Unix seconds, the local clock.
        policy: whom this client believes.
        view: what is known of the log.
        consistency: proof that the beacon's tree and `view.newest` are one history; None if there
            is none at hand, which skips 5.consistency and so refuses.
        newest: how new the endorsements accepted before were, by issuer.

    Raises:
        RefusedError: at least one required check did not pass; carries them all.
    """
    judged = max(now, view.witnessed)  # 5.clock judges the local clock itself
    checks = Checks(optional=policy.attestation.optional, required=policy.attestation.required)
    bundle = verifier.parse(data, checks)  # 1
    if bundle is None:
        raise RefusedError(
            Report(
                platform=UNKNOWN_PLATFORM,
                at=judged,
                checks=checks.done(),
                simulated=policy.attestation.simulated,
            )
        )
    keys, software = KeysSection.parse(bundle.keys), SoftwareSection.parse(bundle.software)
    _beacon(checks, bundle, keys, now=now, policy=policy, view=view, proof=consistency)  # 5
    release = _release(checks, bundle, software, now=judged, policy=policy, view=view)  # 7
    appraisal = verifier.verify(  # 2, 3, 4, 6, 8, 9
        bundle,
        now=judged,
        policy=policy.attestation,
        reference_values=_reference_values(release, bundle.platform),
        floors=_floors(view.status),
        newest=NewestAccepted(marks=newest),
    )
    checks.extend(appraisal.checks)
    is_leaf = _ground(lambda: _is_of_leaf(bundle, keys, appraisal.machine, leaf))
    checks.run("1.leaf", is_leaf, needs=["2.signature"])
    key = checks.run("9.suite", _ground(lambda: _suite(keys, policy)))
    report = _report(
        checks, bundle, software, appraisal, release, at=judged, policy=policy, view=view
    )
    if report.failed or report.expires is None or key is None:
        raise RefusedError(report)
    node = TrustedNode(
        leaf_hash=leaf.leaf_hash(),
        expires=report.expires,
        report=report,
        machine=appraisal.machine,
        models=tuple(name for name, _ in software.models),
        receipt_key=keys.receipt,
        binding=leaf.binding,
        kem_id=key.kem_id,
        _key=key,
    )
    return node, appraisal.marks


def seal(
    nodes: Sequence[TrustedNode], message: bytes, *, model: str, now: int
) -> sealing.SealedRequest:
    """Seal one message to verified nodes; the only way to seal anything.

    Args:
        nodes: 1 to 8 candidates of one suite, in the order they stand in the header.
        message: a Binary HTTP request.
        model: name of the model that may serve it.
        now: Unix seconds, the later of the local clock and the newest witnessed time.

    Raises:
        DirectoryError: a node's trust has expired, or it does not serve that model, or its key
            cannot be used; look at the service again.
    """
    for node in nodes:
        if not isinstance(node, TrustedNode):
            raise TypeError("only a TrustedNode can be sealed to")
        if now >= node.expires:
            raise DirectoryError("stale", "the trust in a candidate has expired; look again")
        if model not in node.models:
            raise DirectoryError("unavailable", "a candidate's evidence does not name the model")
    try:
        return sealing.seal_request(
            [node._key for node in nodes],  # noqa: SLF001 - no other module may reach a node's key
            message,
            model=model,
            expires=-(-(now + REQUEST_LIFE) // 60) * 60,
            max_output=0,
        )
    except ProtocolError as error:
        raise DirectoryError("unavailable", f"nothing can be sealed: {error}") from error


def beacon_of(data: bytes) -> bytes:
    """Give the checkpoint a bundle carries, unverified, so that a proof can be fetched for it.

    Raises:
        AttestationError: the bundle does not parse.
    """
    return FreshnessSection.parse(EvidenceBundle.parse(data).freshness).checkpoint


def _is_of_leaf(
    bundle: EvidenceBundle, keys: KeysSection, machine: bytes | None, leaf: DirectoryLeaf
) -> None:
    """The evidence is the one the directory lists: quote, sections, keys and machine."""
    found = DirectoryLeaf(
        quote_digest=hashlib.sha256(bundle.quote).digest(),
        binding=evidence_binding(bundle.keys, bundle.freshness, bundle.devices, bundle.software),
        node_key_ids=tuple(sealing.NodeKey.parse(config).id for config in keys.hpke),
        machine=machine_digest(machine),
    )
    _require("leaf", expected=leaf.leaf_hash().hex(), actual=found.leaf_hash().hex())


def _beacon(
    checks: Checks,
    bundle: EvidenceBundle,
    keys: KeysSection,
    *,
    now: int,
    policy: ClientPolicy,
    view: LogView,
    proof: Sequence[bytes] | None,
) -> None:
    """Step 5: the quote cannot be older than the checkpoint it carries."""
    judged = max(now, view.witnessed)
    checkpoint = FreshnessSection.parse(bundle.freshness).checkpoint
    checks.run("5.clock", lambda: _at_least("clock", now, view.witnessed - CLOCK_TOLERANCE))
    beacon = checks.run("5.beacon", _ground(lambda: verify_checkpoint(checkpoint, policy.log)))
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
    if proof is None:
        checks.skip("5.consistency", "no consistency proof at hand")
        return
    known = view.newest.checkpoint
    checks.run(
        "5.consistency",
        _ground(
            lambda: merkle.verify_consistency(
                old_size=beacon.checkpoint.size,
                old_root=beacon.checkpoint.root,
                size=known.size,
                root=known.root,
                proof=proof,
            )
        ),
    )


def _release(
    checks: Checks,
    bundle: EvidenceBundle,
    software: SoftwareSection,
    *,
    now: int,
    policy: ClientPolicy,
    view: LogView,
) -> Release | None:
    """Step 7: the software the node names is a release that counts today. None: it is not."""
    proof = checks.run("7.signers", _ground(lambda: _release_proof(bundle, software, policy)))
    checks.run("7.status", lambda: _listed(software.release, view.status))
    issued = view.status.issued
    checks.run(
        "7.fresh", lambda: _within("issued", issued, now - STATUS_AGE, now + CLOCK_TOLERANCE)
    )
    checks.not_asked("7.provenance", "the policy does not ask for it")
    if proof is None:
        for name in ("7.inclusion", "7.witnesses", "7.expiry"):
            checks.skip(name, "7.signers did not pass")
        return None
    release, logged = proof
    witnessed = checks.run(
        "7.witnesses", _ground(lambda: verify_checkpoint(logged.checkpoint, policy.log))
    )
    if witnessed is None:
        checks.skip("7.inclusion", "7.witnesses did not pass")
    else:
        checks.run("7.inclusion", _ground(lambda: _included(release, logged, witnessed)))
    checks.run("7.expiry", lambda: _at_least("expires", release.expires, now + 1))
    passed = all(checks.passed(f"7.{name}") for name in ("inclusion", "status", "fresh", "expiry"))
    return release if passed else None


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


def _reference_values(release: Release | None, platform: str) -> ReferenceValues | None:
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


def _floors(status: Status) -> Floors:
    floors = status.floors
    return Floors(
        crl={issuer: Mark(number=one.number, time=one.time) for issuer, one in floors.crl.items()},
        tcb_evaluation=floors.tcb_evaluation,
        minimum_tcb=floors.minimum_tcb,
    )


def _suite(keys: KeysSection, policy: ClientPolicy) -> sealing.NodeKey:
    """Take the first key the policy allows, in the node's order."""
    offered = [sealing.NodeKey.parse(config) for config in keys.hpke]
    for key in offered:
        if key.kem_id in policy.kems:
            return key
    raise AppraisalError(
        "suite",
        expected=", ".join(f"{kem:#06x}" for kem in policy.kems),
        actual=", ".join(f"{key.kem_id:#06x}" for key in offered),
    )


def _report(
    checks: Checks,
    bundle: EvidenceBundle,
    software: SoftwareSection,
    appraisal: Appraisal,
    release: Release | None,
    *,
    at: int,
    policy: ClientPolicy,
    view: LogView,
) -> Report:
    expires = None
    if appraisal.expires is not None and release is not None:
        expires = min(appraisal.expires, release.expires, view.status.issued + STATUS_AGE)
    report = Report(
        platform=bundle.platform,
        at=at,
        checks=checks.done(),
        expires=expires,
        machine=appraisal.machine,
        release=software.release,
        simulated=policy.attestation.simulated,
    )
    return replace(report, expires=None) if report.failed else report


def _require(claim: str, *, expected: str, actual: str) -> None:
    if expected != actual:
        raise AppraisalError(claim, expected=expected, actual=actual)


def _at_least(claim: str, value: int, low: int) -> None:
    if value < low:
        raise AppraisalError(claim, expected=f"at least {low}", actual=str(value))


def _within(claim: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise AppraisalError(claim, expected=f"{low} to {high}", actual=str(value))


def _ground(test: Callable[[], Value]) -> Callable[[], Value]:
    """Let a test of the log's or the protocol's refuse as a check does: their errors are others."""

    def run() -> Value:
        try:
            return test()
        except (LogError, ProtocolError) as error:
            raise AppraisalError("proof", expected="a valid one", actual=str(error)) from error

    return run

"""The trust decision: where the two grounds of trust meet, and the only maker of `TrustedNode`.

The argument, as in DESIGN 5; the same numbers stand in docs, errors and reports:

1. parse          the bundle is the one accepted spelling                     attestation.verifier
2. authenticate   quote, vendor chain to a pinned root, revocation, TCB       attestation.verifier
3. bind           report data is the digest of the sections                   attestation.verifier
4. epoch          keys are current, and stay so long enough                   attestation.verifier
5. beacon         the quote is not older than a witnessed checkpoint          openpcc.log_checks
6. devices        every device is authentic, fresh and as its RIM says        attestation.verifier
7. release        signed, logged, witnessed, listed in a fresh status         openpcc.release_checks
8. measure        launch measurement and event log are the release's          attestation.verifier
9. policy         platforms, TCB, machine, model; suite (here)                attestation.verifier

Only then `TrustedNode`. Pure: bytes, facts and `now` come in; a node or a report comes out.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from attestation import verifier
from attestation.binding import evidence_binding
from attestation.checks import Checks
from attestation.errors import AppraisalError
from attestation.evidence import EvidenceBundle, FreshnessSection, KeysSection, SoftwareSection
from attestation.policy import Mark, NewestAccepted
from attestation.result import UNKNOWN_PLATFORM, Report
from attestation.verifier import Appraisal
from openpcc.config import ClientPolicy
from openpcc.errors import DirectoryError, RefusedError
from openpcc.log_checks import Known, ground, judge_beacon
from openpcc.protocol import sealing
from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.messages import DirectoryLeaf, machine_digest
from openpcc.release_checks import STATUS_AGE, floors_of, judge_release, reference_values
from openpcc.suites import choose_suite
from transparency_log.entry import Release, Status
from transparency_log.witness_policy import WitnessedCheckpoint

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
    known = Known(checkpoint=view.newest.checkpoint, witnessed=view.witnessed)
    judge_beacon(  # 5
        checks, bundle, keys, now=now, policy=policy, known=known, proof=consistency
    )
    release = judge_release(  # 7
        checks, bundle, software, now=judged, policy=policy, status=view.status
    )
    appraisal = verifier.verify(  # 2, 3, 4, 6, 8, 9
        bundle,
        now=judged,
        policy=policy.attestation,
        reference_values=reference_values(release, bundle.platform),
        floors=floors_of(view.status),
        newest=NewestAccepted(marks=newest),
    )
    checks.extend(appraisal.checks)
    is_leaf = ground(lambda: _is_of_leaf(bundle, keys, appraisal.machine, leaf))
    checks.run("1.leaf", is_leaf, needs=["2.signature"])
    key = checks.run("9.suite", ground(lambda: choose_suite(keys, policy)))
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
    nodes: Sequence[TrustedNode],
    message: bytes,
    *,
    model: str,
    now: int,
    max_output: int = 0,
    token_digest: bytes = sealing.NO_TOKENS,
) -> sealing.SealedRequest:
    """Seal one message to verified nodes; the only way to seal anything.

    Args:
        nodes: 1 to 8 candidates of one suite, in the order they stand in the header.
        message: a Binary HTTP request.
        model: name of the model that may serve it.
        now: Unix seconds, the later of the local clock and the newest witnessed time.
        max_output: most output tokens of the reply; 0 with open admission.
        token_digest: of the tokens that pay; left out with open admission.

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
            max_output=max_output,
            token_digest=token_digest,
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
    if found != leaf:
        raise AppraisalError(
            "leaf", expected=leaf.leaf_hash().hex(), actual=found.leaf_hash().hex()
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

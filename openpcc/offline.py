"""A bundle judged by itself, without a service and without a network: for auditors and archives.

The argument of DESIGN 5 as far as the bytes at hand carry it. What only the log can say (whether
the release is still listed, whether the directory names this leaf) is out of scope and stands in
the report as such; nothing can be sealed on the ground of what is found here.
"""

from collections.abc import Sequence
from dataclasses import replace

from attestation import verifier
from attestation.checks import Checks
from attestation.evidence import EvidenceBundle, KeysSection, SoftwareSection
from attestation.policy import Floors, NewestAccepted
from attestation.result import UNKNOWN_PLATFORM, Report, Scope
from attestation.verifier import Appraisal
from openpcc.config import ClientPolicy
from openpcc.log_checks import ALONE, Known, ground, judge_beacon
from openpcc.release_checks import floors_of, judge_release, reference_values
from openpcc.suites import choose_suite
from transparency_log.entry import Release, Status


def judge_bundle(
    data: bytes,
    *,
    now: int,
    policy: ClientPolicy,
    known: Known | None = None,
    consistency: Sequence[bytes] | None = None,
    status: Status | None = None,
    newest: NewestAccepted = NewestAccepted(),  # noqa: B008 - frozen and empty
) -> Report:
    """Judge an evidence bundle alone; raises nothing, every finding is in the report.

    Args:
        data: the bundle.
        now: the time to judge at, Unix seconds.
        policy: whom this relying party believes.
        known: a witnessed checkpoint to hold the beacon against; None: that is out of scope.
        consistency: proof that beacon and known checkpoint are one history; needed unless they are
            of one size.
        status: the newest one, whose list and floors count; None: they are out of scope.
        newest: how new endorsements accepted before were.
    """
    checks = Checks(optional=policy.attestation.optional, required=policy.attestation.required)
    bundle = verifier.parse(data, checks)
    if bundle is None:
        return Report(
            platform=UNKNOWN_PLATFORM,
            at=now,
            checks=checks.done(),
            scope=Scope.BUNDLE,
            simulated=policy.attestation.simulated,
        )
    keys, software = KeysSection.parse(bundle.keys), SoftwareSection.parse(bundle.software)
    checks.out_of_scope("1.leaf", ALONE)
    judge_beacon(checks, bundle, keys, now=now, policy=policy, known=known, proof=consistency)
    release = judge_release(checks, bundle, software, now=now, policy=policy, status=status)
    appraisal = verifier.verify(
        bundle,
        now=now,
        policy=policy.attestation,
        reference_values=reference_values(release, bundle.platform),
        floors=Floors() if status is None else floors_of(status),
        newest=newest,
    )
    checks.extend(appraisal.checks)
    checks.run("9.suite", ground(lambda: choose_suite(keys, policy)))
    return _bundle_report(bundle, checks, appraisal, release, now=now, policy=policy)


def _bundle_report(
    bundle: EvidenceBundle,
    checks: Checks,
    appraisal: Appraisal,
    release: Release | None,
    *,
    now: int,
    policy: ClientPolicy,
) -> Report:
    found = Report(
        platform=bundle.platform,
        at=now,
        checks=checks.done(),
        scope=Scope.BUNDLE,
        simulated=policy.attestation.simulated,
        machine=appraisal.machine,
        release=SoftwareSection.parse(bundle.software).release,
    )
    if found.failed or appraisal.expires is None or release is None:
        return found
    return replace(found, expires=min(appraisal.expires, release.expires))

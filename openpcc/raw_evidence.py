"""Raw evidence judged by itself: a quote with its endorsements, no bundle, service or network.

It shows that a machine is genuine and as the policy asks, and nothing about what it runs or whose
keys it holds; every other check of the argument is out of scope and stands in the report as such.
`openpcc.offline` judges bundles, which need what the log shows as well.
"""

from attestation import verifier
from attestation.checks import CHECKS, OF_A_QUOTE, Checks
from attestation.parts import Parts
from attestation.policy import AppraisalPolicy
from attestation.result import Report, Scope

OF_A_BUNDLE = "a quote with its endorsements does not show it"
"""Why a check is out of scope where there is no bundle."""


def judge_parts(parts: Parts, *, now: int, policy: AppraisalPolicy) -> Report:
    """Judge a quote with its endorsements; raises nothing, every finding is in the report.

    Args:
        parts: see `attestation.parts.read_parts`.
        now: the time to judge at, Unix seconds.
        policy: which evidence is accepted.
    """
    checks = Checks()
    appraisal = verifier.verify_parts(
        parts.platform, parts.quote, parts.endorsements, now=now, policy=policy
    )
    checks.extend(appraisal.checks)
    for name in CHECKS:
        if name not in OF_A_QUOTE:
            checks.out_of_scope(name, OF_A_BUNDLE)
    return Report(
        platform=parts.platform,
        at=now,
        checks=checks.done(),
        scope=Scope.PARTS,
        simulated=policy.simulated,
        expires=appraisal.expires,
        machine=appraisal.machine,
    )


def refuse_parts(platform: str, because: str, *, now: int, policy: AppraisalPolicy) -> Report:
    """Give the report on files that do not parse: nothing of them could be judged.

    Args:
        platform: as in a bundle.
        because: what does not parse.
        now: the time to judge at, Unix seconds.
        policy: which evidence is accepted.
    """
    checks = Checks()
    for name in CHECKS:
        if name in OF_A_QUOTE:
            checks.skip(name, because)
        else:
            checks.out_of_scope(name, OF_A_BUNDLE)
    return Report(
        platform=platform,
        at=now,
        checks=checks.done(),
        scope=Scope.PARTS,
        simulated=policy.simulated,
    )

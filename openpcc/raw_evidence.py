"""Raw evidence judged by itself: what a tool wrote, no bundle, service or network.

It shows that a machine, a device or a TPM is genuine and as the policy asks, and nothing about what
runs there or whose keys it holds; every other check of the argument is out of scope and stands in
the report as such. `openpcc.offline` judges bundles, which need what the log shows as well.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import assert_never

from attestation import verifier
from attestation.checks import CHECKS, Check, Checks
from attestation.claims import Context, Ground
from attestation.devices import appraise_one, appraise_rim
from attestation.nvidia.explain import explain_devices, explain_rim
from attestation.parts import AnyParts, DeviceParts, Parts, RimParts, TpmParts
from attestation.policy import AppraisalPolicy, Floors, NewestAccepted
from attestation.result import KINDS, OUTSIDE, Report, Scope
from attestation.tpm.alone import appraise_files, appraise_log
from attestation.tpm.explain import explain_files

BEYOND: Mapping[Scope, str] = {
    Scope.PARTS: "a quote with its endorsements does not show it",
    Scope.DEVICE: "one device's report does not show it",
    Scope.RIM: "a RIM alone does not show it",
    Scope.TPM: "a TPM's quote alone does not show it",
}
"""Why a check is out of scope where there is no bundle."""


def judge_parts(parts: AnyParts, *, now: int, policy: AppraisalPolicy) -> Report:
    """Judge raw evidence; raises nothing, every finding is in the report.

    Args:
        parts: see `attestation.parts.Kind.read`.
        now: the time to judge at, Unix seconds.
        policy: which evidence is accepted.
    """
    checks = Checks()
    machine: bytes | None = None
    match parts:
        case Parts():
            scope = Scope.PARTS
            appraisal = verifier.verify_parts(
                parts.platform, parts.quote, parts.endorsements, now=now, policy=policy
            )
            checks.extend(appraisal.checks)
            if parts.tpm is not None:
                appraise_log(parts.tpm, checks)
            expires, machine = appraisal.expires, appraisal.machine
        case DeviceParts():
            scope, context = Scope.DEVICE, _context(parts, now, policy)
            expires = appraise_one(parts.device, context=context, checks=checks).expires
        case RimParts():
            scope, context = Scope.RIM, _context(parts, now, policy)
            expires = appraise_rim(parts.rim, context=context, checks=checks)
        case TpmParts():
            scope, context = Scope.TPM, _context(None, now, policy)
            expires = appraise_files(parts.files, context, checks)
        case _:
            assert_never(parts)
    report = Report(
        platform=parts.platform if isinstance(parts, Parts) else KINDS[scope],
        at=now,
        checks=_with_others(checks, scope),
        scope=scope,
        simulated=policy.simulated,
        machine=machine,
    )
    return report if report.failed else replace(report, expires=expires)


def refuse_parts(
    scope: Scope, platform: str, because: str, *, now: int, policy: AppraisalPolicy
) -> Report:
    """Give the report on files that do not parse: nothing of them could be judged.

    Args:
        scope: what would have been judged.
        platform: as in a bundle; of a device or TPM it follows from the scope.
        because: what does not parse.
        now: the time to judge at, Unix seconds.
        policy: which evidence is accepted.
    """
    checks = Checks()
    for name in CHECKS:
        if name not in OUTSIDE[scope]:
            checks.skip(name, because)
    return Report(
        platform=KINDS.get(scope, platform),
        at=now,
        checks=_with_others(checks, scope),
        scope=scope,
        simulated=policy.simulated,
    )


def explain_parts(parts: AnyParts, policy: AppraisalPolicy) -> tuple[Ground, ...]:
    """Give the bytes behind the checks, in the order of the table."""
    match parts:
        case Parts():
            return verifier.explain(parts.platform, parts.quote, parts.endorsements, policy)
        case DeviceParts():
            return in_order(explain_devices((parts.device,), parts.endorsements))
        case RimParts():
            return in_order(explain_rim(parts.rim, parts.endorsements))
        case TpmParts():
            return in_order(explain_files(parts.files))
        case _:
            assert_never(parts)


def in_order(grounds: Iterable[Ground]) -> tuple[Ground, ...]:
    """Put grounds in the order of the table of checks."""
    order = list(CHECKS)
    return tuple(sorted(grounds, key=lambda one: order.index(one.check)))


def _context(parts: DeviceParts | RimParts | None, now: int, policy: AppraisalPolicy) -> Context:
    return Context(
        now=now,
        endorsements=() if parts is None else parts.endorsements,
        policy=policy,
        floors=Floors(),
        newest=NewestAccepted(),
    )


def _with_others(checks: Checks, scope: Scope) -> tuple[Check, ...]:
    """Give the checks with those of a bundle, which are out of scope."""
    done = {check.id for check in checks.done()}
    for name in CHECKS:
        if name in OUTSIDE[scope] and name not in done:
            checks.out_of_scope(name, BEYOND[scope])
    return checks.done()

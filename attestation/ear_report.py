"""What an EAR says of one of our reports: checks become tiers. draft-ietf-rats-ar4si, section 3.

Two attesters: `cpu`, the guest with its quote, and `gpu`, the devices together, where there are
any. `CPU` and `GPU` say which checks speak for which category; nothing else does. The rules:

1. A check that failed makes its categories contraindicated, one that could not be judged a warning,
   and so does a failure that the policy tolerates.
2. A category is affirmed only if all its checks were judged and passed. Checks that nobody asked
   for, as of devices that a machine does not have, are left out of this. Checks outside the
   report's scope are not: then nothing is said of the category.
3. Simulated evidence affirms nothing: what would be, is a warning.
4. A whole is no better than its parts nor than the report's verdict, and affirmed only for a node
   in full (`Scope.NODE`): parts that hold prove nothing about a node.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence

from attestation.checks import ONLY_WHERE_ASKED, Check, Outcome
from attestation.ear import Appraisal, Ear, Tier
from attestation.result import OUTSIDE, Report, Scope, Verdict

QUOTE = ("2.signature", "2.chain", "2.identity", "2.revocation")
"""Without these a quote says nothing, so they speak for every category that it is read for."""

SECTIONS = ("1.parse", "1.leaf", *QUOTE, "3.binding")
"""Without these the sections of a bundle say nothing."""

CPU: Mapping[str, Sequence[str]] = {
    # It is one known machine, and its keys, now and not when the host liked.
    "instance-identity": (
        *SECTIONS,
        *("4.epoch", "4.length", "4.margin"),
        *("5.clock", "5.beacon", "5.age", "5.order", "5.consistency"),
        "9.machine",
    ),
    # It is set up as it must be: what the guest may do, which devices, how it is sealed to.
    "configuration": (*SECTIONS, "6.count", "8.debug", "8.migration", "8.guest", "9.suite"),
    # It started what was released, and the release is still one.
    "executables": (
        *SECTIONS,
        *("7.signers", "7.inclusion", "7.witnesses", "7.status", "7.fresh", "7.expiry"),
        *("7.provenance", "8.measurement", "8.eventlog"),
    ),
    # It has the models of the release.
    "file-system": (*SECTIONS, "8.model", "9.model"),
    # It is genuine hardware without known weaknesses, of a kind the policy accepts.
    "hardware": (
        *QUOTE,
        *("2.collateral", "2.tcb", "2.recency", "2.floors", "9.platform", "9.tcb"),
    ),
    # Its memory is closed to the host.
    "runtime-opaque": (*QUOTE, "8.debug", "8.migration", "8.guest"),
}
"""Category to the checks that speak for it, of the guest."""

AGENT = ("8.measurement", "8.eventlog", "8.debug", "8.guest")
"""Without these the agent may be anybody's."""

GPU: Mapping[str, Sequence[str]] = {
    "instance-identity": (*SECTIONS, "6.authentic", "6.nonce"),
    "hardware": ("6.authentic",),
    "executables": (*SECTIONS, "6.authentic", "6.nonce", "6.measurements"),
    # The mode is the agent's word, so it is worth what shows that this agent is the release's.
    "configuration": (*SECTIONS, "6.authentic", "6.nonce", "6.mode", *AGENT),
}
"""Category to the checks that speak for it, of the devices. No report states their mode, so nothing
is said of whether their memory is closed.
"""

DEVICES = frozenset({"6.authentic", "6.nonce", "6.measurements", "6.mode"})
"""Checks of the devices a release names."""

OF_DEVICES = frozenset({Scope.DEVICE, Scope.RIM})
"""Scopes that say nothing of a guest."""

AFFIRMED = {"executables": 3}
"""Numbers of what is affirmed, where it is not 2: what a machine started is known, not what it has
loaded since.
"""

MIN_NONCE, MAX_NONCE = 8, 64
"""Bytes of a nonce. RFC 9711, section 4.1."""


def from_report(
    report: Report,
    *,
    developer: str,
    build: str,
    nonce: bytes | None,
    issued: int,
    audience: str,
    lifetime: int,
) -> Ear:
    """Give the attestation result of a report.

    Args:
        report: of `attestation.verifier`, or read.
        developer: who made this verifier.
        build: which version of it.
        nonce: of the one who asked, to show that the result is new; None: nobody gave one.
        issued: Unix seconds.
        audience: for whom it is.
        lifetime: seconds it is good for, if what it rests on holds as long.

    Raises:
        ValueError: a nonce of fewer than 8 or more than 64 bytes.
    """
    submods = {} if report.scope in OF_DEVICES else {"cpu": _appraisal(report, CPU)}
    if _has_devices(report):
        submods["gpu"] = _appraisal(report, GPU)
    expires = issued + lifetime
    return Ear(
        developer=developer,
        build=build,
        issued=issued,
        expires=expires if report.expires is None else min(expires, report.expires),
        audience=(audience,),
        nonces=() if nonce is None else (nonce_text(nonce),),
        status=_sum_up(report, [*_verdict(report), *(one.status for one in submods.values())]),
        submods=submods,
        about=_about(report),
    )


def _verdict(report: Report) -> list[Tier]:
    """Give what the whole may not exceed, whatever its parts are."""
    return [Tier.WARNING] if report.simulated or report.verdict is Verdict.REFUSED else []


def _appraisal(report: Report, table: Mapping[str, Sequence[str]]) -> Appraisal:
    elements = {name: _element(report, name, ids) for name, ids in table.items()}
    vector = {name: value for name, value in elements.items() if value is not None}
    named = {name for ids in table.values() for name in ids}
    return Appraisal(
        status=_sum_up(report, [Tier.of(value) for value in vector.values()]),
        vector=vector or None,
        checks={check.id: check.outcome.value for check in report.checks if check.id in named},
    )


def _element(report: Report, category: str, ids: Sequence[str]) -> int | None:
    """Give the number of a category by rules 1 to 3; None where nothing can be said."""
    refusing = {check.id: check.outcome for check in report.failed if check.id in ids}
    if Outcome.FAIL in refusing.values():
        return Tier.CONTRAINDICATED
    judged = [check for check in report.checks if check.id in ids]
    if refusing or any(check.outcome is Outcome.FAIL for check in judged):
        return Tier.WARNING
    if not all(_holds(check, report.scope) for check in judged):
        return None
    return Tier.WARNING if report.simulated else AFFIRMED.get(category, Tier.AFFIRMING)


def _holds(check: Check, scope: Scope) -> bool:
    """Say whether a check that does not refuse passed, or had nothing to test."""
    unasked = check.id in ONLY_WHERE_ASKED and check.id not in OUTSIDE[scope]
    return check.outcome is Outcome.PASS or (check.outcome is Outcome.SKIP and unasked)


def _sum_up(report: Report, parts: Iterable[Tier]) -> Tier:
    """Give the tier of a whole by rule 4, the verdict aside."""
    worst = max(parts, default=Tier.NONE)
    return worst if worst > Tier.AFFIRMING or report.scope is Scope.NODE else Tier.NONE


def _has_devices(report: Report) -> bool:
    """Say whether there was any device to judge, or should have been."""
    return report.scope in OF_DEVICES or any(
        check.id in DEVICES and (check.outcome is not Outcome.SKIP or check.required)
        for check in report.checks
    )


def nonce_text(nonce: bytes) -> str:
    """Write a nonce as the claim has it.

    Raises:
        ValueError: of fewer than 8 or more than 64 bytes.
    """
    if not MIN_NONCE <= len(nonce) <= MAX_NONCE:
        raise ValueError(f"a nonce has {MIN_NONCE} to {MAX_NONCE} bytes, not {len(nonce)}")
    return base64.urlsafe_b64encode(nonce).rstrip(b"=").decode("ascii")


def _about(report: Report) -> dict[str, str]:
    """Say what was judged; a relying party must know that it is the machine it talks to."""
    words = {
        "verdict": report.verdict.value,
        "scope": report.scope.value,
        "at": str(report.at),
        "platform": report.platform,
        "simulated": "yes" if report.simulated else "no",
        "machine": None if report.machine is None else report.machine.hex(),
        "release": None if report.release is None else report.release.hex(),
    }
    return {name: word for name, word in words.items() if word is not None}

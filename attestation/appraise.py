"""Single checks of steps 3, 4, 8 and 9: a claim against what it must be.

Each returns if the claim holds and raises `AppraisalError` with expectation and finding if not.
`attestation.verifier` runs them in the order of the argument.
"""

import hmac
from collections.abc import Collection, Mapping, Sequence

from attestation.claims import Fault
from attestation.errors import AppraisalError
from attestation.eventlog import UNTOUCHED
from attestation.evidence import KeysSection
from attestation.policy import AppraisalPolicy, Floors

EPOCH_MARGIN = 120
"""Seconds before not_after at which clients stop using an epoch's keys; a clock may be slow."""


def binding(report_data: bytes, expected: bytes) -> None:
    """3.binding: the signed report data is the digest of the sections."""
    if not hmac.compare_digest(report_data, expected):
        raise AppraisalError("binding", expected=expected.hex(), actual=report_data.hex())


def epoch(keys: KeysSection, now: int) -> None:
    """4.epoch: not_before ≤ now < not_after."""
    if not keys.not_before <= now < keys.not_after:
        raise AppraisalError(
            "epoch",
            expected=f"{keys.not_before} ≤ now < {keys.not_after}",
            actual=f"now is {now}",
        )


def length(keys: KeysSection, maximum: int) -> None:
    """4.length: no longer than the policy allows."""
    seconds = keys.not_after - keys.not_before
    if seconds > maximum:
        raise AppraisalError("epoch", expected=f"at most {maximum} s", actual=f"{seconds} s")


def margin(keys: KeysSection, now: int) -> None:
    """4.margin: the keys will not be erased while a request is on its way."""
    left = keys.not_after - now
    if left < EPOCH_MARGIN:
        raise AppraisalError("epoch", expected=f"{EPOCH_MARGIN} s left", actual=f"{left} s left")


def measurement(quoted: bytes, released: bytes) -> None:
    """8.measurement: what was launched is what was released."""
    if quoted != released:
        raise AppraisalError("measurement", expected=released.hex(), actual=quoted.hex())


def registers(
    quoted: Mapping[int, bytes],
    replayed: Mapping[int, bytes],
    released: Mapping[int, bytes],
    ruled: Collection[int] = (),
) -> None:
    """8.eventlog: log, quote and release agree on every register any of them names.

    Of a ruled register the release names no value, but what may lead to it (`event_rules`): there
    log and quote agree, and the platform has it.
    """
    for index in sorted({*quoted, *replayed, *released, *ruled}):
        wanted = quoted.get(index) if index in ruled else released.get(index, UNTOUCHED)
        if wanted is None:
            raise AppraisalError(
                f"register {index}", expected="a register of the platform", actual="nothing quoted"
            )
        found = {"quoted": quoted.get(index), "replayed": replayed.get(index)}
        for source, value in found.items():
            if value != wanted:
                raise AppraisalError(
                    f"register {index}",
                    expected=f"register {index} {wanted.hex()}",
                    actual=f"{source} {'nothing' if value is None else value.hex()}",
                )


def models(found: Sequence[tuple[str, bytes]], released: Mapping[str, bytes]) -> None:
    """8.model: the node has the models of the release, all and no other."""
    if dict(found) != dict(released):
        raise AppraisalError("models", expected=_named(released), actual=_named(dict(found)))


def off(setting: str, *, on: bool) -> None:
    """8.debug, 8.migration: the host cannot look into the guest, nor move it."""
    if on:
        raise AppraisalError(setting, expected="off", actual="on")


def guest(faults: Sequence[Fault]) -> None:
    """8.guest: the guest runs as the platform's rules ask; the first fault is named."""
    for fault in faults:
        raise AppraisalError(fault.claim, expected=fault.expected, actual=fault.actual)


def platform(name: str, policy: AppraisalPolicy) -> None:
    """9.platform: the policy accepts it."""
    if name not in policy.platforms:
        raise AppraisalError("platform", expected=" or ".join(policy.platforms), actual=name)


def minimum_tcb(name: str, line: str, policy: AppraisalPolicy, floors: Floors) -> dict[str, int]:
    """Give the highest of what policy and status entry ask of each component.

    Args:
        name: of the platform; what is asked of it is asked of all its lines.
        line: product line, of which more may be asked under `platform/line`; empty: it has none.
        policy: of this relying party.
        floors: of the newest status entry.
    """
    names = (name, f"{name}/{line}") if line else (name,)
    asked = [
        part.get(one, {}) for part in (policy.minimum_tcb, floors.minimum_tcb) for one in names
    ]
    components = {component for one in asked for component in one}
    return {component: max(one.get(component, 0) for one in asked) for component in components}


def tcb(quoted: Mapping[str, int], minimum: Mapping[str, int]) -> None:
    """9.tcb: component by component; one the platform does not report does not reach anything."""
    for component, lowest in sorted(minimum.items()):
        version = quoted.get(component)
        if version is None or version < lowest:
            raise AppraisalError(
                "TCB",
                expected=f"{component} {lowest} or higher",
                actual=f"{component} {'not reported' if version is None else version}",
            )


def machine(quoted: bytes | None, listed: frozenset[bytes]) -> None:
    """9.machine: it is on the policy's list."""
    if quoted not in listed:
        raise AppraisalError(
            "machine",
            expected="a machine of the policy's list",
            actual="no machine id" if quoted is None else quoted.hex(),
        )


def allowed_models(found: Sequence[tuple[str, bytes]], allowed: frozenset[bytes]) -> None:
    """9.model: every model of the node is on the policy's list."""
    for name, digest in found:
        if digest not in allowed:
            raise AppraisalError(
                "model",
                expected="models of the policy's list",
                actual=_named({name: digest}),
            )


def _named(named: Mapping[str, bytes]) -> str:
    return ", ".join(f"{name} {digest.hex()}" for name, digest in sorted(named.items())) or "none"

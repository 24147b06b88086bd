"""Step 6 of the argument: the confidential devices of the machine.

As many as the release says, each a different one, authentic, asked with this epoch's nonce, and
measured as its RIM says; in a confidential mode, which is the measured agent's word alone. How a
report is read is for the family of the device; the table names it.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from attestation.ahead import verify_ahead
from attestation.checks import OF_A_DEVICE, Checks, Value, given, readable
from attestation.claims import Context, DeviceAppraisal, DeviceClaims, DeviceFamily, Ground
from attestation.endorsements import oldest
from attestation.errors import AppraisalError
from attestation.evidence import DeviceEvidence, DevicesSection, Endorsement
from attestation.nvidia import authenticate as nvidia
from attestation.nvidia import topology as nvidia_topology
from attestation.nvidia.explain import explain_devices
from attestation.policy import Mark
from attestation.reference_values import ReferenceValues
from attestation.simulated import authenticate as simulated

FAMILIES: Mapping[str, DeviceFamily] = {
    "nvidia-gpu": nvidia,
    "nvidia-switch": nvidia,
    "simulated-gpu": simulated,
}
"""The kinds of devices this version can verify; others are refused by name."""

SET_CHECKS: Sequence[Callable[[Sequence[DeviceEvidence]], None]] = (nvidia_topology.check_set,)
"""What is judged of all devices together, once each is authentic: that they are of one machine."""

MODE = re.compile(rb'"mode":"([^"]*)"')
"""A device's mode in the section, which has one spelling."""

CONFIDENTIAL = ("on", "protected-pcie")
"""Modes in which the host can neither read a device's memory nor look on with developers' tools."""

CHECKED = ("6.authentic", "6.nonce", "6.measurements", "6.mode")
"""What is judged of each device."""


@dataclass(frozen=True, kw_only=True)
class DevicesAppraisal:
    """What step 6 found.

    Attributes:
        expires: last second at which chains, lists and RIMs hold; None without devices, or if they
            do not hold.
        marks: how new the lists and answers are that were signed by a pinned vendor and recent.
    """

    expires: int | None = None
    marks: Mapping[bytes, Mark] = field(default_factory=dict)


def appraise_devices(
    devices: Sequence[DeviceEvidence],
    *,
    nonce: bytes,
    release: ReferenceValues | None,
    context: Context,
    checks: Checks,
) -> DevicesAppraisal:
    """Judge step 6, recording each of its checks."""
    checks.run("6.count", lambda: _check_count(devices, given(release, "verified release")))
    if not devices:
        _record_absence(checks)
        return DevicesAppraisal()
    verify_ahead(nvidia.verifications(devices, context.endorsements))  # a hint; decides nothing
    claims = readable(lambda: [_family(one).read_device(one) for one in devices])
    authentic = checks.run("6.authentic", lambda: _authenticate(devices, context))
    checks.run("6.nonce", lambda: _check_nonces(given(claims, "device report"), nonce))
    rims = checks.run(
        "6.measurements",
        lambda: _appraise(devices, given(claims, "device report"), context),
    )
    checks.run("6.mode", lambda: check_modes(devices))
    return _appraisal(authentic or (), rims or ())


def appraise_one(device: DeviceEvidence, *, context: Context, checks: Checks) -> DevicesAppraisal:
    """Judge one device by itself, recording `OF_A_DEVICE`.

    Whose machine it is in, when it was asked and which others belong to it are left aside.
    """
    if not device.certificates:
        for name in OF_A_DEVICE:
            checks.skip(name, "there is no certificate chain to judge by")
        return DevicesAppraisal()
    family = _family(device)
    authentic = checks.run("6.authentic", lambda: family.authenticate_device(device, context))
    rims = checks.run(
        "6.measurements",
        lambda: family.appraise_measurements(device, family.read_device(device), context),
    )
    return _appraisal(_some(authentic), _some(rims))


def appraise_rim(data: bytes, *, context: Context, checks: Checks) -> int | None:
    """Judge a RIM by itself, recording `OF_A_RIM`; give until when it holds."""
    return checks.run("6.measurements", lambda: nvidia.authenticate_rim(data, context))


def explain_section(data: bytes, endorsements: tuple[Endorsement, ...]) -> tuple[Ground, ...]:
    """Give the bytes behind step 6 of a bundle; what does not parse has none.

    Args:
        data: `sections.devices`.
        endorsements: as stapled.
    """
    section = readable(lambda: DevicesSection.parse(data))
    devices = () if section is None else section.devices
    known = {one.kind for one in devices if FAMILIES.get(one.kind) is nvidia}
    others = (
        Ground(
            check="6.authentic",
            part=f"device {number} report",
            offset=0,
            size=len(device.report),
            field=device.kind,
            value=device.report,
        )
        for number, device in enumerate(devices)
        if device.kind not in known
    )
    return (*_modes(data), *explain_devices(devices, endorsements, kinds=known), *others)


def _modes(data: bytes) -> Iterator[Ground]:
    """Give the agent's words; no text of the section holds a quote, so each is one of them."""
    for match in MODE.finditer(data):
        value, (begin, end) = match[1], match.span(1)
        yield Ground(
            check="6.mode",
            part="devices section",
            offset=begin,
            size=end - begin,
            field="mode",
            value=value,
        )


def _some(value: Value | None) -> tuple[Value, ...]:
    return () if value is None else (value,)


def _record_absence(checks: Checks) -> None:
    for name in CHECKED:
        if checks.passed("6.count"):
            checks.not_asked(name, "the release has no devices")
        else:
            checks.skip(name, "there is no device to judge")


def _check_count(devices: Sequence[DeviceEvidence], release: ReferenceValues) -> None:
    kinds = [device.kind for device in devices]
    if len(kinds) != release.device_count or not set(kinds) <= set(release.device_kinds):
        raise AppraisalError(
            "devices",
            expected=f"{release.device_count} of {', '.join(release.device_kinds) or 'none'}",
            actual=f"{len(kinds)}: {', '.join(kinds) or 'none'}",
        )


def _authenticate(
    devices: Sequence[DeviceEvidence], context: Context
) -> tuple[DeviceAppraisal, ...]:
    """Judge every device. One device shown twice is one device, so that is refused too."""
    identities = [_family(one).read_device(one).identity for one in devices]
    if len(set(identities)) != len(identities):
        raise AppraisalError("devices", expected="different devices", actual="one shown twice")
    authentic = tuple(_family(one).authenticate_device(one, context) for one in devices)
    for check_set in SET_CHECKS:
        check_set(devices)
    return authentic


def _check_nonces(claims: Sequence[DeviceClaims], nonce: bytes) -> None:
    for number, one in enumerate(claims):
        if one.nonce != nonce:
            raise AppraisalError(
                "nonce", expected=nonce.hex(), actual=f"{one.nonce.hex()} of device {number}"
            )


def check_modes(devices: Sequence[DeviceEvidence]) -> None:
    """Judge the agent's words: no report states the mode. docs/decisions/0010.

    Raises:
        AppraisalError: a device is in a mode that is not confidential.
    """
    for number, device in enumerate(devices):
        if device.mode not in CONFIDENTIAL:
            raise AppraisalError(
                "mode",
                expected=f"{' or '.join(CONFIDENTIAL)}, as the agent says",
                actual=f"{device.mode} of device {number}",
            )


def _appraise(
    devices: Sequence[DeviceEvidence], claims: Sequence[DeviceClaims], context: Context
) -> tuple[DeviceAppraisal, ...]:
    pairs = zip(devices, claims, strict=True)
    return tuple(_family(one).appraise_measurements(one, claim, context) for one, claim in pairs)


def _family(device: DeviceEvidence) -> DeviceFamily:
    family = FAMILIES.get(device.kind)
    if family is None:
        raise AppraisalError(
            "device",
            expected=f"a device this version can verify: {', '.join(FAMILIES)}",
            actual=device.kind,
        )
    return family


def _appraisal(
    authentic: Sequence[DeviceAppraisal], rims: Sequence[DeviceAppraisal]
) -> DevicesAppraisal:
    found = (*authentic, *rims)
    return DevicesAppraisal(
        expires=min((one.expires for one in found), default=None),
        marks=oldest(one.marks for one in found),
    )

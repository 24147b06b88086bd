"""Whether the devices that were attested are still those, and still running: DESIGN 4.1.

A report says what a device was when asked. A device that is reset or replaced afterwards runs what
nobody attested, and its old protection is gone with it: so a change ends the epoch, whose evidence
no longer tells the truth. Nothing here decides more than that there was a change.

What is compared is the driver's word inside the attested machine. It can tell of accidents and of
hosts that act openly; against a host that lies about a device stands the next report.
"""

from collections.abc import Callable
from dataclasses import dataclass

from attestation.errors import AttesterError

INTERVAL = 5.0
"""Seconds between two looks."""


@dataclass(frozen=True, kw_only=True)
class DeviceState:
    """One device at one time.

    Attributes:
        name: by which its driver knows it.
        identity: SHA-256 of its certificates.
        running: a count that grows as long as the device runs, and begins anew with it.
    """

    name: str
    identity: bytes
    running: int


@dataclass(frozen=True, kw_only=True)
class MachineState:
    """All devices of a machine at one time, and their mode."""

    mode: str = "off"
    devices: tuple[DeviceState, ...] = ()


def changes(before: MachineState, after: MachineState) -> tuple[str, ...]:
    """Say what is no longer as it was; nothing if all is."""
    old = {device.name: device for device in before.devices}
    new = {device.name: device for device in after.devices}
    found = [] if before.mode == after.mode else [f"mode {after.mode} instead of {before.mode}"]
    found += [f"{name} is gone" for name in sorted(old.keys() - new.keys())]
    found += [f"{name} is new" for name in sorted(new.keys() - old.keys())]
    for name in sorted(old.keys() & new.keys()):
        if old[name].identity != new[name].identity:
            found.append(f"{name} has another identity")
        elif old[name].running > new[name].running:
            found.append(f"{name} was reset")
    return tuple(found)


def watch(
    look: Callable[[], MachineState],
    before: MachineState,
    *,
    pause: Callable[[float], bool],
) -> tuple[str, ...]:
    """Look until something has changed, and say what; nothing if told to stop.

    Args:
        look: gives the state now.
        before: when the devices were attested; take it before asking them, not after.
        pause: waits so many seconds; true tells to stop, as `threading.Event.wait` does.
    """
    while not pause(INTERVAL):
        try:
            after = look()
        except AttesterError as error:
            # A device that does not answer may be in the middle of a reset.
            return (f"the devices do not answer: {error}",)
        found = changes(before, after)
        if found:
            return found
        before = after
    return ()

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


class DeviceMonitor:
    """What the devices were like at the last look."""

    def __init__(self, look: Callable[[], MachineState]) -> None:
        """Look for the first time; before the devices are asked for reports, not after.

        Args:
            look: gives the state now; raises AttesterError.
        """
        self._look = look
        self._last = look()

    def changes(self) -> tuple[str, ...]:
        """Look again and say what has changed since the last time; nothing if nothing has.

        Look every few seconds: a device that begins anew must not catch up with what it was. One
        that does not answer has changed: it may be in the middle of a reset.
        """
        try:
            now = self._look()
        except AttesterError as error:
            return (f"the devices do not answer: {error}",)
        found, self._last = changes(self._last, now), now
        return found

"""PCRs after the boot of an image.

The registers of the `*-vtpm` platforms that are known from an image: 4, 5, 9 and 11. PCR 12 takes
what is added to an image from outside (another command line, credentials, add-ons): a release that
leaves it out says that nothing was (`attestation.tpm.pcrs`), and so does one of ours. PCR 15 is the
agent's (`attestation.tpm.collect.expected_registers`); what firmware puts into 0 to 3, 6 and 7 is
ruled, not known (`attestation.event_rules`).
"""

from collections.abc import Mapping, Sequence

from attestation.measure.boot import BOOT_CONFIGURATION, BOOT_MANAGER, KERNEL, UKI, BootEvent
from attestation.tcg_log import Bank

KNOWN = (BOOT_MANAGER, BOOT_CONFIGURATION, KERNEL, UKI)
"""PCRs whose every event is known from the image."""


def pcrs(events: Sequence[BootEvent], bank: Bank = Bank.SHA384) -> Mapping[int, bytes]:
    """Give the PCRs that are known after these events."""
    found = dict.fromkeys(KNOWN, bytes(bank.size))
    for event in events:
        if event.pcr in found:
            found[event.pcr] = bank.extend(found[event.pcr], event.digest(bank))
    return found

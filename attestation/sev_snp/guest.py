"""What a report says about its guest that no release can make good: the faults of 8.guest.

AMD 56860, "Guest Policy" and "ATTESTATION_REPORT". The hardware enforces the guest policy that was
set at launch and signs it; so what is judged here is what the policy allows, not what the host did.

Debug (8.debug) and migration (8.migration) have checks of their own. No faults by themselves are:
SMT (policy bit 16), more than one socket (20) and CXL memory (21), which cost a side channel's
worth of isolation or nothing and are what clouds offer; the stricter settings (22 to 25), welcome
and not asked for; the ABI version the policy asks for, which the firmware keeps; and an author key,
whose digest is in the report and vouches for nobody. Nor is anything in the platform info, reserved
bits included (Turin sets bit 6): it tells of the host's settings and allows nothing. That an alias
check against BadRAM is missing there is mended by firmware, and so a matter of the minimum TCB.
"""

from collections.abc import Iterator

from attestation.claims import Fault
from attestation.sev_snp.evidence import Policy, Report, SignerInfo

GUEST_VMPL = 0
"""The most privileged level. A guest that asks from another one runs under something (a paravisor,
an SVSM) that can read it, and whose word this report would then be."""


def faults(report: Report) -> tuple[Fault, ...]:
    """Give everything about the guest that must be refused, in the order of the report."""
    return tuple(_faults(report))


def _faults(report: Report) -> Iterator[Fault]:
    # A bit without a meaning may allow anything: what it stands for was written after this code.
    yield from _zero("guest policy", report.policy & Policy.RESERVED)
    if not report.policy & Policy.ALWAYS_ONE:
        # Firmware launches no guest without it, so no firmware we know made this report.
        yield Fault(claim="guest policy", expected="bit 17 set", actual="bit 17 not set")
    if report.vmpl != GUEST_VMPL:
        yield Fault(claim="VMPL", expected=str(GUEST_VMPL), actual=str(report.vmpl))
    if report.signer_info & SignerInfo.MASK_CHIP_KEY:
        # It says that this report is not signed: then the signature is not the firmware's.
        yield Fault(claim="signer info", expected="a chip key", actual="mask_chip_key set")
    yield from _zero("signer info", report.signer_info & SignerInfo.RESERVED)


def _zero(claim: str, reserved: int) -> Iterator[Fault]:
    if reserved:
        yield Fault(
            claim=claim, expected=f"{claim}: reserved bits of zero", actual=f"{reserved:#x} set"
        )

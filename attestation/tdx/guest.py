"""How a trust domain must have been started: what 8.debug, 8.migration and 8.guest refuse.

Intel TDX Module Base Architecture, "TD attributes" and "XFAM". The host chooses these when it
builds the TD, and the module reports them truthfully; so a guest that runs otherwise than it was
released for shows here. A bit without a known meaning is refused: it may be one that lets the host
look in.
"""

from collections.abc import Iterator
from enum import IntFlag

from attestation.claims import Fault
from attestation.tdx.evidence import TDX, Quote
from attestation.tdx.layout import TdReport10, TdReport15
from attestation.tdx.tcb_data import ModuleIdentity

SGX_DEBUG = 0x02
"""Bit of byte 0 of an enclave's attributes: the host may look into it."""

UNTRUSTED = 0xFE
"""TD attributes 1 to 7: reserved for further ways in, in the group of DEBUG."""

XFAM_NEEDED = 0x3
"""x87 and SSE: no TD can run without them."""

XFAM_KNOWN = 0x0006DBE7
"""Features that TDX lets a TD use; others are reserved."""


class TdAttribute(IntFlag):
    """The bits of td_attributes that have a known meaning."""

    DEBUG = 1 << 0
    """The host may read and write the TD's memory and registers."""

    LASS = 1 << 27
    """The TD may separate linear addresses of user and kernel."""

    SEPT_VE_DISABLE = 1 << 28
    """A page that the host takes away stops the TD, and does not become an exception inside it,
    which the host could use to steer the guest's kernel."""

    MIGRATABLE = 1 << 29
    """The host may have the TD moved by a service TD."""

    PKS = 1 << 30
    """The TD may use protection keys for supervisor pages."""

    KL = 1 << 31
    """The TD may use key locker."""

    TPA = 1 << 62
    """The TD is the provisioning agent for devices."""

    PERFMON = 1 << 63
    """The TD may use the performance counters."""


KNOWN = sum(TdAttribute)
"""All bits with a meaning."""


def is_debug(quote: Quote) -> bool:
    """Say whether the host may look in."""
    if quote.td is None:
        return bool(quote.bytes_of("body")[48] & SGX_DEBUG)
    return bool(_bits(quote.td.td_attributes) & TdAttribute.DEBUG)


def is_migratable(quote: Quote) -> bool:
    """Say whether the host may have it moved; enclaves never are."""
    return quote.td is not None and bool(_bits(quote.td.td_attributes) & TdAttribute.MIGRATABLE)


def faults(quote: Quote, module: ModuleIdentity | None) -> tuple[Fault, ...]:
    """Give everything that 8.guest refuses.

    Args:
        quote: of the guest.
        module: Intel's identity of the TDX module, authentic; None where none is known.
    """
    if quote.td is None:
        # An enclave is no virtual machine: its measurement means something else.
        return (_fault("TEE type", f"{TDX:#x} (TDX)", f"{quote.header.tee_type:#x}"),)
    return tuple(
        fault for rule in (_attributes, _features, _service_td) for fault in rule(quote.td)
    ) + tuple(_module(quote.td, module))


def _attributes(td: TdReport10) -> Iterator[Fault]:
    found = _bits(td.td_attributes)
    if found & UNTRUSTED:
        # The group of DEBUG: any bit of it makes the TD untrusted, says the specification.
        yield _fault("TD attributes 1 to 7", "0", f"{found & UNTRUSTED:#x}")
    unknown = found & ~(KNOWN | UNTRUSTED)
    if unknown:
        # A later module may give the bit a meaning that opens the TD.
        yield _fault("TD attributes", f"only bits of {KNOWN:#x}", f"{unknown:#x} set as well")
    if not found & TdAttribute.SEPT_VE_DISABLE:
        # Else the host raises #VE at any access it likes, also in the midst of an entry path.
        yield _fault("SEPT_VE_DISABLE", "on", "off")


def _features(td: TdReport10) -> Iterator[Fault]:
    found = _bits(td.xfam)
    if found & XFAM_NEEDED != XFAM_NEEDED or found & ~XFAM_KNOWN:
        # The module starts no such TD, so the report is of something else than we know.
        yield _fault(
            "XFAM", f"bits of {XFAM_NEEDED:#x} and none outside {XFAM_KNOWN:#x}", f"{found:#x}"
        )


def _service_td(td: TdReport10) -> Iterator[Fault]:
    if isinstance(td, TdReport15) and any(td.mr_service_td):
        # A bound service TD can move the memory out, and nothing here says which code it runs.
        yield _fault("bound service TD", "none", td.mr_service_td.hex())


def _module(td: TdReport10, module: ModuleIdentity | None) -> Iterator[Fault]:
    if any(td.seam_attributes):
        # Bits of the module itself; Intel ships none with any set (a debug module would have one).
        yield _fault("TDX module attributes", "0", td.seam_attributes.hex())
    named = module is not None and module.mr_signer == td.mr_signer_seam
    if any(td.mr_signer_seam) and not named:
        # Zero is Intel; another signer counts only if Intel's own TCB info names it.
        yield _fault("TDX module signer", "Intel (zero)", td.mr_signer_seam.hex())


def _fault(claim: str, expected: str, actual: str) -> Fault:
    return Fault(claim=claim, expected=f"{claim} {expected}", actual=actual)


def _bits(value: bytes) -> int:
    return int.from_bytes(value, "little")

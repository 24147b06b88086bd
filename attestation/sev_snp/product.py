"""Product lines of AMD's processors, and what their TCB versions are made of.

AMD 56860, "TCB_VERSION" and "ATTESTATION_REPORT"; AMD 57230, "Product Name". Each line has its own
root of trust. A TCB version is eight bytes, one per component, and which is which depends on the
line; so versions are compared component by component, never as one number.

    02 00 00 00 00 00 05 44    Milan: bootloader 2, tee 0, snp 5, microcode 68
    01 01 01 04 00 00 00 4b    Turin: fmc 1, bootloader 1, tee 1, snp 4, microcode 75
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from attestation.errors import AppraisalError
from attestation.sev_snp.evidence import Report

TURIN_CHIP_ID_SIZE = 8
"""Bytes of a chip id from Turin on; the rest of the field is zero."""


class Product(StrEnum):
    """A product line: its own root, and its own spelling of a TCB version."""

    MILAN = "Milan"
    GENOA = "Genoa"
    TURIN = "Turin"

    @classmethod
    def named(cls, name: str) -> "Product | None":
        """Give the line of a product name, with or without stepping; None if it is none of them."""
        return PRODUCT_NAMES.get(name.split("-", 1)[0])


PRODUCT_NAMES = MappingProxyType(
    {
        "Milan": Product.MILAN,
        "Genoa": Product.GENOA,
        "Bergamo": Product.GENOA,
        "Siena": Product.GENOA,
        "Turin": Product.TURIN,
    }
)
"""Name of a product to its line. Bergamo and Siena are served by Genoa's keys."""

CPUID = (
    (0x19, 0x00, 0x0F, Product.MILAN),
    (0x19, 0x10, 0x1F, Product.GENOA),
    (0x19, 0xA0, 0xAF, Product.GENOA),
    (0x1A, 0x00, 0x11, Product.TURIN),
)
"""CPUID family, first and last model, product line."""

TURIN_FAMILY = 0x1A
"""First CPUID family whose TCB versions begin with the FMC."""

COMPONENTS = MappingProxyType({"bootloader": 0, "tee": 1, "snp": 6, "microcode": 7})
"""Milan and Genoa: component of a TCB version to its byte. AMD 56860, "TCB_VERSION"."""

TURIN_COMPONENTS = MappingProxyType({"fmc": 0, "bootloader": 1, "tee": 2, "snp": 3, "microcode": 7})
"""Turin and later: the same, with the FMC."""


def product_of(report: Report) -> Product | None:
    """Give the product line that a report names; None before version 3, which names none.

    Raises:
        AppraisalError: a processor of no known product line.
    """
    if report.version < 3:
        return None
    family, model = report.cpuid_family, report.cpuid_model
    for known, first, last, product in CPUID:
        if family == known and first <= model <= last:
            return product
    raise AppraisalError(
        "product",
        expected=f"a CPUID of {', '.join(Product)}",
        actual=f"family {family:#04x}, model {model:#04x}",
    )


def components_of(report: Report, product: Product | None) -> Mapping[str, int]:
    """Give which component is which byte of this report's TCB versions.

    Args:
        report: from version 3 on it names its processor, and the argument below is not used.
        product: of the leaf certificate. None: there is no leaf, so the chip id decides, of which
            Turin fills 8 bytes and Milan 64.
    """
    if report.version >= 3:
        turin = report.cpuid_family >= TURIN_FAMILY
    elif product is not None:
        turin = product is Product.TURIN
    else:
        turin = not any(report.chip_id[TURIN_CHIP_ID_SIZE:]) and any(report.chip_id)
    return TURIN_COMPONENTS if turin else COMPONENTS


def tcb_version(raw: bytes, components: Mapping[str, int]) -> dict[str, int]:
    """Give a TCB version by component."""
    return {name: raw[byte] for name, byte in components.items()}


def read_tcb(name: str, raw: bytes, components: Mapping[str, int]) -> dict[str, int]:
    """Give a TCB version by component, if that is all it holds.

    Raises:
        AppraisalError: a byte that belongs to no component is not zero.
    """
    found = tcb_version(raw, components)
    # No byte is negative, so the sums are equal exactly if all others are zero.
    if sum(raw) != sum(found.values()):
        raise AppraisalError(name, expected=f"{name}: reserved bytes of zero", actual=raw.hex())
    return found

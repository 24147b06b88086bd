"""Which RIMs a report needs, by the versions that it names itself.

A GPU has two, of its driver and of its VBIOS; a switch has one, of its BIOS. The identifier is the
name under which the vendor serves a RIM: whoever fetches asks for it, and refusals name it.
"""

from dataclasses import dataclass

from attestation.errors import AppraisalError
from attestation.nvidia.endorsements import GPU
from attestation.nvidia.evidence import Opaque, Report

HOPPER = "GH100"
"""The chip whose drivers' RIMs are named in the older way."""

SWITCH_BOARD = "5612_0002_890"
"""Project, project SKU and chip SKU of the one switch board; its reports do not name them."""


@dataclass(frozen=True, kw_only=True)
class RimId:
    """One RIM that is needed.

    Attributes:
        identifier: at the vendor's service.
        version: of driver, VBIOS or BIOS, as the RIM spells it but for the case of letters.
    """

    identifier: str
    version: str


def rim_ids(report: Report, *, kind: str, chip: str) -> tuple[RimId, ...]:
    """Give the RIMs that a report needs.

    Args:
        report: trusted or not.
        kind: of the device.
        chip: of the leaf certificate.

    Raises:
        AppraisalError: the report does not name a version.
    """
    bios = _named(report.vbios_version, "VBIOS version")
    spelled = bios.replace(".", "").upper()
    if kind != GPU:
        return (RimId(identifier=f"NV_SWITCH_BIOS_{SWITCH_BOARD}_{spelled}", version=bios),)
    driver = _named(report.text(Opaque.DRIVER_VERSION), "driver version")
    prefix = "NV_GPU_DRIVER" if chip == HOPPER else "NV_GPU_CC_DRIVER"
    kinds = (Opaque.PROJECT, Opaque.PROJECT_SKU, Opaque.CHIP_SKU)
    board = "_".join(_named(report.text(one), one.name).upper() for one in kinds)
    return (
        RimId(identifier=f"{prefix}_{chip}_{driver}", version=driver),
        RimId(identifier=f"NV_GPU_VBIOS_{board}_{spelled}", version=bios),
    )


def _named(value: str | None, name: str) -> str:
    if not value:
        raise AppraisalError(name, expected="named in the report", actual="none")
    return value

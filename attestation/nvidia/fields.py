"""A report or a RIM as people and other programs read it: every field by name, in text and numbers.

For reports and comparison with other readers; no decision rests on it.
"""

import hashlib
from datetime import UTC, datetime

from attestation.nvidia.evidence import Opaque, Report
from attestation.nvidia.rim import SignedRim
from attestation.nvidia.xml_signature import DIGEST_METHOD, SIGNATURE_METHOD

SIGNATURE_ALGORITHM = "ECDSA P-384, SHA-384, raw r||s big-endian"
"""The one there is."""

TEXTS = {
    "driver_version": Opaque.DRIVER_VERSION,
    "chip_sku": Opaque.CHIP_SKU,
    "chip_sku_mod": Opaque.CHIP_SKU_MOD,
    "project": Opaque.PROJECT,
    "project_sku": Opaque.PROJECT_SKU,
    "project_sku_mod": Opaque.PROJECT_SKU_MOD,
    "chip_info": Opaque.CHIP_INFO,
}
"""Opaque data shown as text."""

HEX = {
    "fwid": Opaque.FWID,
    "protected_pcie_status": Opaque.PROTECTED_PCIE_STATUS,
    "feature_flag": Opaque.FEATURE_FLAG,
    "opaque_data_version": Opaque.VERSION,
    "msrscnt": Opaque.MEASUREMENT_COUNTS,
    "switch_pdi": Opaque.SWITCH_PDIS,
    "board_id": Opaque.BOARD_ID,
    "lock_switch_status": Opaque.LOCK_SWITCH_STATUS,
}
"""Opaque data shown as hex."""


def fields(report: Report, rest: bytes = b"") -> dict[str, object]:
    """Give the fields of a report by name; opaque data it lacks is left out.

    Args:
        report: trusted or not.
        rest: what follows it, of `Report.split`.
    """
    found: dict[str, object] = {
        "nonce": report.nonce.hex(),
        "measurement_blocks": len(report.blocks),
        "signature_algorithm": SIGNATURE_ALGORITHM,
        "vbios_version": report.vbios_version,
        "measurements_digest": _measurements_digest(report),
        "measurement_sizes": sorted({len(block.value) for block in report.blocks}),
        "measurement_1": _hex(report.measurements.get(1)),
    }
    found |= {name: report.text(kind) for name, kind in TEXTS.items() if kind in report.opaque}
    found |= {
        name: report.opaque[kind].hex() for name, kind in HEX.items() if kind in report.opaque
    }
    if rest:
        found["trailing_bytes"] = rest.hex()
    return found


def rim_fields(signed: SignedRim) -> dict[str, object]:
    """Give the fields of a RIM by name, and of its signature."""
    rim, signature = signed.rim, signed.signed
    leaf = signature.certificates[0]
    return {
        "name": rim.name,
        "version": rim.version,
        "tag_version": rim.tag_version,
        "colloquialVersion": rim.colloquial_version,
        "edition": rim.edition,
        "product": rim.product,
        "active_measurements": len(rim.active),
        "signature_method": SIGNATURE_METHOD.rpartition("#")[2],
        "digest_method": DIGEST_METHOD.rpartition("#")[2],
        "c14n": signature.c14n.rpartition("/")[2],
        "transforms": [one.rpartition("/")[2] for one in signature.transforms],
        "leaf_subject": leaf.subject.rfc4514_string(),
        "leaf_not_after": datetime.fromtimestamp(leaf.not_after, UTC).isoformat(),
    }


def _measurements_digest(report: Report) -> str:
    digest = hashlib.sha256()
    for block in report.blocks:
        digest.update(bytes((block.index,)) + block.value)
    return digest.hexdigest()


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()

"""A report as people and other programs read it: every field by name, in text and numbers.

For reports, `--explain` and comparison with other readers; no decision rests on it.
"""

from attestation.sev_snp.evidence import Policy, Report, SignerInfo
from attestation.sev_snp.product import Product, components_of, tcb_version

NUMBERS = ("version", "guest_svn", "vmpl", "signature_algo")
"""Fields shown as integers."""

HEX = (
    "family_id",
    "image_id",
    "report_data",
    "measurement",
    "host_data",
    "id_key_digest",
    "author_key_digest",
    "report_id",
    "chip_id",
)
"""Fields shown as hex."""

TCBS = ("reported_tcb", "current_tcb", "committed_tcb", "launch_tcb")
"""TCB versions, shown raw and by component."""


def fields(report: Report, product: str | None = None) -> dict[str, object]:
    """Give the fields of a report by name.

    Args:
        report: trusted or not.
        product: name of the product, from the leaf certificate or whoever knows; used only for a
            report of version 2, which does not name its processor. None: nobody knows.
    """
    line = None if product is None else Product.named(product)
    components = components_of(report, line)
    found: dict[str, object] = {name: getattr(report, name) for name in NUMBERS}
    found |= {name: getattr(report, name).hex() for name in HEX}
    found |= {f"{name}_raw": getattr(report, name).hex() for name in TCBS}
    found |= {name: tcb_version(getattr(report, name), components) for name in TCBS}
    return found | _bits(report) | _firmware(report) | _later(report)


def _bits(report: Report) -> dict[str, object]:
    return {
        "policy": hex(report.policy),
        "policy_debug": bool(report.policy & Policy.DEBUG),
        "policy_migrate_ma": bool(report.policy & Policy.MIGRATE_MA),
        "policy_smt": bool(report.policy & Policy.SMT),
        "policy_single_socket": bool(report.policy & Policy.SINGLE_SOCKET),
        "platform_info": hex(report.platform_info),
        "author_key_en": int(bool(report.signer_info & SignerInfo.AUTHOR_KEY_EN)),
        "mask_chip_key": int(bool(report.signer_info & SignerInfo.MASK_CHIP_KEY)),
        "signing_key": report.signing_key,
    }


def _firmware(report: Report) -> dict[str, object]:
    return {
        "current_fw": f"{report.current_major}.{report.current_minor}.{report.current_build}",
        "committed_fw": (
            f"{report.committed_major}.{report.committed_minor}.{report.committed_build}"
        ),
    }


def _later(report: Report) -> dict[str, object]:
    """Give what later versions added, where this one has it."""
    found: dict[str, object] = {}
    if report.version >= 3:
        cpuid = (report.cpuid_family, report.cpuid_model, report.cpuid_stepping)
        found["cpuid_fam_mod_step"] = bytes(cpuid).hex()
    if report.version >= 5:
        found["launch_mit_vector"] = hex(report.launch_mit_vector)
        found["current_mit_vector"] = hex(report.current_mit_vector)
    return found

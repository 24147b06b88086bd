"""Whole bundles of the `*-vtpm` platforms, under throw-away vendors, in both forms of hardware.

Each maker gives a `Machine` of `real_bundles`. Keywords of a maker: `hardware` are fields of the
hardware's report, `runtime` members of Azure's runtime data, `named` the AK that the hardware names
if it is not the one that signs, `pcrs` values that differ, others are those of `tpm.document`.
"""

import functools
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from attestation.binding import tpm_binding
from attestation.evidence import Endorsement
from attestation.policy import AppraisalPolicy
from tests.fakes import simulated, tcg, tpm
from tests.fakes.intel import intel
from tests.fakes.real_bundles import Machine, amd

IMAGE = hashlib.sha384(b"image").digest()
EVENTS = ((0, b"firmware"), (7, b"secure boot"), (11, b"kernel"), (15, b'["model", "demo"]'))

Hardware = Callable[[bytes], Mapping[str, bytes]]
NOTHING: Mapping[str, Any] = {}


@functools.cache
def event_log() -> bytes:
    banks = (tcg.SHA256, tcg.SHA384)
    records = (tcg.record(register, data, banks=banks) for register, data in EVENTS)
    return b"".join((tcg.header(banks), *records))


def registers() -> dict[int, bytes]:
    return {register: tcg.replayed("sha384", data) for register, data in EVENTS}


def policy(platform: str, root: bytes, **changes: Any) -> AppraisalPolicy:
    roots = {platform: root, "tpm": tpm.cloud().spki_sha256}
    return AppraisalPolicy(**{"platforms": (platform,), "roots": roots, **changes})


def machine(
    platform: str,
    root: bytes,
    endorsements: tuple[Endorsement, ...],
    hardware: Hardware,
    *,
    ak: tpm.Ak,
    pcrs: Mapping[int, bytes] | None = None,
    **changes: Any,
) -> Machine:
    """Put a machine together; the TPM quotes anew for each binding.

    `hardware` is given the extra data: on Azure it is what it was when the guest started.
    """
    values = tpm.pcr_values() | registers() | dict(pcrs or {})

    def quote(binding: bytes) -> bytes:
        extra = {"extra_data": tpm_binding(binding), **changes}
        return tpm.document(hardware(extra["extra_data"]), ak, values, **extra)

    return Machine(
        platform=platform,
        quote=quote,
        endorsements=endorsements,
        policy=policy(platform, root),
        measurement=IMAGE,
        registers=registers(),
        event_log=event_log(),
    )


def azure_snp(
    *,
    ak: tpm.Ak | None = None,
    named: tpm.Ak | None = None,
    hardware: Mapping[str, Any] = NOTHING,
    runtime: Mapping[str, Any] = NOTHING,
    frame: Mapping[str, Any] = NOTHING,
    **changes: Any,
) -> Machine:
    """A guest of Azure on an EPYC Genoa."""
    ak, chip = ak or tpm.rsa_ak(), amd().vcek()
    data = tpm.runtime_data(named or ak, **runtime)
    usual = {"measurement": IMAGE, "report_data": tpm.runtime_report_data(data)}
    report = tpm.hcl_report(amd().report(chip, **{**usual, **hardware}), data, **frame)
    parts = {"hcl_report": report}
    root = amd().root_spki_sha256
    stapled = amd().endorsements(chip)
    return machine("sev-snp-vtpm", root, stapled, lambda _extra: parts, ak=ak, **changes)


def azure_tdx(
    *,
    ak: tpm.Ak | None = None,
    named: tpm.Ak | None = None,
    hardware: Mapping[str, Any] = NOTHING,
    runtime: Mapping[str, Any] = NOTHING,
    inside: bytes | None = None,
    **changes: Any,
) -> Machine:
    """A guest of Azure on TDX; `inside` is another TDREPORT."""
    ak = ak or tpm.rsa_ak()
    data = tpm.runtime_data(named or ak, **runtime)
    binds = tpm.runtime_report_data(data)
    usual = {"mr_td": IMAGE, "report_data": binds, "td_attributes": bytes(8)}
    td = tpm.td_report(binds) if inside is None else inside
    parts = {
        "hcl_report": tpm.hcl_report(td, data, kind=tpm.TDX),
        "td_quote": intel().quote(body={**usual, **hardware}),
    }
    return _on_tdx(lambda _extra: parts, ak, changes)


def direct_snp(
    *,
    ak: tpm.Ak | None = None,
    named: tpm.Ak | None = None,
    hardware: Mapping[str, Any] = NOTHING,
    **changes: Any,
) -> Machine:
    """A paravisor of one's own on an EPYC Genoa."""
    ak, chip = ak or tpm.ec_ak(), amd().vcek()

    def parts(extra: bytes) -> Mapping[str, bytes]:
        usual = {"measurement": IMAGE, "report_data": tpm.ak_report_data(named or ak, extra)}
        return {"quote": amd().report(chip, **{**usual, **hardware})}

    root = amd().root_spki_sha256
    return machine("sev-snp-vtpm", root, amd().endorsements(chip), parts, ak=ak, **changes)


def direct_tdx(
    *,
    ak: tpm.Ak | None = None,
    named: tpm.Ak | None = None,
    hardware: Mapping[str, Any] = NOTHING,
    **changes: Any,
) -> Machine:
    """A paravisor of one's own on TDX."""
    ak = ak or tpm.ec_ak()

    def parts(extra: bytes) -> Mapping[str, bytes]:
        usual = {"mr_td": IMAGE, "report_data": tpm.ak_report_data(named or ak, extra)}
        return {"quote": intel().quote(body={**usual, **hardware})}

    return _on_tdx(parts, ak, changes)


def direct_simulated(
    *,
    ak: tpm.Ak | None = None,
    named: tpm.Ak | None = None,
    hardware: Mapping[str, Any] = NOTHING,
    **changes: Any,
) -> Machine:
    """The simulated platform."""
    ak = ak or tpm.ec_ak()
    usual = {"measurement": IMAGE, "registers": (bytes(48),) * 4}

    def parts(extra: bytes) -> Mapping[str, bytes]:
        data = tpm.ak_report_data(named or ak, extra)
        return {"quote": simulated.machine().quote(data, **{**usual, **hardware})}

    root, stapled = simulated.vendor().root_spki_sha256, simulated.machine().endorsements()
    return machine("simulated-vtpm", root, stapled, parts, ak=ak, **changes)


def _on_tdx(parts: Hardware, ak: tpm.Ak, changes: Mapping[str, Any]) -> Machine:
    stapled = (Endorsement(type="tdx-collateral", data=intel().collateral()),)
    root = intel().root.spki_sha256
    return machine("tdx-vtpm", root, stapled, parts, ak=ak, **changes)


EVERY: Mapping[str, Callable[..., Machine]] = {
    "azure sev-snp": azure_snp,
    "azure tdx": azure_tdx,
    "sev-snp": direct_snp,
    "tdx": direct_tdx,
    "simulated": direct_simulated,
}

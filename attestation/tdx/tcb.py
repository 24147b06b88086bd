"""Which TCB level a machine reaches, and what Intel calls that level.

Intel Trusted Services API, "Determining TCB status"; the order of levels is Intel's, best first,
and the first one reached counts. Three things are looked up, each in its own list: the platform by
its components, the TDX module by its SVN, and the quoting enclave by its SVN. Whether a status is
good enough is the policy's; where no level is reached the text `no matching level` stands for it,
which no policy accepts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from attestation.errors import AppraisalError
from attestation.tdx.endorsements import PckIdentity
from attestation.tdx.layout import EnclaveReport, TdReport10, TdReport15
from attestation.tdx.tcb_data import (
    STATUSES,
    IsvLevel,
    ModuleIdentity,
    PlatformLevel,
    QeIdentity,
    TcbInfo,
)

NO_LEVEL = "no matching level"
"""Stands for a status where the versions reach none."""

NO_MODULE = "no matching module"
"""Stands for a status where Intel names no such TDX module."""

MODULE_COMPONENTS = 2
"""TDX components that are the module's own; its identity judges them where there is one."""

Svn = TypeVar("Svn", bound=IsvLevel)


@dataclass(frozen=True, kw_only=True)
class TcbStatus:
    """What Intel calls the levels that a machine reaches.

    Attributes:
        platform: a status or `NO_LEVEL`.
        platform_date: tcbDate of the level; None without one.
        advisory_ids: of the level, sorted; None without one.
        module: a status, `NO_LEVEL` or `NO_MODULE`; None where the platform's components judge the
            module: before its major version 1, and on SGX.
        qe: of the quoting enclave: a status or `NO_LEVEL`.
    """

    platform: str
    platform_date: str | None
    advisory_ids: tuple[str, ...] | None
    module: str | None
    qe: str

    @property
    def parts(self) -> dict[str, str]:
        """Give each status by what it is of."""
        parts = {"platform": self.platform, "TDX module": self.module, "quoting enclave": self.qe}
        return {name: status for name, status in parts.items() if status is not None}

    @property
    def worst(self) -> str:
        """Give the worst of them."""
        return max(self.parts.values(), key=_badness)

    def report(self) -> dict[str, object]:
        """Give what the published test data calls `tcb`; the quoting enclave is not in it."""
        found: dict[str, object] = {"platform": self.platform, "platform_date": self.platform_date}
        if self.advisory_ids is not None:
            found["advisory_ids"] = list(self.advisory_ids)
        if self.module is not None:
            found["module"] = self.module
        return found


def tcb_status(
    info: TcbInfo,
    identity: QeIdentity,
    pck: PckIdentity,
    body: TdReport10 | EnclaveReport,
    qe_report: EnclaveReport,
) -> TcbStatus:
    """Find the levels that a machine reaches."""
    td = body if isinstance(body, TdReport10) else None
    platform = platform_level(info, pck, td)
    qe = isv_level(identity.levels, qe_report.isv_svn)
    return TcbStatus(
        platform=NO_LEVEL if platform is None else platform.status,
        platform_date=None if platform is None else platform.date,
        advisory_ids=None if platform is None else platform.advisory_ids,
        module=None if td is None else module_status(info, td),
        qe=NO_LEVEL if qe is None else qe.status,
    )


def tcb_components(body: TdReport10 | EnclaveReport, pck: PckIdentity | None) -> dict[str, int]:
    """Name the versions that a policy may ask a minimum of, beside the statuses.

    `tdx_module` is the SVN of the TDX module and `tdx_module_major` its major version; where the
    module was updated while the TD ran, the lower of then and now. `pcesvn` and `sgx_01` to
    `sgx_16` are those of the PCK certificate.
    """
    found: dict[str, int] = {}
    if isinstance(body, TdReport10):
        launched = (body.tee_tcb_svn[1], body.tee_tcb_svn[0])
        now = body.tee_tcb_svn2 if isinstance(body, TdReport15) else body.tee_tcb_svn
        major, svn = min(launched, (now[1], now[0]))
        found |= {"tdx_module": svn, "tdx_module_major": major}
    if pck is not None:
        found["pcesvn"] = pck.pcesvn
        found |= {f"sgx_{index:02}": svn for index, svn in enumerate(pck.components, start=1)}
    return found


def platform_level(info: TcbInfo, pck: PckIdentity, td: TdReport10 | None) -> PlatformLevel | None:
    """Find the first level of which no component exceeds the machine's; None if there is none.

    From the module's major version 1 on, the first two TDX components do not count here: they are
    the module's SVN and version, for which `module_status` has a list of its own.
    """
    for level in info.levels:
        reached = _reaches(pck.components, level.components) and pck.pcesvn >= level.pcesvn
        if reached and (td is None or _reaches_tdx(td.tee_tcb_svn, level)):
            return level
    return None


def module_identity(info: TcbInfo, td: TdReport10) -> ModuleIdentity | None:
    """Find Intel's module of this major version, if signer and attributes are its own."""
    for module in info.modules:
        named = module.id == f"TDX_{td.tee_tcb_svn[1]:02X}"
        attributes = masked(td.seam_attributes, module.attributes_mask)
        if (
            named
            and module.mr_signer == td.mr_signer_seam
            and attributes == masked(module.attributes, module.attributes_mask)
        ):
            return module
    return None


def module_status(info: TcbInfo, td: TdReport10) -> str | None:
    """Give the status of the TDX module; None before its major version 1."""
    if td.tee_tcb_svn[1] == 0:
        return None
    module = module_identity(info, td)
    if module is None:
        return NO_MODULE
    level = isv_level(module.levels, td.tee_tcb_svn[0])
    return NO_LEVEL if level is None else level.status


def isv_level(levels: Sequence[Svn], isv_svn: int) -> Svn | None:
    """Find the first level with an SVN that does not exceed the one at hand."""
    return next((level for level in levels if isv_svn >= level.isv_svn), None)


def check_qe(report: EnclaveReport, identity: QeIdentity) -> None:
    """Judge that a report is that of Intel's quoting enclave; its version is a TCB level.

    Raises:
        AppraisalError: another signer, product, attribute or MISCSELECT.
    """
    mask, misc_mask = identity.attributes_mask, identity.misc_select_mask
    for claim, expected, actual in (
        ("QE MRSIGNER", identity.mr_signer, report.mr_signer),
        ("QE attributes", masked(identity.attributes, mask), masked(report.attributes, mask)),
        (
            "QE MISCSELECT",
            masked(identity.misc_select, misc_mask),
            masked(report.misc_select, misc_mask),
        ),
    ):
        if actual != expected:
            raise AppraisalError(claim, expected=f"{claim} {expected.hex()}", actual=actual.hex())
    if report.isv_prod_id != identity.isv_prod_id:
        raise AppraisalError(
            "QE ISVPRODID",
            expected=f"QE ISVPRODID {identity.isv_prod_id}",
            actual=str(report.isv_prod_id),
        )


def check_statuses(status: TcbStatus, accepted: frozenset[str]) -> None:
    """Judge that every status is one the policy accepts.

    Raises:
        AppraisalError: one is not; the text lists all of them and the advisories.
    """
    if accepted.issuperset(status.parts.values()):
        return
    advisories = ", ".join(status.advisory_ids or ()) or "none"
    found = "; ".join(f"{name} {one}" for name, one in status.parts.items())
    raise AppraisalError(
        "TCB status",
        expected=" or ".join(sorted(accepted, key=_badness)) or "no status at all",
        actual=f"{found}; advisories: {advisories}",
    )


def masked(value: bytes, mask: bytes) -> bytes:
    """Give the bits of a value where the mask has ones."""
    return bytes(one & other for one, other in zip(value, mask, strict=True))


def _reaches(found: Sequence[int], wanted: Sequence[int]) -> bool:
    return all(have >= want for have, want in zip(found, wanted, strict=True))


def _reaches_tdx(found: bytes, level: PlatformLevel) -> bool:
    """Compare TDX components; TCB info that has none is not of TDX and is reached by no TD."""
    if level.tdx_components is None:
        return False
    first = MODULE_COMPONENTS if found[1] else 0
    return _reaches(found[first:], level.tdx_components[first:])


def _badness(status: str) -> int:
    return STATUSES.index(status) if status in STATUSES else len(STATUSES)

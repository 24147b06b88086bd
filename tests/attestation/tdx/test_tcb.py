"""The first level of which nothing exceeds the machine's is the one it reaches."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import AppraisalError
from attestation.tdx.endorsements import PckIdentity
from attestation.tdx.layout import EnclaveReport, TdReport10, TdReport15
from attestation.tdx.tcb import (
    NO_LEVEL,
    NO_MODULE,
    TcbStatus,
    check_qe,
    check_statuses,
    isv_level,
    masked,
    module_status,
    platform_level,
    tcb_components,
    tcb_status,
)
from attestation.tdx.tcb_data import STATUSES, QeIdentity, TcbInfo
from tests.fakes import intel_parts as parts
from tests.fakes.intel import QE_VALUES, TD_VALUES, filled, intel

VENDOR = intel()


def info(**values: Any) -> TcbInfo:
    return TcbInfo.parse(json.dumps(VENDOR.tcb_info(**values)).encode())


def identity(**values: Any) -> QeIdentity:
    return QeIdentity.parse(json.dumps(VENDOR.qe_identity(**values)).encode())


def pck(components: tuple[int, ...] = parts.COMPONENTS, pcesvn: int = parts.PCESVN) -> PckIdentity:
    return PckIdentity(
        ppid=parts.PPID,
        components=components,
        pcesvn=pcesvn,
        cpusvn=bytes(components),
        pce_id=bytes(2),
        fmspc=parts.FMSPC,
    )


def td(*svn: int, **values: Any) -> TdReport10:
    found = bytes((*svn, *(0,) * (16 - len(svn))))
    report = filled(TdReport10, {**TD_VALUES, "tee_tcb_svn": found, **values})
    assert isinstance(report, TdReport10)
    return report


def qe(**values: Any) -> EnclaveReport:
    report = filled(EnclaveReport, {**QE_VALUES, **values})
    assert isinstance(report, EnclaveReport)
    return report


def test_every_single_component_counts():
    for at, svn in enumerate(parts.COMPONENTS):
        if svn:
            lower = (*parts.COMPONENTS[:at], svn - 1, *parts.COMPONENTS[at + 1 :])
            found = platform_level(info(), pck(lower), td(11, 1, 4))
            assert found is not None
            assert found.status == "OutOfDate"


def test_more_than_a_level_asks_reaches_it():
    more = tuple(one + 1 for one in parts.COMPONENTS)
    found = platform_level(info(), pck(more, parts.PCESVN + 1), td(99, 1, 99))
    assert found is not None
    assert found.status == "UpToDate"


def test_the_first_level_reached_counts_in_the_order_given():
    levels = [parts.old_platform_level(), parts.platform_level()]
    found = platform_level(info(tcbLevels=levels), pck(), td(11, 1, 4))
    assert found is not None
    assert found.status == "OutOfDate"


def test_the_modules_components_count_only_before_its_major_version_1():
    # The level asks for a module SVN of 5 in component 0.
    for svn, status in (((4, 0, 3), "OutOfDate"), ((5, 0, 3), "UpToDate"), ((0, 1, 3), "UpToDate")):
        found = platform_level(info(), pck(), td(*svn))
        assert found is not None
        assert found.status == status


def test_all_other_tdx_components_count_always():
    for at in range(2, 16):
        asked = [*(0,) * 16]
        asked[at] = 7
        levels = [parts.platform_level(tdx=asked)]
        for major in (0, 1):
            lower = [9, major, *(9,) * 14]
            lower[at] = 6
            assert platform_level(info(tcbLevels=levels), pck(), td(*lower)) is None
            lower[at] = 7
            assert platform_level(info(tcbLevels=levels), pck(), td(*lower)) is not None


def test_tcb_info_without_tdx_components_is_reached_by_no_td():
    assert platform_level(info(id="SGX"), pck(), td(11, 1, 4)) is None
    assert platform_level(info(id="SGX"), pck(), None) is not None


@pytest.mark.parametrize(
    ("svn", "status"),
    [
        ((6, 1), "UpToDate"),
        ((5, 1), "OutOfDate"),
        ((0, 1), NO_LEVEL),
        ((3, 3), "UpToDate"),
        ((9, 2), NO_MODULE),
        ((9, 0x10), NO_MODULE),
        ((9, 0), None),
    ],
)
def test_a_module_is_judged_by_its_own_identity(svn: tuple[int, ...], status: str | None):
    assert module_status(info(), td(*svn)) == status


def test_module_ids_are_two_hex_digits_in_either_case():
    for name in ("TDX_0A", "tdx_0a", "TDX_0a"):
        found = info(tdxModuleIdentities=[parts.module(name, 1)])
        assert module_status(found, td(1, 10)) == "UpToDate"


def test_a_module_of_another_signer_is_not_intels():
    signed = parts.module("TDX_01", 1, mrsigner="11" * 48)
    found = info(tdxModuleIdentities=[signed])
    assert module_status(found, td(6, 1)) == NO_MODULE
    assert module_status(found, td(6, 1, mr_signer_seam=b"\x11" * 48)) == "UpToDate"


def test_module_attributes_count_under_their_mask():
    masked_low = parts.module("TDX_01", 1, attributesMask="00FFFFFFFFFFFFFF")
    found = info(tdxModuleIdentities=[masked_low])
    assert module_status(found, td(6, 1, seam_attributes=b"\x01" + bytes(7))) == "UpToDate"
    assert module_status(found, td(6, 1, seam_attributes=b"\x00\x01" + bytes(6))) == NO_MODULE


def test_statuses_of_platform_module_and_enclave_are_found():
    status = tcb_status(info(), identity(), pck(), td(5, 1, 4), qe(isv_svn=3))
    assert status == TcbStatus(
        platform="UpToDate",
        platform_date="2026-11-13T00:00:00Z",
        advisory_ids=(),
        module="OutOfDate",
        qe="OutOfDate",
    )
    assert status.worst == "OutOfDate"
    assert status.report() == {
        "platform": "UpToDate",
        "platform_date": "2026-11-13T00:00:00Z",
        "advisory_ids": [],
        "module": "OutOfDate",
    }


def test_without_a_level_there_are_no_date_and_no_advisories():
    status = tcb_status(info(tcbLevels=[]), identity(tcbLevels=[]), pck(), td(5, 0), qe())
    assert status.report() == {"platform": NO_LEVEL, "platform_date": None}
    assert status.worst == NO_LEVEL
    with pytest.raises(AppraisalError, match="no matching level"):
        check_statuses(status, frozenset(STATUSES))


def test_advisories_are_sorted():
    status = tcb_status(info(), identity(), pck((2,) * 16), td(11, 1, 4), qe())
    assert status.platform == NO_LEVEL
    less = tuple(max(0, one - 1) for one in parts.COMPONENTS)
    status = tcb_status(info(), identity(), pck(less), td(11, 1, 4), qe())
    assert status.advisory_ids == ("INTEL-SA-00960", "INTEL-SA-00982")


@given(st.permutations(STATUSES))
def test_the_worst_status_is_the_worst_in_any_place(order: list[str]):
    status = TcbStatus(
        platform=order[0], platform_date=None, advisory_ids=None, module=order[1], qe=order[2]
    )
    assert STATUSES.index(status.worst) == max(STATUSES.index(one) for one in order[:3])


def test_the_quoting_enclave_is_intels():
    check_qe(qe(), identity())
    check_qe(qe(attributes=b"\x15" + bytes(7) + b"\xff" * 8), identity())
    for other in (
        qe(mr_signer=bytes(32)),
        qe(isv_prod_id=1),
        qe(attributes=b"\x13" + bytes(15)),
        qe(misc_select=b"\x00\x00\x00\x01"),
    ):
        with pytest.raises(AppraisalError):
            check_qe(other, identity())


@given(st.lists(st.integers(0, 9), max_size=5), st.integers(0, 9))
def test_an_isv_level_is_the_first_that_is_not_higher(lowest: list[int], svn: int):
    levels = identity(tcbLevels=[parts.isv_level(one) for one in lowest]).levels
    found = isv_level(levels, svn)
    wanted = next((one for one in lowest if one <= svn), None)
    assert (None if found is None else found.isv_svn) == wanted


def test_a_mask_keeps_its_bits():
    assert masked(b"\xff\x0f", b"\x0f\xff") == b"\x0f\x0f"
    with pytest.raises(ValueError, match="argument"):
        masked(b"\xff", b"\xff\xff")


def test_minimum_versions_have_names():
    found = tcb_components(td(11, 1), pck())
    assert (found["tdx_module"], found["tdx_module_major"], found["pcesvn"]) == (11, 1, 13)
    assert [found[f"sgx_{at:02}"] for at in range(1, 17)] == list(parts.COMPONENTS)
    assert tcb_components(qe(), None) == {}


@pytest.mark.parametrize(
    ("launched", "now", "lower"),
    [((7, 1), (13, 1), (7, 1)), ((7, 1), (5, 1), (5, 1)), ((2, 3), (9, 1), (9, 1))],
)
def test_the_lower_of_two_modules_counts(
    launched: tuple[int, int], now: tuple[int, int], lower: tuple[int, int]
):
    values = {
        "tee_tcb_svn": bytes((*launched, *(0,) * 14)),
        "tee_tcb_svn2": bytes((*now, *(0,) * 14)),
    }
    report = filled(TdReport15, {**TD_VALUES, **values})
    assert isinstance(report, TdReport15)
    found = tcb_components(report, None)
    assert (found["tdx_module"], found["tdx_module_major"]) == lower

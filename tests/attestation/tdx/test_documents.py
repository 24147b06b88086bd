"""Collateral is nine texts in one spelling; what is read of Intel's has type and range."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import AttestationError, MalformedEvidenceError
from attestation.tdx.documents import Collateral
from attestation.tdx.tcb_data import MAX_DOCUMENT, QeIdentity, TcbInfo
from tests.fakes.intel import intel
from tests.fakes.intel_parts import COMPONENTS, NOW, isv_level, module, platform_level, stamp

VENDOR = intel()
TEXTS: dict[str, str] = json.loads(VENDOR.collateral())


def test_texts_arrive_as_they_are():
    collateral = Collateral.parse(VENDOR.collateral())
    assert json.loads(collateral.tcb_info.text) == VENDOR.tcb_info()
    assert collateral.tcb_info.content.fmspc.hex() == "90c06f000000"
    assert collateral.qe_identity.content.isv_prod_id == 2
    spaced = json.dumps(VENDOR.tcb_info(), indent=1)
    read = Collateral.parse(json.dumps({**TEXTS, "tcb_info": spaced}).encode())
    assert read.tcb_info.text == spaced.encode()


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_refuses_a_text_that_is_missing_or_of_another_type(name: str):
    for texts in (
        {key: text for key, text in TEXTS.items() if key != name},
        {**TEXTS, name: 1},
        {**TEXTS, name: None},
    ):
        with pytest.raises(MalformedEvidenceError):
            Collateral.parse(json.dumps(texts).encode())


@pytest.mark.parametrize(
    "texts",
    [
        {"more": ""},
        {"pck_crl": ""},
        {"pck_crl": "0"},
        {"pck_crl": "AA"},
        {"root_ca_crl": "zz"},
        {"tcb_info_signature": "00" * 63},
        {"tcb_info_signature": "AA" * 64},
        {"qe_identity_signature": ""},
        {"tcb_info": "[]"},
        {"qe_identity": "{}"},
        {"tcb_info": TEXTS["tcb_info"] + " " * MAX_DOCUMENT},
    ],
)
def test_refuses_another_spelling(texts: Mapping[str, str]):
    with pytest.raises(MalformedEvidenceError):
        Collateral.parse(json.dumps({**TEXTS, **texts}).encode())


def test_refuses_a_repeated_member_anywhere():
    data = VENDOR.collateral()
    with pytest.raises(MalformedEvidenceError, match="repeated"):
        Collateral.parse(data[:-1] + b',"pck_crl":"00"}')
    document = json.dumps(VENDOR.tcb_info()).encode()
    for altered in (
        document[:-1] + b',"fmspc":"b0c06f000000"}',
        document.replace(b'"pcesvn"', b'"pcesvn":0,"pcesvn"', 1),
    ):
        with pytest.raises(MalformedEvidenceError, match="repeated"):
            TcbInfo.parse(altered)


def read_info(**values: Any) -> TcbInfo:
    return TcbInfo.parse(json.dumps(VENDOR.tcb_info(**values)).encode())


def read_identity(**values: Any) -> QeIdentity:
    return QeIdentity.parse(json.dumps(VENDOR.qe_identity(**values)).encode())


def level(**values: Any) -> dict[str, Any]:
    return {**platform_level(), **values}


def tcb(**values: Any) -> dict[str, Any]:
    return level(tcb={**platform_level()["tcb"], **values})


def test_members_nobody_reads_are_passed_over():
    assert read_info(more={"x": [1, None, True]}).fmspc == read_info().fmspc
    assert read_info(tcbLevels=[level(more="x")]).levels[0].status == "UpToDate"
    assert read_identity(more=1) == read_identity()


@pytest.mark.parametrize(
    "values",
    [
        {"id": "SEV"},
        {"id": 1},
        {"version": 2},
        {"version": True},
        {"version": 3.0},
        {"tcbType": 1},
        {"issueDate": "2026-01-01"},
        {"issueDate": "2026-13-01T00:00:00Z"},
        {"issueDate": "2026-01-01T00:00:00+00:00"},
        {"nextUpdate": NOW},
        {"tcbEvaluationDataNumber": -1},
        {"tcbEvaluationDataNumber": "18"},
        {"fmspc": "90c06f0000"},
        {"fmspc": "90c06f00000g"},
        {"pceId": ""},
        {"tcbLevels": {}},
        {"tcbLevels": [[]]},
        {"tcbLevels": [platform_level()] * 65},
        {"tcbLevels": [level(tcbStatus="Fine")]},
        {"tcbLevels": [level(tcbDate="yesterday")]},
        {"tcbLevels": [level(advisoryIDs="INTEL-SA-1")]},
        {"tcbLevels": [level(advisoryIDs=["x" * 65])]},
        {"tcbLevels": [tcb(pcesvn=2**16)]},
        {"tcbLevels": [tcb(sgxtcbcomponents=[{"svn": 0}] * 15)]},
        {"tcbLevels": [tcb(sgxtcbcomponents=[{"svn": 0}] * 17)]},
        {"tcbLevels": [tcb(sgxtcbcomponents=[{"svn": 256}] * 16)]},
        {"tcbLevels": [tcb(tdxtcbcomponents=[{}] * 16)]},
        {"tdxModuleIdentities": [module("TDX_1", 1)]},
        {"tdxModuleIdentities": [module("TDX_0G", 1)]},
        {"tdxModuleIdentities": [module("TDX_01", 1, mrsigner="00")]},
        {"tdxModuleIdentities": [module("TDX_01", 1, attributesMask="FF")]},
        {"tdxModuleIdentities": [module("TDX_01", 1)] * 65},
    ],
)
def test_refuses_another_type_or_range_in_tcb_info(values: dict[str, Any]):
    with pytest.raises(MalformedEvidenceError):
        read_info(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"id": "QVE"},
        {"version": 1},
        {"miscselect": "0"},
        {"attributes": "00" * 15},
        {"mrsigner": "00" * 33},
        {"isvprodid": 2**16},
        {"tcbLevels": None},
        {"tcbLevels": [{**isv_level(1), "tcb": {"isvsvn": "1"}}]},
        {"nextUpdate": stamp(NOW)[:-1]},
    ],
)
def test_refuses_another_type_or_range_in_qe_identity(values: dict[str, Any]):
    with pytest.raises(MalformedEvidenceError):
        read_identity(**values)


@pytest.mark.parametrize("name", ["issueDate", "nextUpdate", "fmspc", "pceId", "tcbLevels", "id"])
def test_refuses_tcb_info_that_lacks_something(name: str):
    document = VENDOR.tcb_info()
    del document[name]
    with pytest.raises(MalformedEvidenceError):
        TcbInfo.parse(json.dumps(document).encode())


def test_tcb_info_of_sgx_has_no_tdx_components():
    lacking = platform_level()
    del lacking["tcb"]["tdxtcbcomponents"]
    info = read_info(id="SGX", tcbLevels=[lacking])
    assert info.levels[0].tdx_components is None
    assert info.levels[0].components == COMPONENTS
    with pytest.raises(MalformedEvidenceError):
        read_info(tcbLevels=[lacking])


def test_deep_nesting_is_refused_before_it_is_read():
    deep = b'{"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    with pytest.raises(MalformedEvidenceError, match="nested"):
        TcbInfo.parse(deep)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_value_or_this_packages_error(data: bytes):
    for parse in (Collateral.parse, TcbInfo.parse, QeIdentity.parse):
        try:
            parse(data)
        except AttestationError:
            continue


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.sampled_from(sorted(VENDOR.tcb_info())), values)
def test_any_value_in_tcb_info_gives_a_value_or_this_packages_error(name: str, value: object):
    try:
        read_info(**{name: value})
    except MalformedEvidenceError:
        return


@given(st.sampled_from(sorted(VENDOR.qe_identity())), values)
def test_any_value_in_qe_identity_gives_a_value_or_this_packages_error(name: str, value: object):
    try:
        read_identity(**{name: value})
    except MalformedEvidenceError:
        return

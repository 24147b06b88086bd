"""Azure's report has one spelling, and its runtime data counts by its exact bytes."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.tpm.hcl import (
    MAX_REPORT,
    HardwareType,
    HashType,
    HclReport,
    Runtime,
    check_binds_runtime,
)
from attestation.tpm.public import spki
from tests.fakes.tpm import (
    TDX,
    hcl_report,
    rsa_ak,
    runtime_data,
    runtime_report_data,
    td_report,
)

RUNTIME = runtime_data(rsa_ak())
SNP_REPORT = bytes(0x50) + runtime_report_data(RUNTIME) + bytes(1184 - 0x90)
REPORT = hcl_report(SNP_REPORT, RUNTIME)


def test_parts_lie_where_the_source_says():
    report = HclReport.parse(REPORT)
    assert (report.version, report.report_type) == (2, HardwareType.SNP)
    assert report.hash_type is HashType.SHA256
    assert REPORT[:4] == b"HCLA"
    assert (report.hardware, report.runtime_data) == (REPORT[32:1216], RUNTIME)
    assert report.report_data == runtime_report_data(RUNTIME)
    assert list(report.runtime.keys) == ["HCLAkPub", "HCLEkPub"]
    assert report.runtime.user_data == "00" * 64
    assert spki(report.runtime.ak()) == rsa_ak().spki
    assert report.encode() == REPORT


def test_a_td_report_has_its_report_data_elsewhere():
    binds = runtime_report_data(RUNTIME)
    report = HclReport.parse(hcl_report(td_report(binds), RUNTIME, kind=TDX))
    assert report.report_type is HardwareType.TDX
    assert report.report_data == binds


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ({0: b"HCLB"}, "another magic or version"),
        ({4: b"\3"}, "another magic or version"),
        ({8: b"\0\0"}, "sizes"),
        ({12: b"\1"}, "of request 1 with status 0"),
        ({16: b"\1"}, "of request 2 with status 1"),
        ({20: b"\1"}, "of request"),
        ({31: b"\1"}, "of request"),
        ({1216: b"\0\0"}, "sizes"),
        ({1220: b"\2"}, "another magic or version"),
        ({1224: b"\3"}, "of type 3 with hash 1"),
        ({1228: b"\0"}, "of type 2 with hash 0"),
        ({1228: b"\4"}, "of type 2 with hash 4"),
        ({1232: struct.pack("<I", 2**32 - 1)}, "sizes"),
        ({2599: b"\1"}, "room that is not zero"),
        ({1236: b"["}, "runtime data"),
    ],
)
def test_refuses_by_name(after, reason: str):
    with pytest.raises(MalformedEvidenceError, match=reason):
        HclReport.parse(hcl_report(SNP_REPORT, RUNTIME, after=after))


def test_refuses_what_follows_a_td_report():
    data = hcl_report(td_report(bytes(64)), RUNTIME, kind=TDX, after={32 + 1024: b"\1"})
    with pytest.raises(MalformedEvidenceError, match="room that is not zero"):
        HclReport.parse(data)


def test_refuses_a_length_out_of_bounds():
    for data in (b"", REPORT[:1236], REPORT.ljust(MAX_REPORT + 1, b"\0")):
        with pytest.raises(MalformedEvidenceError, match="HCL report"):
            HclReport.parse(data)
    short = REPORT[: 1236 + len(RUNTIME)]
    assert HclReport.parse(short).room == 0
    with pytest.raises(MalformedEvidenceError, match="sizes"):
        HclReport.parse(short[:-1])


@pytest.mark.parametrize(("number", "name"), [(1, "sha256"), (2, "sha384"), (3, "sha512")])
def test_report_data_begins_with_the_digest(number: int, name: str):
    report = HclReport.parse(hcl_report(SNP_REPORT, RUNTIME, hash_type=number))
    good = runtime_report_data(RUNTIME, name)
    check_binds_runtime(report, good)
    for other in (runtime_report_data(RUNTIME + b" ", name), b"\1" + good[:-1], b"", good[:20]):
        with pytest.raises(AppraisalError, match=f"report data: expected {name.upper()}"):
            check_binds_runtime(report, other)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a JSON document"),
        (b"{}", "member 'keys' is missing"),
        (b'{"keys":[],"keys":[]}', "repeated"),
        (b'{"keys":{}}', "expected a list"),
        (b'{"keys":[{}]}', "member 'kid' is missing"),
        (b'{"keys":[{"kid":"a"},{"kid":"a"}]}', "two keys 'a'"),
        (b'{"keys":[],"x":1.5}', "not an integer"),
        (b'{"keys":[' + b'{"kid":"a"},' * 16 + b'{"kid":"b"}]}', "at most 16 items"),
        (b'{"keys":[]}' + b" " * 8192, "at most 8192"),
        (b'{"keys":[],"user-data":7}', "expected a string"),
    ],
)
def test_refuses_runtime_data_by_name(data: bytes, reason: str):
    with pytest.raises(MalformedEvidenceError, match=reason):
        Runtime.parse(data)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"kid": "HCLEkPub"}, "no RSA key HCLAkPub"),
        ({"kty": "EC"}, "no RSA key HCLAkPub"),
        ({"n": "+/=="}, "not base64url"),
        ({"n": ""}, "not base64url"),
        ({"n": "AQB"}, "another spelling"),
        ({"n": "A"}, "not base64url"),
        ({"n": "AQAB"}, "AK"),
        ({"e": "Ag"}, "AK"),
    ],
)
def test_the_ak_is_one_rsa_key_that_counts(members, reason: str):
    data = json.dumps({"keys": [rsa_ak().jwk(**members)]}).encode()
    with pytest.raises(MalformedEvidenceError, match=reason):
        Runtime.parse(data).ak()


def test_members_of_microsofts_are_left_alone():
    data = runtime_data(rsa_ak(), vm_configuration={"vmUniqueId": "A", "new": [1, None]}, new={})
    runtime = Runtime.parse(data)
    assert runtime.vm_configuration == {"vmUniqueId": "A", "new": [1, None]}
    bare = Runtime.parse(runtime_data(rsa_ak(), vm_configuration=None, user_data=None))
    assert (bare.vm_configuration, bare.user_data) == (None, None)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_report_or_refused(data: bytes):
    middle = REPORT[: 1236 - len(data) // 2] + data
    for whole in (data, REPORT[:1236] + data, middle.ljust(2600, b"\0")):
        try:
            report = HclReport.parse(whole)
        except MalformedEvidenceError:
            continue
        assert report.encode() == whole

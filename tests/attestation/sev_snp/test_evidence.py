"""A report has the bytes of AMD 56860, and no others."""

import struct

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.sev_snp.evidence import (
    FIELDS,
    LAYOUT,
    NAMES,
    REPORT_SIZE,
    SIGNED_SIZE,
    VERSIONS,
    Report,
    check_signature,
)
from tests.fakes.amd import Amd, leaf_key, patched, rsa_key, tcb

AMD = Amd("Milan")
CHIP = AMD.vcek()


def test_the_table_has_no_gap_and_no_overlap():
    at = 0
    for field in FIELDS:
        assert field.offset == at, field
        at += field.size
    assert at == LAYOUT.size == REPORT_SIZE


def test_the_table_names_the_fields_of_a_report():
    assert Report._fields == NAMES


def test_fields_lie_where_the_document_says():
    data = bytearray(REPORT_SIZE)
    data[0x000:0x004] = struct.pack("<I", 5)
    data[0x008:0x010] = bytes.fromhex("0102030405060708")
    data[0x030] = 2
    data[0x048] = 0b111_0_1
    data[0x050:0x090] = b"d" * 64
    data[0x090:0x0C0] = b"m" * 48
    data[0x180:0x188] = bytes(range(8))
    data[0x188:0x18B] = b"\x1a\x02\x01"
    data[0x1A0:0x1E0] = b"c" * 64
    data[0x1E8:0x1EB] = b"\x03\x37\x01"
    data[0x1F8] = 7
    data[0x2A0:0x2D0] = b"r" * 48
    data[0x2E8:0x318] = b"s" * 48
    report = Report.parse(bytes(data))
    assert report.policy == 0x0807060504030201
    assert (report.vmpl, report.signing_key, report.signer_info & 1) == (2, "NONE", 1)
    assert (report.report_data, report.measurement) == (b"d" * 64, b"m" * 48)
    assert (report.reported_tcb, report.chip_id) == (bytes(range(8)), b"c" * 64)
    assert (report.cpuid_family, report.cpuid_model, report.cpuid_stepping) == (0x1A, 2, 1)
    assert (report.current_major, report.current_minor, report.current_build) == (1, 55, 3)
    assert report.launch_mit_vector == 7
    assert (report.signature_r, report.signature_s) == (b"r" * 48, b"s" * 48)


@pytest.mark.parametrize("version", VERSIONS)
def test_reads_what_it_writes(version: int):
    report = AMD.fields(CHIP, version)
    assert Report.parse(report.encode()) == report


@pytest.mark.parametrize("version", [0, 1, 6, 2**32 - 1])
def test_refuses_an_unknown_version_by_name(version: int):
    with pytest.raises(MalformedEvidenceError, match=f"version {version},"):
        Report.parse(AMD.report(CHIP, before={0: struct.pack("<I", version)}))


@pytest.mark.parametrize("size", [0, 1, REPORT_SIZE - 1, REPORT_SIZE + 1, 4 * REPORT_SIZE])
def test_refuses_another_length(size: int):
    with pytest.raises(MalformedEvidenceError, match=f"{size} bytes"):
        Report.parse((AMD.report(CHIP) * 4)[:size])


@pytest.mark.parametrize("version", VERSIONS)
def test_what_has_no_meaning_is_zero(version: int):
    data = AMD.report(CHIP, version)
    silent = [field for field in FIELDS if field.since > version]
    assert len(silent) == {2: 13, 3: 10, 4: 10, 5: 8}[version]
    for field in silent:
        for offset in (field.offset, field.offset + field.size - 1):
            with pytest.raises(MalformedEvidenceError, match="is not zero"):
                Report.parse(patched(data, {offset: b"\x80"}))


@pytest.mark.parametrize("number", range(8))
def test_names_the_signing_key(number: int):
    names = {0: "VCEK", 1: "VLEK", 7: "NONE"}
    report = AMD.fields(CHIP, signer_info=number << 2 | 0b11)
    assert report.signing_key == names.get(number, str(number))


def test_a_signature_is_over_exactly_the_first_bytes():
    data = AMD.report(CHIP)
    report = Report.parse(data)
    assert report.signed_bytes() == data[:SIGNED_SIZE]
    check_signature(report, CHIP.key.public_key(), signer="test")
    for changed in (
        report._replace(report_data=bytes(64)),
        report._replace(signature_r=report.signature_s, signature_s=report.signature_r),
        report._replace(signature_r=bytes(48)),
        report._replace(signature_s=b"\xff" * 48),
        report._replace(signature_r=report.signature_r[::-1]),
    ):
        with pytest.raises(AppraisalError, match="does not verify"):
            check_signature(changed, CHIP.key.public_key(), signer="test")


def test_refuses_the_signature_of_another_key():
    report = Report.parse(AMD.report(CHIP))
    with pytest.raises(AppraisalError, match="does not verify"):
        check_signature(report, leaf_key("stranger").public_key(), signer="test")


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP256R1()), rsa_key("small", 2048)])
def test_refuses_keys_of_another_kind(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
    with pytest.raises(AppraisalError, match="P-384"):
        check_signature(Report.parse(AMD.report(CHIP)), key.public_key(), signer="test")


@pytest.mark.parametrize("algorithm", [0, 2, 2**32 - 1])
def test_refuses_another_signature_algorithm(algorithm: int):
    report = Report.parse(AMD.report(CHIP, signature_algo=algorithm))
    with pytest.raises(AppraisalError, match="signature algorithm"):
        check_signature(report, CHIP.key.public_key(), signer="test")


def test_tcb_versions_are_written_as_the_document_says():
    milan = tcb("Milan", bootloader=2, tee=0, snp=5, microcode=0x44)
    assert milan == bytes.fromhex("0200000000000544")
    turin = tcb("Turin", fmc=1, bootloader=2, tee=3, snp=4, microcode=0x4B)
    assert turin == bytes.fromhex("010203040000004b")


@given(st.binary(max_size=1300))
def test_any_bytes_give_a_report_or_this_packages_error(data: bytes):
    try:
        Report.parse(data)
    except MalformedEvidenceError:
        pass


@given(st.sampled_from(VERSIONS), st.binary(min_size=REPORT_SIZE, max_size=REPORT_SIZE))
def test_what_parses_is_written_back_the_same(version: int, rest: bytes):
    zeros = {f.offset: bytes(f.size) for f in FIELDS if f.since > version}
    data = patched(rest, {0: struct.pack("<I", version), **zeros})
    assert Report.parse(data).encode() == data


@given(st.sampled_from(VERSIONS), st.integers(0, REPORT_SIZE - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_another_report(version: int, offset: int, change: int):
    data = AMD.fields(CHIP, version).encode()
    altered = patched(data, {offset: bytes((data[offset] ^ change,))})
    try:
        assert Report.parse(altered) != Report.parse(data)
    except MalformedEvidenceError:
        pass

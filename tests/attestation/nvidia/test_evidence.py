"""A report has one spelling: any bytes are a report with all its fields, or refused."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.nvidia.evidence import Opaque, Report
from attestation.nvidia.fields import fields
from attestation.nvidia.signatures import check_signature
from tests.fakes.nvidia import NONCE, key_of, message, nvidia, value_of

GPU = nvidia()
CHIP = GPU.device()
REPORT = GPU.report(CHIP)
RECORD, OPAQUE = 37 + 8, 37 + 8 + 64 * 55 + 32 + 2
"""Offsets of the first block and of the first opaque data."""


def written(blocks: dict[int, bytes], opaque: dict[int, bytes]) -> bytes:
    return message(blocks, opaque, nonce=NONCE, key=CHIP.key)


@pytest.mark.parametrize("chip", ["GH100", "GB100", "LS_10"])
def test_reads_every_field(chip):
    vendor = nvidia(chip)
    device = vendor.device()
    report = Report.parse(vendor.report(device))
    assert report.nonce == NONCE
    assert report.slot == 0
    assert report.measurements == {n: value_of(n) for n in range(1, vendor.block_count + 1)}
    assert report.opaque == vendor.opaque(device)
    check_signature(report, device.key.public_key(), signer="leaf")


def test_names_the_fields_of_a_gpu():
    found = fields(Report.parse(REPORT))
    assert found["vbios_version"] == "96.00.9F.00.01"
    assert found["driver_version"] == "550.90.07"
    assert found["chip_sku"] == "882"
    assert found["fwid"] == CHIP.fwid.hex()
    assert found["measurement_1"] == value_of(1).hex()
    assert found["measurement_sizes"] == [48]
    blocks = b"".join(bytes((n,)) + value_of(n) for n in range(1, 65))
    assert found["measurements_digest"] == hashlib.sha256(blocks).hexdigest()
    assert "trailing_bytes" not in found
    assert "switch_pdi" not in found


def test_names_the_fields_of_a_switch():
    switch = nvidia("LS_10")
    chip = switch.device()
    found = fields(Report.parse(switch.report(chip)))
    assert found["vbios_version"] == "96.10.55.00.01"
    assert found["switch_pdi"] == chip.pdi.hex()
    assert "driver_version" not in found


def test_bytes_after_the_signature_are_told_and_refused():
    report, rest = Report.split(REPORT + b"more")
    assert report == Report.parse(REPORT)
    assert fields(report, rest)["trailing_bytes"] == b"more".hex()
    with pytest.raises(MalformedEvidenceError, match="4 bytes after the signature"):
        Report.parse(REPORT + b"more")


@pytest.mark.parametrize("size", [0, 1, 4, 36, 37, 44, 45, RECORD + 54, OPAQUE - 1, OPAQUE + 3])
def test_rejects_a_cut_report(size):
    with pytest.raises(MalformedEvidenceError):
        Report.parse(REPORT[:size])


def test_rejects_every_missing_byte_at_the_end():
    for missing in range(1, 200):
        with pytest.raises(MalformedEvidenceError):
            Report.parse(REPORT[:-missing])


@pytest.mark.parametrize(
    ("offset", "value", "why"),
    [
        (0, b"\x12", "request of SPDM 1.1"),
        (1, b"\xe1", "request of SPDM 1.1"),
        (2, b"\x00", "request of SPDM 1.1"),
        (3, b"\xfe", "request of SPDM 1.1"),
        (37, b"\x10", "response of SPDM 1.1"),
        (38, b"\x61", "response of SPDM 1.1"),
        (41, b"\x3f", "more measurements than it counts"),
        (41, b"\x41", "the measurement record is cut"),
        (41, b"\x00", "more measurements than it counts"),
        (42, b"\xff", "more measurements than it counts"),
        (44, b"\xff", "the report is cut"),
        (RECORD, b"\x00", "rising order"),
        (RECORD, b"\x02", "rising order"),
        (RECORD + 1, b"\x02", "DMTF"),
        (RECORD + 2, b"\x34", "DMTF"),
        (RECORD + 5, b"\x31", "DMTF"),
        (OPAQUE + 2, b"\x07", "the opaque data is cut|opaque data|SWITCH|VBIOS"),
    ],
)
def test_rejects_other_headers_and_lengths(offset, value, why):
    with pytest.raises(MalformedEvidenceError, match=why):
        Report.parse(GPU.report(CHIP, before={offset: value}))


def test_rejects_a_report_without_measurements():
    with pytest.raises(MalformedEvidenceError, match="rising order"):
        Report.parse(written({}, {}))


def test_rejects_an_empty_measurement():
    with pytest.raises(MalformedEvidenceError, match="DMTF"):
        Report.parse(written({1: b""}, {}))


def test_a_measurement_may_be_left_out():
    report = Report.parse(GPU.report(CHIP, blocks={1: None}))
    assert fields(report)["measurement_1"] is None


def test_rejects_opaque_data_that_stands_there_twice():
    twice = (bytes.fromhex("0b000100aa") * 2).ljust(14, b"\0")
    data = written({1: b"x"}, {0x0B: b"\xaa", 0x0C: bytes(5)}).replace(
        bytes.fromhex("0b000100aa0c000500") + bytes(5), twice
    )
    with pytest.raises(MalformedEvidenceError, match="opaque data 11 stands there twice"):
        Report.parse(data)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Opaque.NVDEC0_STATUS, b""),
        (Opaque.NVDEC0_STATUS, b"\xaa\xaa"),
        (Opaque.FWID, bytes(47)),
        (Opaque.PROTECTED_PCIE_STATUS, b""),
        (Opaque.SWITCH_PDIS, bytes(9)),
        (Opaque.DRIVER_VERSION, b"550\xff"),
        (Opaque.DRIVER_VERSION, b"550\n"),
        (Opaque.DRIVER_VERSION, b"5\x0050"),
        (Opaque.VBIOS_VERSION, b"\xff"),
    ],
)
def test_rejects_opaque_data_that_cannot_be_read(kind, value):
    with pytest.raises(MalformedEvidenceError, match=kind.name):
        Report.parse(GPU.report(CHIP, opaque={kind: value}))


def test_opaque_data_of_other_types_is_kept():
    report = Report.parse(GPU.report(CHIP, opaque={255: b"anything", 4711: b""}))
    assert report.opaque[255] == b"anything"


@pytest.mark.parametrize("name", ["another", "BROM"])
def test_rejects_the_signature_of_another_key(name):
    report = Report.parse(GPU.report(CHIP, key=key_of(name)))
    with pytest.raises(AppraisalError, match="does not verify"):
        check_signature(report, CHIP.key.public_key(), signer="leaf")


@pytest.mark.parametrize("signature", [bytes(96), b"\xff" * 96, b"\0" * 47 + b"\1" + bytes(48)])
def test_rejects_signatures_that_are_none(signature):
    report = Report.parse(REPORT[:-96] + signature)
    with pytest.raises(AppraisalError, match="does not verify"):
        check_signature(report, CHIP.key.public_key(), signer="leaf")


def test_a_million_measurements_do_not_fit():
    with pytest.raises(MalformedEvidenceError, match="more than"):
        Report.parse(REPORT[:45] + b"\1\1\4\0\1\1\0x" * 10**6)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_report_or_refused(data):
    for start in (b"", REPORT[:37], REPORT[:45], REPORT[:OPAQUE]):
        try:
            report = Report.parse(start + data)
        except MalformedEvidenceError:
            continue
        assert report.signed + report.signature == start + data
        fields(report)


@settings(deadline=None)
@given(st.integers(0, len(REPORT) - 1), st.binary(min_size=1, max_size=8))
def test_a_changed_report_still_reads_or_is_refused(offset, value):
    changed = REPORT[:offset] + value + REPORT[offset + len(value) :]
    try:
        report = Report.parse(changed)
    except MalformedEvidenceError:
        return
    assert report.signed + report.signature == changed

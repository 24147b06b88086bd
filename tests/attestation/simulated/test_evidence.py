"""Quote and device report have the bytes of docs/formats.md, and no others."""

import struct
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import AppraisalError, AttestationError, MalformedEvidenceError
from attestation.simulated.evidence import (
    DEBUG,
    MIGRATABLE,
    DeviceReport,
    Quote,
    check_signature,
    device_blocks,
    sign,
)

KEY = ec.generate_private_key(ec.SECP384R1())
QUOTE = Quote(
    flags=DEBUG | MIGRATABLE,
    firmware=0x0102,
    microcode=0x0304,
    machine_id=b"m" * 32,
    measurement=b"l" * 48,
    registers=(b"0" * 48, b"1" * 48, b"2" * 48, b"3" * 48),
    report_data=b"d" * 64,
    signature=b"s" * 96,
)
BYTES = (
    b"OPSQ" + bytes.fromhex("0001 0003 0102 0304 00000000")
    + b"m" * 32 + b"l" * 48 + b"0" * 48 + b"1" * 48 + b"2" * 48 + b"3" * 48 + b"d" * 64 + b"s" * 96
)  # fmt: skip


def test_a_quote_has_the_documented_bytes():
    assert len(BYTES) == 448
    assert QUOTE.encode() == BYTES
    assert QUOTE.signed_bytes() == BYTES[:352]
    assert Quote.parse(BYTES) == QUOTE


@pytest.mark.parametrize(
    ("at", "value"),
    [(0, b"OPSR"), (4, b"\x00\x02"), (6, b"\x80\x00"), (6, b"\x00\x04"), (12, b"\x00\x00\x00\x01")],
)
def test_refuses_another_magic_version_or_reserved_bit(at: int, value: bytes):
    with pytest.raises(MalformedEvidenceError):
        Quote.parse(BYTES[:at] + value + BYTES[at + len(value) :])


@pytest.mark.parametrize("data", [b"", BYTES[:-1], BYTES + b"\x00"])
def test_refuses_another_length(data: bytes):
    with pytest.raises(MalformedEvidenceError):
        Quote.parse(data)


REPORT = DeviceReport(nonce=b"n" * 32, blocks=(b"a" * 48, b"b" * 48), signature=b"s" * 96)
REPORT_BYTES = b"OPSD\x00\x01\x00\x02" + b"n" * 32 + b"a" * 48 + b"b" * 48 + b"s" * 96


def test_a_device_report_has_the_documented_bytes():
    assert REPORT.encode() == REPORT_BYTES
    assert REPORT.signed_bytes() == REPORT_BYTES[:-96]
    assert DeviceReport.parse(REPORT_BYTES) == REPORT


@pytest.mark.parametrize(
    "data",
    [
        b"",
        REPORT_BYTES[:-1],
        REPORT_BYTES + b"\x00",
        b"OPSE" + REPORT_BYTES[4:],
        REPORT_BYTES[:4] + b"\x00\x02" + REPORT_BYTES[6:],
        REPORT_BYTES[:6] + b"\x00\x01" + REPORT_BYTES[8:],
        REPORT_BYTES[:6] + b"\x00\x00" + REPORT_BYTES[8:40] + b"s" * 96,
        REPORT_BYTES[:6] + b"\x00\x41" + REPORT_BYTES[8:40] + bytes(48 * 65) + b"s" * 96,
    ],
)
def test_refuses_another_device_report(data: bytes):
    with pytest.raises(MalformedEvidenceError):
        DeviceReport.parse(data)


def test_a_signature_is_r_and_s_over_exactly_these_bytes():
    signature = sign(KEY, b"data")
    assert len(signature) == 96
    check_signature(KEY.public_key(), signature, b"data", signer="test")
    for wrong_signature, wrong_data in [
        (signature, b"date"),
        (signature[48:] + signature[:48], b"data"),
        (bytes(96), b"data"),
        (b"\xff" * 96, b"data"),
    ]:
        with pytest.raises(AppraisalError):
            check_signature(KEY.public_key(), wrong_signature, wrong_data, signer="test")


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()]
)
def test_refuses_keys_of_another_kind(key):
    with pytest.raises(AppraisalError, match="P-384"):
        check_signature(key.public_key(), bytes(96), b"data", signer="test")


def test_the_device_has_one_block_per_piece_of_firmware():
    assert len(set(device_blocks())) == 2


@given(st.binary(max_size=500))
def test_any_bytes_give_a_value_or_this_packages_error(data: bytes):
    for parse in (Quote.parse, DeviceReport.parse):
        try:
            parse(data)
        except AttestationError:
            continue


@given(st.binary(min_size=432, max_size=432), st.integers(0, 3))
def test_what_parses_is_written_back_the_same(rest: bytes, flags: int):
    data = struct.pack(">4sHHHHI", b"OPSQ", 1, flags, 1, 1, 0) + rest
    assert Quote.parse(data).encode() == data


@given(st.integers(1, 64), st.binary(min_size=32, max_size=32))
def test_a_device_report_is_written_back_the_same(count: int, nonce: bytes):
    report = replace(REPORT, nonce=nonce, blocks=(bytes(48),) * count)
    assert DeviceReport.parse(report.encode()) == report

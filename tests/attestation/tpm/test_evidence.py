"""A quote message has the bytes of TPM 2.0 Part 2, 10.12, and no others."""

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.tcg_log import Bank
from attestation.tpm.evidence import (
    MAX_EXTRA,
    MAX_SELECTIONS,
    Attest,
    Selection,
    bank_named,
    check_pcr_digest,
    composite,
)
from tests.fakes.tpm import SHA1, SHA256, SHA384, digest_of, message, pcr_values, selection

PCRS = pcr_values()


def test_fields_lie_where_the_document_says():
    data = bytes.fromhex(
        "ff544347 8018 0004 000b0102 0003 aabbcc 0000000000000001 00000002 00000003 01"
        "0000000000000004 00000002 000b 03 010080 000c 03 000000 0002 ddee".replace(" ", "")
    )
    attest = Attest.parse(data)
    assert attest.qualified_signer == b"\x00\x0b\x01\x02"
    assert attest.extra_data == b"\xaa\xbb\xcc"
    assert (attest.clock, attest.reset_count, attest.restart_count) == (1, 2, 3)
    assert (attest.safe, attest.firmware_version) == (True, 4)
    assert [(one.algorithm, one.pcrs) for one in attest.selections] == [(11, (0, 23)), (12, ())]
    assert attest.pcr_digest == b"\xdd\xee"
    assert data[attest.extra_data_offset :][:3] == attest.extra_data
    assert data[attest.selections_offset :][:4] == (2).to_bytes(4, "big")
    assert attest.encode() == data


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"magic": 0xFF544346}, "not made by a TPM"),
        ({"magic": 0}, "not made by a TPM"),
        ({"kind": 0x8017}, "of type 0x8017, no quote"),
        ({"kind": 0x801A}, "of type 0x801a, no quote"),
        ({"safe": 2}, "neither yes nor no, but 2"),
        ({"extra_data": bytes(MAX_EXTRA + 1)}, "extra data of 67 bytes, at most 66"),
        ({"qualified_signer": bytes(67)}, "qualified signer of 67 bytes"),
        ({"pcr_digest": bytes(65)}, "PCR digest of 65 bytes"),
        ({"selections": (selection(),) * (MAX_SELECTIONS + 1)}, "17 selections, at most 16"),
        ({"selections": (struct.pack(">HB", SHA384, 0),)}, "a bitmap of 0 bytes"),
        ({"selections": (selection(size=5),)}, "a bitmap of 5 bytes"),
        ({"trailing": b"\0"}, "1 bytes follow"),
    ],
)
def test_refuses_by_name(changes, reason: str):
    with pytest.raises(MalformedEvidenceError, match=f"quote message: {reason}"):
        Attest.parse(message(PCRS, **changes))


def test_is_refused_wherever_it_is_cut():
    data = message(PCRS)
    for size in range(len(data)):
        with pytest.raises(MalformedEvidenceError):
            Attest.parse(data[:size])


def test_says_how_long_it_is_where_bytes_may_follow():
    data = message(PCRS)
    assert Attest.read(data + b"room") == (Attest.parse(data), len(data))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(data: bytes):
    for whole in (data, message(PCRS)[: len(data) // 2] + data):
        try:
            attest = Attest.parse(whole)
        except MalformedEvidenceError:
            continue
        assert attest.encode() == whole


@given(
    st.lists(st.sets(st.integers(0, 31)).map(lambda one: tuple(sorted(one))), max_size=3),
    st.binary(max_size=66),
)
def test_reads_what_the_specification_writes(selected: list[tuple[int, ...]], extra: bytes):
    selections = tuple(selection(one, size=4) for one in selected)
    data = message(PCRS, extra_data=extra, selections=selections)
    attest = Attest.parse(data)
    assert [one.pcrs for one in attest.selections] == selected
    assert attest.extra_data == extra
    assert attest.encode() == data


def test_the_digest_is_over_the_values_in_the_order_of_selections():
    low, high = {0: b"a" * 32, 8: b"b" * 32}, {4: b"c" * 48}
    selections = (
        Selection.of(Bank.SHA384, (4,)),
        Selection.of(Bank.SHA256, (0, 8)),
    )
    found = composite(selections, {Bank.SHA256: low, Bank.SHA384: high}, Bank.SHA512)
    assert found == hashlib.sha512(high[4] + low[0] + low[8]).digest()


def test_every_selected_value_must_be_there_and_no_other():
    attest = Attest.parse(message(PCRS))
    check_pcr_digest(attest, {Bank.SHA384: PCRS}, Bank.SHA256)
    missing = {pcr: value for pcr, value in PCRS.items() if pcr != 9}
    for pcrs, reason in (
        ({Bank.SHA384: missing}, "expected PCR 9 of SHA384, found no value"),
        ({}, "expected PCR 0 of SHA384, found no value"),
        ({Bank.SHA384: PCRS, Bank.SHA256: {3: bytes(32)}}, "found PCR 3 of SHA256"),
        ({Bank.SHA256: pcr_values(SHA256)}, "expected PCR 0 of SHA384, found no value"),
    ):
        with pytest.raises(AppraisalError, match=reason):
            check_pcr_digest(attest, pcrs, Bank.SHA256)


@pytest.mark.parametrize("pcr", [0, 10, 23])
def test_another_value_gives_another_digest(pcr: int):
    attest = Attest.parse(message(PCRS))
    other = PCRS | {pcr: b"x" * 48}
    with pytest.raises(AppraisalError, match=r"PCR digest: expected .* found quoted"):
        check_pcr_digest(attest, {Bank.SHA384: other}, Bank.SHA256)


def test_the_digest_is_by_the_hash_of_the_signature():
    attest = Attest.parse(message(PCRS, hashed=SHA384))
    check_pcr_digest(attest, {Bank.SHA384: PCRS}, Bank.SHA384)
    with pytest.raises(AppraisalError, match="PCR digest"):
        check_pcr_digest(attest, {Bank.SHA384: PCRS}, Bank.SHA256)


def test_a_bank_we_cannot_name_is_refused():
    sm3 = 0x12
    data = message(PCRS, selections=(selection((0,), sm3),), pcr_digest=digest_of({0: bytes(32)}))
    with pytest.raises(AppraisalError, match=r"expected a bank of SHA1, .* found algorithm 0x0012"):
        check_pcr_digest(Attest.parse(data), {}, Bank.SHA256)


def test_banks_have_one_name():
    assert bank_named("sha1") == SHA1
    for name in ("SHA256", "sha3", "", "sha256 "):
        with pytest.raises(MalformedEvidenceError, match="no bank"):
            bank_named(name)

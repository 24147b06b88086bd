"""The table of certificates beside a report, which any host may write as it likes."""

import struct
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import MalformedEvidenceError
from attestation.sev_snp.certificate_table import (
    GUIDS,
    MAX_ENTRIES,
    MAX_TABLE,
    parse_certificate_table,
)

NAMED = {name: UUID(text).bytes for text, name in GUIDS.items()}
END = bytes(24)


def entry(guid: bytes, offset: int, size: int) -> bytes:
    return guid + struct.pack("<II", offset, size)


def table(*certificates: tuple[bytes, bytes]) -> bytes:
    """Write GUIDs and bytes one after the other, as hosts do."""
    at = 24 * (len(certificates) + 1)
    head = body = b""
    for guid, data in certificates:
        head += entry(guid, at + len(body), len(data))
        body += data
    return head + END + body


def test_reads_certificates_by_name():
    blob = table((NAMED["vcek"], b"leaf"), (NAMED["ask"], b"middle"), (NAMED["ark"], b"root"))
    assert blob.startswith(bytes.fromhex("63da758de6644564adc5f4b93be8accd 60000000 04000000"))
    found = parse_certificate_table(blob)
    assert found == {"vcek": b"leaf", "ask": b"middle", "ark": b"root"}


def test_padding_behind_the_last_certificate_is_no_certificate():
    assert parse_certificate_table(table((NAMED["vlek"], b"leaf")) + bytes(4096)) == {
        "vlek": b"leaf"
    }


def test_an_unknown_kind_keeps_its_guid():
    other = UUID("00112233-4455-6677-8899-aabbccddeeff")
    assert parse_certificate_table(table((other.bytes, b"x"))) == {str(other): b"x"}


@pytest.mark.parametrize("blob", [b"", END, bytes(4096)])
def test_a_host_may_have_no_certificates(blob: bytes):
    assert parse_certificate_table(blob) == {}


VCEK = NAMED["vcek"]


@pytest.mark.parametrize(
    "blob",
    [
        b"\0",
        END[:-1],
        entry(VCEK, 24, 1),  # no end
        entry(VCEK, 24, 1) + END[:-1],
        entry(VCEK, 47, 1) + END + b"x",  # in the table
        entry(VCEK, 0, 1) + END + b"x",
        entry(VCEK, 48, 2) + END + b"x",  # behind the blob
        entry(VCEK, 49, 1) + END + b"x",
        entry(VCEK, 2**32 - 1, 2**32 - 1) + END + b"x",
        entry(VCEK, 48, 2**32 - 1) + END + b"x",
        entry(VCEK, 48, 0) + END + b"x",  # empty
        entry(bytes(16), 48, 0) + END + b"x",
        entry(VCEK, 72, 2) + entry(NAMED["ask"], 73, 2) + END + b"xyz",  # overlap
        entry(VCEK, 72, 3) + entry(NAMED["ask"], 73, 1) + END + b"xyz",
        entry(VCEK, 72, 2) + entry(NAMED["ask"], 72, 2) + END + b"xyz",
        table((VCEK, b"x"), (VCEK, b"y")),  # twice
        table(*((struct.pack("<QQ", 1, n), b"x") for n in range(MAX_ENTRIES + 1))),
        bytes(MAX_TABLE + 1),
    ],
)
def test_refuses_what_points_outside_or_twice(blob: bytes):
    with pytest.raises(MalformedEvidenceError):
        parse_certificate_table(blob)


def test_reads_as_many_entries_as_are_allowed():
    entries = [(struct.pack("<QQ", 1, n), b"x") for n in range(MAX_ENTRIES)]
    assert len(parse_certificate_table(table(*entries))) == MAX_ENTRIES


@given(st.binary(max_size=300))
def test_any_bytes_give_a_table_or_this_packages_error(blob: bytes):
    try:
        parse_certificate_table(blob)
    except MalformedEvidenceError:
        pass


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), max_size=8))
def test_what_is_given_out_lies_in_the_blob_once(places: list[tuple[int, int]]):
    head = b"".join(
        entry(struct.pack("<QQ", 7, n), at, size) for n, (at, size) in enumerate(places)
    )
    blob = (head + END).ljust(400, b"x")
    try:
        found = parse_certificate_table(blob)
    except MalformedEvidenceError:
        return
    assert len(found) == len(places)
    assert sum(map(len, found.values())) <= len(blob) - len(head + END)

"""The header: one spelling, and each form broken by itself."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.protocol.errors import (
    ExpiredError,
    MalformedError,
    ProtocolError,
    TooLargeError,
    TruncatedError,
    UnsupportedError,
)
from openpcc.protocol.sealing import MAX_REQUEST, Header, Prefix, check_header, check_size
from tests.openpcc.protocol.sealing.made import HYBRID_KEYS, KEYS, NOW, seal

SEALED = seal()
HEADER = SEALED.header
ENCODED = HEADER.encode()


def spliced(at, replacement):
    return ENCODED[:at] + replacement + ENCODED[at + len(replacement) :]


def test_stands_where_the_sheet_says():
    assert SEALED.body.startswith(ENCODED)
    assert ENCODED[:8].hex() == "0100200001000203"
    assert ENCODED[8:20] == (NOW + 120).to_bytes(8, "big") + (1024).to_bytes(4, "big")
    assert ENCODED[116:] == b"".join(key.id for key in KEYS)
    assert Header.parse(SEALED.body) == HEADER


def test_a_hybrid_prefix_for_three_has_3716_bytes():
    assert Prefix.parse(seal(HYBRID_KEYS).body).size == 3716


@pytest.mark.parametrize(
    ("at", "replacement", "error"),
    [
        (0, b"\x02", UnsupportedError),
        (1, b"\x00\x10", UnsupportedError),
        (1, b"\x64\x7b", UnsupportedError),
        (3, b"\x00\x02", UnsupportedError),
        (5, b"\x00\x01", UnsupportedError),
        (7, b"\x00", MalformedError),
        (7, b"\x09", MalformedError),
        (8, (NOW + 121).to_bytes(8, "big"), MalformedError),
        (16, (1023).to_bytes(4, "big"), MalformedError),
        (16, (128).to_bytes(4, "big"), MalformedError),
        (16, (1).to_bytes(4, "big"), MalformedError),
        (148, KEYS[0].id, MalformedError),
    ],
)
def test_refuses_each_field_that_is_not_of_its_form(at, replacement, error):
    with pytest.raises(error):
        Header.parse(spliced(at, replacement))


@pytest.mark.parametrize("budget", [0, 256, 512, 1 << 31])
def test_accepts_every_budget_class(budget):
    assert Header.parse(spliced(16, budget.to_bytes(4, "big"))).max_output == budget


def test_every_cut_is_truncated():
    for end in range(len(ENCODED)):
        with pytest.raises(TruncatedError):
            Header.parse(ENCODED[:end])
    for end in range(len(ENCODED), Prefix.parse(SEALED.body).size):
        with pytest.raises(TruncatedError):
            Prefix.parse(SEALED.body[:end])


@pytest.mark.parametrize(
    "change",
    [
        {"expires": NOW + 1},
        {"expires": 1 << 64},
        {"expires": -60},
        {"max_output": 100},
        {"max_output": 1 << 32},
        {"node_key_ids": ()},
        {"node_key_ids": (KEYS[0].id,) * 2},
        {"node_key_ids": tuple(bytes([number]) * 32 for number in range(9))},
        {"request_id": bytes(31)},
        {"token_digest": b""},
    ],
)
def test_writes_no_header_that_others_refuse(change):
    with pytest.raises(MalformedError):
        dataclasses.replace(HEADER, **change).encode()


@pytest.mark.parametrize("now", [NOW + 119.9, NOW - 180])
def test_accepts_an_expiry_within_300_seconds(now):
    check_header(HEADER, now)


@pytest.mark.parametrize("now", [NOW + 120, NOW + 1000, NOW - 180.1, 0])
def test_refuses_an_expiry_that_is_over_or_too_far_ahead(now):
    with pytest.raises(ExpiredError):
        check_header(HEADER, now)


def test_refuses_by_length_before_reading_anything():
    check_size(MAX_REQUEST)
    with pytest.raises(TooLargeError):
        check_size(MAX_REQUEST + 1)
    with pytest.raises(TooLargeError):
        Prefix.parse(bytes(1001), limit=1000)


@given(st.integers(0, len(ENCODED)), st.binary(max_size=150))
def test_any_bytes_are_a_header_of_one_spelling_or_this_packages_error(cut, tail):
    data = ENCODED[:cut] + tail
    try:
        header = Header.parse(data)
    except ProtocolError:
        return
    assert data.startswith(header.encode())

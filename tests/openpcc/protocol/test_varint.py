"""QUIC integers: RFC 9000, section 16 and its appendix A.1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.protocol import varint
from openpcc.protocol.errors import MalformedError


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (37, "25"),
        (15293, "7bbd"),
        (494878333, "9d7f3e7d"),
        (151288809941952652, "c2197c5eff14e88c"),
    ],
)
def test_writes_and_reads_the_examples_of_the_standard(value, encoded):
    assert varint.encode(value).hex() == encoded
    assert varint.decode(bytes.fromhex(encoded)) == (value, len(encoded) // 2)


def test_reads_a_longer_form_of_a_small_value():
    assert varint.decode(bytes.fromhex("4025")) == (37, 2)
    assert varint.decode(bytes.fromhex("c000000000000000")) == (0, 8)


@given(st.integers(0, varint.MAX_VALUE), st.binary(max_size=3), st.binary(max_size=3))
def test_reads_what_it_wrote_at_any_offset(value, before, after):
    encoded = varint.encode(value)
    found = varint.decode(before + encoded + after, len(before))
    assert found == (value, len(before) + len(encoded))


@given(st.integers(0, varint.MAX_VALUE))
def test_asks_for_more_while_bytes_are_missing(value):
    encoded = varint.encode(value)
    for end in range(len(encoded)):
        assert varint.try_decode(encoded[:end]) is None
        with pytest.raises(MalformedError):
            varint.decode(encoded[:end])


@given(st.binary(max_size=9))
def test_any_bytes_give_a_value_or_this_error(data):
    try:
        value, end = varint.decode(data)
    except MalformedError:
        return
    assert 0 <= value <= varint.MAX_VALUE
    assert end <= len(data)


@pytest.mark.parametrize("value", [-1, 2**62])
def test_writes_no_value_out_of_range(value):
    with pytest.raises(ValueError, match="62"):
        varint.encode(value)

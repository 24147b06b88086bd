import json
import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transparency_log import jcs


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_read_back(value: float) -> None:
    text = jcs.number(value)
    assert float(text) == value
    assert len(text) <= 25


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (123.0, "123"),
        (-1.5e-9, "-1.5e-9"),
        (-0.0, "0"),
        (2**53 - 1.0, "9007199254740991"),
    ],
)
def test_prints_numbers_as_ecmascript_does(value: float, text: str) -> None:
    assert jcs.number(value) == text


def test_sorts_by_utf16_code_units() -> None:
    assert jcs.canonicalize('{"\ufb33":1,"\U0001f600":2,"z":3}'.encode()) == (
        '{"z":3,"\U0001f600":2,"\ufb33":1}'.encode()
    )


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b'{"a":1,"a":2}',
        b"NaN",
        b"1e999",
        b"9007199254740993",
        b'"\\ud800"',
        b'{"\\ud800":1}',
        b'"\xff"',
        b"\xef\xbb\xbf1",
        b"[" * 100 + b"]" * 100,
        b"[" * 100_000,
    ],
)
def test_refuses_what_has_no_canonical_form(text: bytes) -> None:
    with pytest.raises(jcs.JCSError):
        jcs.canonicalize(text)


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53, object(), {1: 2}, ("a",)])
def test_refuses_values_that_are_not_json(value: object) -> None:
    with pytest.raises(jcs.JCSError):
        jcs.encode(value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=10,
)


@settings(deadline=None)
@given(JSON)
def test_canonical_form_is_a_fixed_point(value: object) -> None:
    text = jcs.encode(value)
    assert jcs.canonicalize(text) == text
    assert jcs.canonicalize(json.dumps(value).encode()) == text


@given(st.binary(max_size=60))
def test_any_bytes_give_a_text_or_the_own_error(data: bytes) -> None:
    try:
        jcs.canonicalize(data)
    except jcs.JCSError:
        pass


def test_single_bits_do_not_change_the_reading() -> None:
    for bits in range(0, 2**64, 2**64 // 997):
        (value,) = struct.unpack(">d", bits.to_bytes(8, "big"))
        if math.isfinite(value):
            assert float(jcs.number(value)) == value

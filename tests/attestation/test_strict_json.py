"""One spelling per value: what JSON allows and our documents do not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation import strict_json
from attestation.strict_json import MAX_DEPTH, Members, StrictJSONError, parse_object

REFUSED = {
    "not UTF-8": b'{"a":"\xff"}',
    "a byte order mark": b'\xef\xbb\xbf{"a":1}',
    "a repeated member": b'{"a":1,"a":1}',
    "a repeated inner member": b'{"a":{"b":1,"b":2}}',
    "a float": b'{"a":1.0}',
    "an exponent": b'{"a":1e3}',
    "NaN": b'{"a":NaN}',
    "infinity": b'{"a":-Infinity}',
    "minus zero": b'{"a":-0}',
    "a huge integer": b'{"a":' + b"9" * 5000 + b"}",
    "a list": b"[1]",
    "two documents": b'{"a":1}{"a":1}',
    "half a surrogate pair": b'{"a":"\\ud800"}',
    "half a pair in a list": b'{"a":["\\udfff"]}',
    "half a pair in a name": b'{"\\ud800":1}',
    "deep nesting": b'{"a":' + b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1) + b"}",
    "very deep nesting": b"[" * 100_000,
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=list(REFUSED))
def test_refuses_what_has_another_spelling(data: bytes):
    with pytest.raises(StrictJSONError):
        parse_object(data, limit=200_000, name="document")


def test_refuses_a_document_over_the_limit_by_its_length():
    with pytest.raises(StrictJSONError, match="11 bytes, at most 10"):
        parse_object(b'{"a":12345}', limit=10, name="document")


@pytest.mark.parametrize("after", ['\\" ', ""])
def test_a_bracket_in_a_text_is_not_nesting(after: str):
    text = "[{" * 100 + after
    members = parse_object(json.dumps({"a": text}).encode(), limit=10_000, name="document")
    assert members.text("a") == text


@pytest.mark.parametrize("text", [b"", b"]]", b']\\"'])
def test_a_bracket_in_a_text_takes_nothing_from_the_depth(text: bytes):
    inside = b"[" * MAX_DEPTH + b'"' + text + b'"' + b"]" * MAX_DEPTH
    with pytest.raises(StrictJSONError, match="nested deeper"):
        parse_object(b'{"a":' + inside + b"}", limit=10_000, name="document")


@pytest.mark.parametrize("filling", [b'\\"', b"\\\\", b'\\\n"', b"a", b'"', b"{"])
def test_a_text_without_an_end_is_read_once(filling: bytes):
    """Read anew from each quote, a text of this size would take hours."""
    data = b'{"a":"' + filling * 2**20
    with pytest.raises(StrictJSONError):
        parse_object(data, limit=len(data), name="document")


@pytest.mark.parametrize("text", ["YQ", "YQ=", "YR==", "YQ==\n", " YQ==", "YQ-_", "Y?Q=", "YQ===="])
def test_refuses_base64_of_another_spelling(text: str):
    with pytest.raises(StrictJSONError):
        strict_json.b64decode(text)


def test_names_the_member_that_is_wrong():
    members = parse_object(b'{"a":{"b":"x"}}', limit=100, name="document")
    with pytest.raises(StrictJSONError, match=r"document\.a\.b: expected an integer"):
        members.child("a").integer("b")


def test_refuses_members_nobody_asked_for():
    members = parse_object(b'{"a":1,"b":2}', limit=100, name="document")
    members.integer("a")
    with pytest.raises(StrictJSONError, match="unknown member 'b'"):
        members.end()


@pytest.mark.parametrize("value", [True, -1, 2**53, "1", None])
def test_an_integer_is_no_boolean_and_in_range(value: object):
    with pytest.raises(StrictJSONError):
        Members({"a": value}, "document").integer("a")


@given(st.binary(max_size=300))
def test_any_bytes_are_an_object_or_refused(data: bytes):
    try:
        parse_object(data, limit=1000, name="document")
    except StrictJSONError:
        pass


@given(st.recursive(st.none() | st.booleans() | st.integers(0, 2**53 - 1) | st.text(),
                    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner),
                    max_leaves=12))  # fmt: skip
def test_what_is_written_is_read_back(value: object):
    data = strict_json.dumps({"a": value})
    assert parse_object(data, limit=10**6, name="document")._members == {"a": value}

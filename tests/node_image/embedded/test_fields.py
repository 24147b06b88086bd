import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_image.embedded.errors import RequestError
from node_image.embedded.fields import Fields, parse_body


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b'{"a":1,"a":2}', b'{"a":NaN}', b"\xff\xfe", b'{"a":"\\ud800"}',
     b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}"],
)  # fmt: skip
def test_rejects_a_body_that_is_not_one_json_object(body):
    with pytest.raises(RequestError) as caught:
        parse_body(body)
    assert caught.value.status == 400


def test_rejects_a_body_that_is_nested_too_deeply():
    parse_body(b'{"a":' + b"[" * 60 + b"]" * 60 + b"}")
    with pytest.raises(RequestError, match="deeper"):
        parse_body(b'{"a":' + b"[" * 70 + b"]" * 70 + b"}")


@given(st.binary(max_size=64))
def test_any_body_gives_fields_or_our_error(body):
    try:
        parse_body(body)
    except RequestError:
        pass


def test_null_and_absent_mean_the_same():
    fields = Fields({"a": None})
    assert fields.number("a", 0, 1) is None
    fields.end()


def test_unread_members_are_refused_by_name():
    fields = Fields({"best": 1})
    with pytest.raises(RequestError, match="best") as caught:
        fields.end()
    assert caught.value.code == "unknown_parameter"


READERS = {
    "text": lambda f: f.text("a"), "number": lambda f: f.number("a", 0, 2),
    "integer": lambda f: f.integer("a", 0, 2), "flag": lambda f: f.flag("a"),
    "array": lambda f: f.array("a", limit=2), "objects": lambda f: f.objects("a", limit=2),
    "child": lambda f: f.child("a"), "raw": lambda f: f.raw_object("a"),
    "word": lambda f: f.word("a", ("x", "y")),
}  # fmt: skip


@pytest.mark.parametrize(
    ("reader", "value"),
    [("text", 1), ("number", True), ("number", "1"), ("number", 3), ("integer", 1.0),
     ("integer", True), ("integer", 3), ("flag", 1), ("array", {}), ("array", [1, 2, 3]),
     ("objects", [1]), ("child", []), ("raw", "x"), ("word", "z")],
)  # fmt: skip
def test_a_getter_refuses_another_type_or_range(reader, value):
    with pytest.raises(RequestError) as caught:
        READERS[reader](Fields({"a": value}, "outer"))
    assert (caught.value.param or "").startswith("outer.a")


@given(st.sampled_from(sorted(READERS)), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5))  # fmt: skip
def test_any_value_gives_a_value_or_our_error(reader, value):
    try:
        READERS[reader](parse_body(json.dumps({"a": value}).encode()))
    except RequestError:
        pass

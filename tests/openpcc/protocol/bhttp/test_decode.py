"""Binary HTTP from bytes: framings, truncation, what is invalid, limits, streams."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openpcc.protocol import bhttp, varint
from openpcc.protocol.bhttp import (
    Content,
    End,
    Event,
    Head,
    Informational,
    Limits,
    ResponseDecoder,
    Trailers,
)
from openpcc.protocol.bhttp.reader import Reader
from openpcc.protocol.errors import BHTTPError


def text(value):
    data = value.encode("latin-1")
    return varint.encode(len(data)) + data


def lines(*fields):
    return b"".join(text(name) + text(value) for name, value in fields)


def section(*fields):
    return text(lines(*fields).decode("latin-1"))


CONTROL = text("POST") + text("https") + text("svc.example") + text("/v1")
REQUEST = b"\x00" + CONTROL + section(("a", "1")) + text("body") + section(("t", "2"))
STREAMED_REQUEST = (
    b"\x02" + CONTROL + lines(("a", "1")) + b"\0" + text("bo") + text("dy") + b"\0"
    + lines(("t", "2")) + b"\0"
)  # fmt: skip
RESPONSE = b"\x01\x40\xc8" + section(("a", "1")) + text("body") + section(("t", "2"))
STREAMED = (
    b"\x03\x40\x66" + lines(("hint", "1")) + b"\0" + b"\x40\xc8" + lines(("a", "1")) + b"\0"
    + text("bo") + text("dy") + b"\0" + lines(("t", "2")) + b"\0"
)  # fmt: skip


@pytest.mark.parametrize("data", [REQUEST, STREAMED_REQUEST])
def test_reads_a_request_of_either_framing(data):
    assert bhttp.decode_request(data) == bhttp.Request(
        method="POST",
        scheme="https",
        authority="svc.example",
        path="/v1",
        headers=(("a", "1"),),
        content=b"body",
        trailers=(("t", "2"),),
    )


def test_reads_a_streamed_response_with_informational_ones():
    assert bhttp.decode_response(STREAMED) == bhttp.Response(
        status=200,
        headers=(("a", "1"),),
        content=b"body",
        trailers=(("t", "2"),),
        informational=(bhttp.Informational(status=102, headers=(("hint", "1"),)),),
    )


def test_names_come_in_lower_case_and_parse_keeps_them():
    data = b"\x00" + CONTROL + section(("Accept", "X"))
    assert bhttp.decode_request(data).headers == (("accept", "X"),)
    assert bhttp.parse(data).message.headers == (("Accept", "X"),)


def test_a_request_is_no_response():
    with pytest.raises(BHTTPError):
        bhttp.decode_response(REQUEST)
    with pytest.raises(BHTTPError):
        bhttp.decode_request(RESPONSE)
    with pytest.raises(BHTTPError):
        ResponseDecoder().feed(REQUEST)


HEAD = b"\x00" + CONTROL


@pytest.mark.parametrize(
    "data",
    [
        HEAD,
        HEAD + b"\0",
        HEAD + section(("a", "1")),
        HEAD + b"\0" + text("body"),
        HEAD + b"\0\0\0",
        b"\x02" + CONTROL,
        b"\x02" + CONTROL + b"\0",
        b"\x02" + CONTROL + b"\0\0",
        b"\x02" + CONTROL + b"\0\0\0",
        b"\x01\x40\xc8",
        b"\x03\x40\xc8\0",
    ],
)
def test_trailing_sections_may_be_left_out(data):
    bhttp.parse(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x04POS",
        b"\x00" + text("POST"),
        HEAD + b"\x40",
        HEAD + b"\x05",
        HEAD + b"\0" + b"\x05bod",
        b"\x02" + CONTROL + lines(("a", "1")),
        b"\x02" + CONTROL + b"\0" + text("body"),
        b"\x02" + CONTROL + b"\0\0" + lines(("t", "2")),
        b"\x01\x40\x66\0",
        b"\x01\x40",
        b"\x03",
    ],
)
def test_no_other_end_is_accepted(data):
    with pytest.raises(BHTTPError):
        bhttp.parse(data)


@pytest.mark.parametrize("data", [REQUEST, STREAMED_REQUEST, RESPONSE, STREAMED])
def test_padding_is_zero_bytes(data):
    assert bhttp.parse(data + bytes(7)).padding == 7
    with pytest.raises(BHTTPError):
        bhttp.parse(data + bytes(3) + b"\1")


@pytest.mark.parametrize(
    "field",
    [
        ("a b", "x"),
        ("a:", "x"),
        ("é", "x"),
        (":method", "x"),
        (":Path", "x"),
        (":status", "x"),
        ("a", "x\0y"),
        ("a", "x\ry"),
        ("a", "x\ny"),
        ("a", "x\n"),
        ("a", " x"),
        ("a", "x\t"),
    ],
)
@pytest.mark.parametrize("framing", [b"\x00", b"\x02"])
def test_refuses_fields_that_http_calls_malformed(framing, field):
    coded = section(field) if framing == b"\x00" else lines(field) + b"\0"
    with pytest.raises(BHTTPError):
        bhttp.parse(framing + CONTROL + coded + b"\0\0")


def test_a_field_has_a_name():
    with pytest.raises(BHTTPError):
        bhttp.parse(HEAD + section(("", "x")))


def test_pseudo_fields_stand_first_and_never_in_trailers():
    bhttp.parse(HEAD + section((":protocol", "x"), ("a", "1")))
    with pytest.raises(BHTTPError):
        bhttp.parse(HEAD + section(("a", "1"), (":protocol", "x")))
    with pytest.raises(BHTTPError):
        bhttp.parse(HEAD + b"\0\0" + section((":protocol", "x")))


@pytest.mark.parametrize("framing", [4, 5, 63, 64, varint.MAX_VALUE])
def test_refuses_another_framing(framing):
    with pytest.raises(BHTTPError):
        bhttp.parse(varint.encode(framing) + CONTROL)


def test_lengths_may_have_a_longer_form():
    data = b"\x40\x00" + b"\x40\x04POST" + text("https") + b"\x80\0\0\0" + text("/")
    assert bhttp.decode_request(data).method == "POST"


@pytest.mark.parametrize("status", [0, 99, 600, 1000])
def test_refuses_a_status_out_of_range(status):
    with pytest.raises(BHTTPError):
        bhttp.parse(b"\x01" + varint.encode(status))


@pytest.mark.parametrize(
    "parts",
    [
        ("", "https", "a", "/"),
        ("GE T", "https", "a", "/"),
        ("GET", "https", "a b", "/"),
        ("GET", "https", "a", "/\n"),
    ],
)
def test_refuses_control_data_with_spaces(parts):
    with pytest.raises(BHTTPError):
        bhttp.parse(b"\x00" + b"".join(text(part) for part in parts))


def test_a_line_may_not_run_over_its_section():
    inner = text("name") + b"\x20value"
    data = HEAD + varint.encode(len(inner)) + inner + bytes(64)
    with pytest.raises(BHTTPError):
        bhttp.parse(data)


SMALL = Limits(control=12, fields=16, field_lines=2, informational=1, content=8)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00" + text("POST") + text("x" * 13),
        HEAD + section(("a", "x" * 15)),
        b"\x02" + CONTROL + lines(("a" * 17, "")),
        b"\x02" + CONTROL + lines(("a", "x" * 8), ("b", "x" * 8)),
        HEAD + section(("a", ""), ("b", ""), ("c", "")),
        b"\x01\x40\x66\0\x40\x66\0\x40\xc8",
        HEAD + b"\0" + text("x" * 9),
        b"\x02" + CONTROL + b"\0" + text("x" * 5) + text("x" * 4),
    ],
    ids=["control", "section", "name", "lines", "count", "informational", "content", "chunks"],
)
def test_refuses_what_is_over_a_limit(data):
    with pytest.raises(BHTTPError, match=r"accepted|limit"):
        bhttp.parse(data, limits=SMALL)


def test_a_huge_length_is_refused_from_the_length_alone():
    with pytest.raises(BHTTPError):
        ResponseDecoder().feed(b"\x01\x40\xc8\0" + varint.encode(varint.MAX_VALUE))


def test_a_stream_gives_content_as_it_arrives():
    decoder = ResponseDecoder()
    assert decoder.feed(b"\x03\x40\x67\0") == [Informational(status=103)]
    assert decoder.feed(b"\x40\xc8" + lines(("A", "1")) + b"\0") == [
        Head(framing=3, status=200, headers=(("a", "1"),))
    ]
    assert decoder.feed(b"\x05ab") == [Content(data=b"ab")]
    assert decoder.feed(b"cde\0") == [Content(data=b"cde")]
    assert decoder.feed(lines(("T", "2")) + b"\0") == [Trailers(fields=(("t", "2"),))]
    assert decoder.finish() == [End(padding=0)]


def test_a_stream_that_ends_early_is_an_error_at_the_end():
    decoder = ResponseDecoder()
    decoder.feed(STREAMED[:-1])
    with pytest.raises(BHTTPError):
        decoder.finish()
    with pytest.raises(BHTTPError):
        decoder.feed(b"\0")


def events_in_steps(data, step):
    reader = Reader(bhttp.LIMITS)
    events = []
    for at in range(0, len(data), step):
        events += reader.feed(data[at : at + step])
    return joined(events + reader.end())


def joined(events):
    """Join neighbouring pieces of content: where they are cut means nothing."""
    result: list[Event] = []
    for event in events:
        if isinstance(event, Content) and result and isinstance(result[-1], Content):
            result[-1] = Content(data=result[-1].data + event.data)
        else:
            result.append(event)
    return result


@pytest.mark.parametrize("data", [REQUEST, STREAMED_REQUEST, RESPONSE, STREAMED])
@pytest.mark.parametrize("step", [1, 2, 7])
def test_pieces_of_any_size_give_what_the_whole_gives(data, step):
    padded = data + bytes(5)
    assert events_in_steps(padded, step) == events_in_steps(padded, len(padded))


@settings(deadline=None)
@given(
    st.sampled_from([REQUEST, STREAMED_REQUEST, RESPONSE, STREAMED]),
    st.integers(0, 60),
    st.binary(max_size=12),
    st.integers(1, 9),
)
def test_any_bytes_are_a_message_or_this_error_whole_and_in_pieces(base, cut, tail, step):
    data = base[:cut] + tail
    try:
        whole = bhttp.parse(data)
    except BHTTPError:
        with pytest.raises(BHTTPError):
            events_in_steps(data, step)
        return
    assert events_in_steps(data, step)[-1] == End(padding=whole.padding)


@given(st.binary(max_size=100))
def test_any_bytes_at_all_are_a_message_or_this_error(data):
    try:
        bhttp.parse(data)
    except BHTTPError:
        return


def test_joins_lines_as_http_does():
    fields = (("a", "1"), ("cookie", "x=1"), ("A", "2"), ("cookie", "y=2"))
    assert bhttp.get(fields, "a") == "1, 2"
    assert bhttp.get(fields, "cookie") == "x=1; y=2"
    assert bhttp.get(fields, "b") is None

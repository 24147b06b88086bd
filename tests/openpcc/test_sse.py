import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.sse import MAX_EVENT, Event, EventParser, MalformedStreamError


def parse(*reads: bytes) -> list[Event]:
    parser = EventParser()
    return [event for read in reads for event in parser.feed(read)]


def data(*reads: bytes) -> list[str]:
    return [event.data for event in parse(*reads)]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_lines_end_with_lf_cr_or_crlf(end):
    assert data(b"data: a" + end + end + b"data: b" + end + end) == ["a", "b"]


def test_crlf_cut_between_reads_is_one_line_end():
    assert data(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == ["a\nb"]


def test_cr_ends_the_line_at_once():
    assert data(b"data: a\r\r") == ["a"]


def test_lf_after_a_cr_that_ended_the_event_is_not_another_event():
    assert data(b"data: a\r\r", b"\ndata: b\n\n") == ["a", "b"]


def test_comments_and_unknown_fields_are_ignored():
    assert data(b": keep-alive\n\nretry: 5\nid: 7\ndata: a\nnonsense\n\n") == ["a"]


def test_data_lines_are_joined_by_lf():
    assert data(b"data: a\ndata\ndata:b\n\n") == ["a\n\nb"]


def test_one_space_after_the_colon_is_dropped():
    assert data(b"data:  a:b\n\n") == [" a:b"]


def test_event_type_is_kept_for_one_event():
    found = parse(b"event: response.created\ndata: {}\n\ndata: x\n\n")
    assert [event.type for event in found] == ["response.created", "message"]


def test_an_event_without_data_is_not_delivered():
    assert parse(b"event: ping\n\n") == []


def test_an_event_that_was_not_closed_is_not_delivered():
    assert data(b"data: a\n\ndata: b\n") == ["a"]


def test_a_character_cut_between_reads_is_whole():
    text = "data: Grüße 🌍\n\n".encode()
    assert data(*(text[i : i + 1] for i in range(len(text)))) == ["Grüße 🌍"]


def test_a_byte_order_mark_at_the_start_is_dropped():
    assert data(b"\xef", b"\xbb\xbfdata: a\n\n") == ["a"]


def test_rejects_an_event_without_end():
    parser = EventParser()
    for _ in range(MAX_EVENT // 65536):
        parser.feed(b"x" * 65536)
    with pytest.raises(MalformedStreamError):
        parser.feed(b"x")


def test_the_limit_is_per_event():
    parser = EventParser()
    event = b"data: " + b"x" * (MAX_EVENT // 2) + b"\n\n"
    assert sum(len(parser.feed(event)) for _ in range(3)) == 3


STREAM = st.lists(
    st.sampled_from([b"data", b": ", b"a", b"\r", b"\n", b"\r\n", b":", "é".encode(), b"event"])
).map(b"".join)


@given(STREAM, st.lists(st.integers(0, 60)))
def test_where_reads_cut_changes_nothing(stream, cuts):
    places = sorted({min(cut, len(stream)) for cut in cuts})
    reads = [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]
    assert parse(*reads) == parse(stream)


@given(st.binary(max_size=300))
def test_any_bytes_give_events_or_this_modules_error(stream):
    try:
        found = parse(stream)
    except MalformedStreamError:
        return
    assert all(isinstance(event, Event) for event in found)

"""Nobody sees the last event of a stream before its authenticated end."""

from hypothesis import given
from hypothesis import strategies as st

from openpcc.last_event import MARK, MAX_HELD, LastEvent

EVENT = b'data: {"choices":[{"delta":{"content":"data: [DONE]\\n"}}]}\n\n'
DONE = b"data: [DONE]\n\n"


def test_every_event_but_the_last_is_given_whole_and_at_once():
    last = LastEvent()
    assert [last.feed(EVENT), last.feed(EVENT), last.feed(DONE)] == [EVENT, EVENT, b""]
    assert last.finish() == DONE
    assert last.finish() == b""


def test_the_last_event_is_known_within_a_piece_too():
    last = LastEvent()
    assert last.feed(EVENT + DONE) == EVENT
    assert last.finish() == DONE


def test_a_stream_of_nothing_but_the_last_event_waits():
    last = LastEvent()
    assert last.feed(DONE) == b""
    assert last.finish() == DONE


@given(st.lists(st.integers(1, 40), max_size=30))
def test_wherever_it_is_cut_the_last_event_waits_and_no_byte_is_lost(cuts: list[int]):
    last, whole, shown = LastEvent(), EVENT * 2 + DONE, b""
    rest = whole
    for cut in [*cuts, len(whole)]:
        shown += last.feed(rest[:cut])
        rest = rest[cut:]
        assert MARK not in shown
    assert shown == EVENT * 2
    assert shown + last.finish() == whole


@given(st.lists(st.one_of(st.binary(max_size=40), st.just(MARK), st.just(b"\ndata: "))))
def test_any_bytes_come_out_as_they_went_in(pieces: list[bytes]):
    last = LastEvent()
    shown = b"".join([last.feed(piece) for piece in pieces])
    assert shown + last.finish() == b"".join(pieces)


def test_what_goes_on_behind_the_last_event_is_not_kept():
    last = LastEvent()
    more = bytes(MAX_HELD)
    assert last.feed(EVENT + DONE + more) == EVENT + DONE + more
    assert last.feed(b"x") == b""
    assert last.finish() == b"x"

"""node_image/agent/usage.py"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_image.agent import usage
from node_image.agent.errors import EngineError
from node_image.agent.usage import DocumentUsage, StreamUsage, TokenCounts

COUNTS = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}


def event(document: object, end: bytes = b"\n\n") -> bytes:
    return b"data: " + json.dumps(document, separators=(",", ":")).encode() + end


TOKEN = event({"choices": [{"delta": {"content": "hi"}}]})
TOKEN_WITH_NULL = event({"choices": [{"delta": {"content": "hi"}}], "usage": None})
CLOSING = event({"choices": [], "usage": COUNTS})
DONE = b"data: [DONE]\n\n"


def passed(reader: StreamUsage, *parts: bytes) -> bytes:
    return b"".join(map(reader.feed, parts)) + reader.finish()


def test_hides_what_the_caller_did_not_ask_for():
    reader = StreamUsage(strip=True)
    assert passed(reader, TOKEN_WITH_NULL, CLOSING, DONE) == TOKEN + DONE
    assert reader.counts == TokenCounts(prompt=3, completion=5)


def test_changes_nothing_for_a_caller_who_asked():
    reader = StreamUsage(strip=False)
    everything = TOKEN_WITH_NULL + CLOSING + DONE
    assert passed(reader, everything) == everything
    assert reader.counts == TokenCounts(prompt=3, completion=5)


def test_removes_running_counts_but_not_the_tokens_beside_them():
    reader = StreamUsage(strip=True)
    running = event({"choices": [{"delta": {"content": "hi"}}], "usage": COUNTS})
    assert passed(reader, running) == TOKEN
    assert reader.counts is not None


def test_the_word_in_a_text_is_not_the_member():
    said = event({"choices": [{"delta": {"content": 'the "usage" member'}}]})
    assert passed(StreamUsage(strip=True), said) == said


def test_reads_the_usage_of_a_response_event():
    reader = StreamUsage(strip=False)
    last = b"event: response.completed\n" + event(
        {"response": {"usage": {"input_tokens": 1, "output_tokens": 2}}}
    )
    assert passed(reader, last) == last
    assert reader.counts == TokenCounts(prompt=1, completion=2)


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_any_cut_of_the_stream_gives_the_same(end, size):
    reader = StreamUsage(strip=True)
    data = event({"choices": [1]}, end) + event({"choices": [], "usage": COUNTS}, end) + DONE
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    assert passed(reader, *parts) == event({"choices": [1]}, end) + DONE
    assert reader.counts == TokenCounts(prompt=3, completion=5)


def test_a_complete_event_waits_for_nothing():
    assert StreamUsage(strip=True).feed(TOKEN + TOKEN[:5]) == TOKEN


def test_refuses_an_event_without_end(monkeypatch):
    monkeypatch.setattr(usage, "MAX_EVENT", 100)
    with pytest.raises(EngineError):
        StreamUsage(strip=True).feed(b"x" * 101)


def test_reads_documents_whole():
    reader = DocumentUsage()
    data = json.dumps({"usage": {"prompt_tokens": 4, "total_tokens": 4}}).encode()
    assert b"".join(reader.feed(data[at : at + 3]) for at in range(0, len(data), 3)) == data
    assert reader.finish() == b""
    assert reader.counts == TokenCounts(prompt=4, completion=0)


def test_refuses_a_document_without_end(monkeypatch):
    monkeypatch.setattr(usage, "MAX_DOCUMENT", 100)
    with pytest.raises(EngineError):
        DocumentUsage().feed(b"x" * 101)


@pytest.mark.parametrize(
    "found",
    [{}, {"prompt_tokens": "3"}, {"prompt_tokens": -1}, {"prompt_tokens": True}, [], 3, None],
)
def test_counts_that_are_none_are_not_guessed(found):
    reader = DocumentUsage()
    reader.feed(json.dumps({"usage": found}).encode())
    reader.finish()
    assert reader.counts is None


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_stream_passes_whole_when_nothing_is_hidden(parts):
    assert passed(StreamUsage(strip=False), *parts) == b"".join(parts)


@given(st.lists(st.sampled_from([TOKEN, CLOSING, DONE, b'data: {"usage"\n\n', b"\n"]), max_size=9))
def test_any_stream_of_pieces_can_be_stripped(parts):
    passed(StreamUsage(strip=True), *parts)

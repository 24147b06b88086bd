import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.cli.conversation import Outcome, read, receipt_json, request_body
from openpcc.errors import ConfigurationError, EngineError, OpenPCCError, TruncatedReplyError


def chunk(text: str | None = None, **members) -> str:
    choices = [] if text is None else [{"index": 0, "delta": {"content": text}}]
    return json.dumps({"model": "demo-1", "choices": choices} | members)


def stream(*events: str) -> httpx.Response:
    body = "".join(f"data: {event}\n\n" for event in events).encode()
    return httpx.Response(200, content=body)


def test_the_text_comes_piece_by_piece():
    outcome = Outcome(model="demo")
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    response = stream(chunk("Hel"), chunk("lo"), chunk(None, usage=usage), "[DONE]")
    assert list(filter(None, read(response, outcome))) == ["Hel", "lo"]
    assert (outcome.reply, outcome.model, outcome.usage) == ("Hello", "demo-1", usage)
    assert outcome.complete


def test_a_stream_without_its_last_event_is_truncated():
    outcome = Outcome(model="demo")
    with pytest.raises(TruncatedReplyError):
        list(read(stream(chunk("Hel")), outcome))
    assert outcome.reply == "Hel"


def test_an_error_in_mid_reply_is_truncation():
    outcome = Outcome(model="demo")
    with pytest.raises(TruncatedReplyError):
        list(read(stream(chunk("Hel"), '{"error":{"message":"x"}}'), outcome))
    assert outcome.reply == "Hel"


def test_a_refused_request_says_why():
    error = {"error": {"message": "too long", "code": "context_length_exceeded"}}
    with pytest.raises(ConfigurationError, match="too long"):
        list(read(httpx.Response(400, json=error), Outcome(model="demo")))


def test_a_failed_engine_is_named_by_its_code():
    error = {"error": {"message": "no", "code": "engine"}}
    with pytest.raises(EngineError) as caught:
        list(read(httpx.Response(502, json=error), Outcome(model="demo")))
    assert (caught.value.code, caught.value.status) == ("engine", 502)


def test_the_request_streams_and_asks_for_usage():
    body = json.loads(request_body("demo", [{"role": "user", "content": "Grüße"}]))
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert body["messages"][0]["content"] == "Grüße"


def test_no_receipt_is_null():
    assert receipt_json(None) is None


@given(st.binary(), st.integers(200, 599))
def test_any_reply_gives_text_or_a_client_error(body, status):
    try:
        pieces = list(read(httpx.Response(status, content=body), Outcome(model="demo")))
    except OpenPCCError:
        return
    assert all(isinstance(piece, str) for piece in pieces)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["choices", "delta", "content", "usage", "model", "error"]), inner
        )
    ),
)


@given(JSON)
def test_any_event_gives_text_or_a_client_error(value):
    try:
        assert isinstance(Outcome(model="demo").take(json.dumps(value)), str)
    except OpenPCCError:
        pass

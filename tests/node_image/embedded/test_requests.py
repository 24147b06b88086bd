"""Any JSON of the right outline gives a plan or our error, never anything else."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node_image.embedded.chat import ChatReply
from node_image.embedded.completions import CompletionReply
from node_image.embedded.embeddings import EmbeddingRequest
from node_image.embedded.errors import RequestError
from node_image.embedded.fields import parse_body
from node_image.embedded.generation import Finish
from node_image.embedded.responses import ResponsesReply
from node_image.embedded.toolset import CallReader

WORDS = st.sampled_from(
    ["function", "text", "message", "user", "tool", "assistant", "auto", "required", "json_schema",
     "json_object", "string", "object", "integer", "array", "input_text", "x"]
)  # fmt: skip
NAMES = st.sampled_from(
    ["type", "role", "content", "name", "function", "parameters", "properties", "schema", "text",
     "json_schema", "arguments", "tool_calls", "tool_call_id", "call_id", "output", "format",
     "required", "items", "enum", "anyOf", "$ref", "minimum", "maxLength", "include_usage"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 40) | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
MEMBERS = st.sampled_from(
    ["messages", "input", "prompt", "tools", "tool_choice", "response_format", "text", "stop", "n",
     "stream", "stream_options", "logprobs", "top_logprobs", "logit_bias", "seed", "temperature",
     "max_tokens", "max_completion_tokens", "max_output_tokens", "modalities", "store", "metadata",
     "encoding_format", "dimensions", "instructions", "include", "truncation", "best_of"]
)  # fmt: skip
BASE = {
    "model": "openpcc-demo",
    "messages": [{"role": "user", "content": "Hello"}],
}
MINIMAL = {
    ChatReply: BASE,
    CompletionReply: {"model": "openpcc-demo", "prompt": "A"},
    ResponsesReply: {"model": "openpcc-demo", "input": "Hello"},
}


def read(kind, document, service):
    return kind(parse_body(json.dumps(document).encode()), service)


def read_or_refuse(read_it):
    """The result, or the refusal; any other exception is a defect."""
    try:
        return read_it()
    except RequestError as error:
        return error


@pytest.mark.parametrize("kind", MINIMAL)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(changes=st.dictionaries(MEMBERS, VALUES, max_size=3))
def test_any_request_gives_a_plan_or_our_error(loaded, kind, changes):
    result = read_or_refuse(lambda: read(kind, MINIMAL[kind] | changes, loaded.service))
    if isinstance(result, RequestError):
        assert 400 <= result.status < 500
    else:
        assert all(plan.prompt and plan.max_tokens > 0 for plan in result.plans)


def read_embedding(document, service):
    return EmbeddingRequest(parse_body(json.dumps(document).encode()), service, width=192)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(changes=st.dictionaries(MEMBERS, VALUES, max_size=3))
def test_any_embedding_request_is_read_or_refused(loaded, changes):
    document = {"model": "openpcc-demo", "input": "x"} | changes
    result = read_or_refuse(lambda: read_embedding(document, loaded.service))
    assert isinstance(result, EmbeddingRequest) or 400 <= result.status < 500


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(schema=st.dictionaries(NAMES, VALUES, max_size=4), as_tool=st.booleans())
def test_any_schema_is_compiled_or_refused(loaded, schema, as_tool):
    wrapped = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    call = {"tools": [tool], "tool_choice": "required"}
    document = BASE | (call if as_tool else {"response_format": wrapped})
    result = read_or_refuse(lambda: read(ChatReply, document, loaded.service))
    assert isinstance(result, ChatReply) or result.status == 400


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"role": "owner", "content": "x"}, "invalid_value"),
        ({"content": "x"}, "missing_required_parameter"),
        ({"role": "user", "content": 5}, "invalid_type"),
        ({"role": "user", "content": "x", "bogus": 1}, "unknown_parameter"),
        ({"role": "tool", "content": "x"}, "missing_required_parameter"),
        ({"role": "assistant", "function_call": {"name": "f"}}, "unsupported_parameter"),
        ({"role": "user", "content": [{"type": "input_audio"}]}, "unsupported_content"),
        ({"role": "user", "content": [{"type": "file"}]}, "unsupported_content"),
    ],
)
def test_refuses_a_message_that_it_cannot_honour(loaded, message, code):
    with pytest.raises(RequestError) as caught:
        read(ChatReply, BASE | {"messages": [message]}, loaded.service)
    assert caught.value.code == code


def test_text_parts_are_joined(loaded):
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    whole = read(ChatReply, BASE, loaded.service)
    joined = read(
        ChatReply, BASE | {"messages": [{"role": "user", "content": parts}]}, loaded.service
    )
    assert joined.plans[0].prompt == whole.plans[0].prompt


def test_an_answer_may_fill_the_context_and_no_more(loaded):
    prompt = len(read(ChatReply, BASE, loaded.service).plans[0].prompt)
    room = loaded.service.context - prompt
    assert read(ChatReply, BASE, loaded.service).plans[0].max_tokens == room
    read(ChatReply, BASE | {"max_tokens": room}, loaded.service)
    with pytest.raises(RequestError, match="maximum context length"):
        read(ChatReply, BASE | {"max_tokens": room + 1}, loaded.service)


@given(st.integers(1, 9))
def test_a_call_is_taken_apart_at_any_cut(size):
    text = '{"name": "f", "arguments": {"a": "}"}}'
    reader = CallReader(["f", "ff"])
    parts = [text[at : at + size] for at in range(0, len(text), size)]
    spelled = "".join(
        reader.feed(part, Finish.TOOL_CALLS if part is parts[-1] else None) for part in parts
    )
    assert (reader.name, spelled) == ("f", '{"a": "}"}')


def test_a_call_that_was_cut_short_shows_all_it_has():
    reader = CallReader(["f"])
    assert reader.feed('{"name": "f", "arguments": {"a": [1, {}', Finish.LENGTH) == '{"a": [1, {}'

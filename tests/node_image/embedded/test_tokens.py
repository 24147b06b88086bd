import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_image.embedded.errors import ModelFilesError, RequestError
from node_image.embedded.main import model_folder
from node_image.embedded.tokens import SPECIAL, Tokens, Utf8Stream

TOKENIZER = (model_folder() / "tokenizer.json").read_text()
TEMPLATE = (model_folder() / "chat_template.jinja").read_text()
TOKENS = Tokens(TOKENIZER, TEMPLATE)
TOOL = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Add",
        "parameters": {"properties": {"a": {}, "b": {}}},
    },
}


@given(st.text())
def test_bytes_of_tokens_spell_the_text(text):
    if any(name in text for name in SPECIAL):
        return
    ids = TOKENS.encode(text)
    assert b"".join(TOKENS.bytes_of(one) for one in ids).decode() == text
    assert not any(TOKENS.control[one] for one in ids)


@given(st.text(), st.integers(1, 5))
def test_text_survives_any_cut(text, size):
    data, stream = text.encode(), Utf8Stream()
    parts = [stream.feed(data[at : at + size]) for at in range(0, len(data), size)]
    assert "".join(parts) + stream.feed(b"", final=True) == text


def test_a_cut_character_at_the_end_is_replaced():
    stream = Utf8Stream()
    assert stream.feed("é".encode()[:1]) == ""
    assert stream.feed(b"", final=True) == "\ufffd"


def test_renders_every_role_and_tools():
    messages: list[dict[str, object]] = [
        {"role": "system", "content": "S"},
        {"role": "developer", "content": "D"},
        {"role": "user", "content": "U"},
        {"role": "assistant", "content": "", "tool_calls": [
            {"function": {"name": "add", "arguments": '{"a": 1}'}},
            {"function": {"name": "add", "arguments": {"a": 2}}},
        ]},
        {"role": "tool", "content": "3"},
        {"role": "assistant", "content": "A"},
    ]  # fmt: skip
    assert TOKENS.render(messages, [TOOL]) == (
        "<|system|>Tools: add(a, b) Add;<|end|><|system|>S<|end|><|system|>D<|end|><|user|>U<|end|>"
        '<|assistant|><|tool|>{"name": "add", "arguments": {"a": 1}}<|end|>'
        '<|assistant|><|tool|>{"name": "add", "arguments": {"a": 2}}<|end|>'
        "<|tool|>3<|end|><|assistant|>A<|end|><|assistant|>"
    )


@given(st.text(alphabet="<|>endsytmualiro ", max_size=40) | st.sampled_from(SPECIAL))
def test_no_message_text_becomes_a_control_token(text):
    ids = TOKENS.encode(TOKENS.render([{"role": "user", "content": text}], []))
    assert sum(bool(TOKENS.control[one]) for one in ids) == 3


def test_refuses_what_does_not_fit_the_template():
    with pytest.raises(RequestError):
        TOKENS.render([{"role": "user", "content": "x"}], [{"function": {"parameters": 5}}])


@pytest.mark.parametrize(
    "tokenizer",
    ["", "{}", "[]", '{"model": {"vocab": {"a": 5}}}', '{"model": {"vocab": {"\u4e00": 0}}}',
     json.dumps({"model": {"vocab": dict.fromkeys(SPECIAL[:4], 0)}})],
)  # fmt: skip
def test_rejects_a_tokenizer_of_another_kind(tokenizer):
    with pytest.raises(ModelFilesError):
        Tokens(tokenizer, TEMPLATE)


def test_rejects_a_template_that_does_not_parse():
    with pytest.raises(ModelFilesError):
        Tokens(TOKENIZER, "{% if %}")


def test_the_template_runs_in_a_sandbox():
    tokens = Tokens(TOKENIZER, "{{ messages.__class__.__mro__ }}")
    with pytest.raises(RequestError):
        tokens.render([], [])

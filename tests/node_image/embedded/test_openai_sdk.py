"""The official client works against the engine, over its unix socket."""

import base64
import json
from typing import Any

import numpy as np
import openai
import pydantic
import pytest

MODEL = "openpcc-demo"

USER = [{"role": "user", "content": "Hello"}]
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}
ASK = [{"role": "user", "content": "What is the weather in Paris?"}]


def chat(client, messages=USER, **options):
    return client.chat.completions.create(model=MODEL, messages=messages, **options)


def test_chats(client):
    answer = chat(client, temperature=0)
    assert answer.object == "chat.completion"
    assert answer.model == MODEL
    assert answer.choices[0].message.content.startswith("Hello")
    assert answer.choices[0].finish_reason == "stop"
    usage = answer.usage
    assert usage.prompt_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert answer.system_fingerprint.startswith("embedded-")


DEMONSTRATION = [
    ("Hello", "Hello"),
    ("Who are you?", "demonstration"),
    ("What is a list in Python?", "ordered"),
    ("Say hello in one sentence", "!"),
    ("What is the capital of France?", "Paris"),
]


@pytest.mark.parametrize(("question", "word"), DEMONSTRATION)
def test_answers_what_a_demonstration_asks(client, question, word):
    answer = chat(client, [{"role": "user", "content": question}], temperature=0)
    assert word in answer.choices[0].message.content


def test_a_stream_spells_the_same_answer(client):
    whole = chat(client, temperature=0)
    chunks = list(chat(client, temperature=0, stream=True, stream_options={"include_usage": True}))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage == whole.usage
    assert chunks[-1].choices == []
    assert len({(c.id, c.created) for c in chunks}) == 1
    assert len(chunks) > 5


def test_a_seed_repeats_an_answer(client):
    def texts(seed):
        answer = client.completions.create(
            model=MODEL, prompt="The", temperature=1.5, seed=seed, n=2, max_tokens=20
        )
        return [choice.text for choice in answer.choices]

    assert texts(1) == texts(1) != texts(2)
    assert len(set(texts(1))) == 2


def test_stop_and_limits(client):
    assert "!" not in chat(client, temperature=0, stop="!").choices[0].message.content
    for name in ("max_tokens", "max_completion_tokens"):
        answer = chat(client, **{name: 2})
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage.completion_tokens == 2


def test_logprobs(client):
    answer = chat(client, temperature=0, logprobs=True, top_logprobs=3, max_tokens=4)
    content = answer.choices[0].logprobs.content
    assert len(content) == 4
    spelled = b"".join(bytes(entry.bytes) for entry in content).decode()
    assert spelled == answer.choices[0].message.content
    assert all(entry.logprob == entry.top_logprobs[0].logprob <= 0 for entry in content)
    streamed = chat(client, temperature=0, logprobs=True, max_tokens=4, stream=True)
    entries = [
        entry.logprob
        for chunk in streamed
        if chunk.choices[0].logprobs
        for entry in chunk.choices[0].logprobs.content
    ]
    assert entries == [entry.logprob for entry in content]


NAMED = {"type": "function", "function": {"name": "get_weather"}}


@pytest.mark.parametrize("choice", ["required", NAMED])
def test_a_forced_call_is_valid_for_its_schema(client, choice):
    tools = [WEATHER] if choice == "required" else [ADD, WEATHER]
    answer = chat(client, ASK, tools=tools, tool_choice=choice, temperature=1.0, seed=3)
    (call,) = answer.choices[0].message.tool_calls
    arguments = json.loads(call.function.arguments)
    assert call.function.name == "get_weather"
    assert set(arguments) == {"city", "unit"}
    assert arguments["unit"] in ("C", "F")
    assert isinstance(arguments["city"], str)
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.choices[0].message.content is None


def test_a_streamed_call_spells_the_same_arguments(client):
    options = {"tools": [ADD, WEATHER], "tool_choice": "required", "temperature": 0}
    whole = chat(client, ASK, **options).choices[0].message.tool_calls[0].function
    deltas = [
        delta
        for chunk in chat(client, ASK, stream=True, **options)
        for delta in chunk.choices[0].delta.tool_calls or []
    ]
    assert deltas[0].function.name == whole.name
    assert deltas[0].id.startswith("call_")
    assert "".join(delta.function.arguments for delta in deltas) == whole.arguments
    assert json.loads(whole.arguments)


def test_auto_lets_the_model_decide(client):
    tools = [{"type": "function", "function": {
        "name": "get_weather", "description": "Get the weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}},
                       "required": ["city"]}}}]  # fmt: skip
    called = chat(client, ASK, tools=tools, temperature=0).choices[0]
    assert called.finish_reason == "tool_calls"
    assert "city" in json.loads(called.message.tool_calls[0].function.arguments)
    spoken = chat(client, tools=tools, temperature=0).choices[0]
    assert spoken.finish_reason == "stop"
    assert spoken.message.content


def test_none_calls_no_tool(client):
    answer = chat(client, ASK, tools=[WEATHER], tool_choice="none")
    assert answer.choices[0].message.tool_calls is None


def test_a_tool_result_is_read(client):
    messages = [
        *ASK,
        {"role": "assistant", "tool_calls": [
            {"id": "call_1", "type": "function",
             "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ]  # fmt: skip
    assert chat(client, messages, tools=[WEATHER], temperature=0).choices[0].message.content


class Person(pydantic.BaseModel):
    name: str
    age: int
    tags: list[str]


@pytest.mark.parametrize("seed", range(3))
def test_structured_output_parses(client, seed):
    answer = client.chat.completions.parse(
        model=MODEL, messages=USER, response_format=Person, seed=seed, temperature=1.0
    )
    assert isinstance(answer.choices[0].message.parsed, Person)


def test_a_json_object_is_one(client):
    answer = chat(client, response_format={"type": "json_object"}, temperature=1.0, seed=1)
    assert isinstance(json.loads(answer.choices[0].message.content), dict)


def test_models(client):
    (model,) = client.models.list().data
    assert model.id == MODEL
    assert client.models.retrieve(MODEL) == model
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-5")


def test_completions(client):
    answer = client.completions.create(
        model=MODEL, prompt=["The function", "A list"], n=2, max_tokens=5, logprobs=2, seed=1
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert all(len(choice.logprobs.tokens) == 5 for choice in answer.choices)
    assert answer.usage.completion_tokens == 20
    chunks = list(
        client.completions.create(model=MODEL, prompt=[100, 200], max_tokens=3, stream=True)
    )
    assert chunks[-1].choices[0].finish_reason in ("length", "stop")


def test_responses(client):
    answer = client.responses.create(model=MODEL, input="Who are you?", temperature=0)
    assert "demonstration" in answer.output_text
    assert answer.status == "completed"
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    short = client.responses.create(model=MODEL, input="Who are you?", max_output_tokens=2)
    assert short.status == "incomplete"
    assert short.incomplete_details.reason == "max_output_tokens"


def test_a_response_stream_has_the_documented_order(client):
    events = list(client.responses.create(model=MODEL, input="Hello", temperature=0, stream=True))
    kinds = [event.type.removeprefix("response.") for event in events]
    deltas = kinds.count("output_text.delta")
    assert kinds == [
        "created", "in_progress", "output_item.added", "content_part.added",
        *["output_text.delta"] * deltas, "output_text.done", "content_part.done",
        "output_item.done", "completed",
    ]  # fmt: skip
    assert [event.sequence_number for event in events] == list(range(len(events)))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert events[-1].response.output_text == text


def test_a_response_calls_a_function(client):
    tool = {"type": "function", **WEATHER["function"]}
    options = {"model": MODEL, "tools": [tool], "tool_choice": "required", "temperature": 0}
    answer = client.responses.create(input="What is the weather in Paris?", **options)
    (call,) = answer.output
    assert call.type == "function_call"
    assert set(json.loads(call.arguments)) == {"city", "unit"}
    follow = [
        {"role": "user", "content": "What is the weather in Paris?"},
        call.model_dump(exclude_none=True),
        {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"},
    ]
    assert client.responses.create(model=MODEL, input=follow).status == "completed"
    events = list(client.responses.create(input="Weather in Rome?", stream=True, **options))
    spelled = "".join(e.delta for e in events if e.type == "response.function_call_arguments.delta")
    assert events[-1].response.output[0].arguments == spelled


def test_a_response_in_a_format(client):
    answer = client.responses.parse(model=MODEL, input="Hello", text_format=Person)
    assert isinstance(answer.output_parsed, Person)


def test_embeddings(client):
    # The client asks for base64 unless told otherwise, and decodes it.
    both = client.embeddings.create(model=MODEL, input=["a list", "Paris"])
    plain = client.embeddings.create(model=MODEL, input="a list", encoding_format="float")
    assert np.linalg.norm(both.data[0].embedding) == pytest.approx(1, abs=1e-5)
    assert np.allclose(both.data[0].embedding, plain.data[0].embedding, atol=1e-6)
    raw = client.embeddings.with_raw_response.create(model=MODEL, input="x").text
    packed = json.loads(raw)["data"][0]["embedding"]
    assert len(base64.b64decode(packed)) == 4 * len(plain.data[0].embedding)


@pytest.mark.parametrize(
    ("options", "error", "param", "code"),
    [
        ({"model": "gpt-5"}, openai.NotFoundError, "model", "model_not_found"),
        ({"temperature": 3}, openai.BadRequestError, "temperature", "invalid_value"),
        ({"store": True}, openai.BadRequestError, "store", "unsupported_parameter"),
        ({"max_tokens": 100_000}, openai.BadRequestError, "messages", "context_length_exceeded"),
        ({"extra_body": {"bogus": 1}}, openai.BadRequestError, "bogus", "unknown_parameter"),
        ({"messages": []}, openai.BadRequestError, "messages", "missing_required_parameter"),
        ({"messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "data:,"}}]}]},
         openai.BadRequestError, "messages", "unsupported_content"),
        ({"modalities": ["audio"]}, openai.BadRequestError, "modalities", "unsupported_parameter"),
        ({"n": 99}, openai.BadRequestError, "n", "invalid_value"),
        ({"tool_choice": "required"}, openai.BadRequestError, "tool_choice", "invalid_value"),
        ({"response_format": {"type": "json_schema", "json_schema": {
            "name": "x", "schema": {"type": "object", "not": {}}}}},
         openai.BadRequestError, "response_format", None),
    ],
)  # fmt: skip
def test_errors_name_the_member_and_the_cause(client, options, error, param, code):
    with pytest.raises(error) as caught:
        client.chat.completions.create(**{"model": MODEL, "messages": USER, **options})
    assert (caught.value.param, caught.value.code) == (param, code)
    assert caught.value.body["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "options",
    [{"store": True}, {"previous_response_id": "resp_1"}, {"background": True},
     {"tools": [{"type": "web_search"}]}, {"truncation": "auto"}],
)  # fmt: skip
def test_responses_refuse_state_and_hosted_tools(client, options):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input="Hello", **options)
    assert caught.value.code == "unsupported_parameter"


def test_hints_are_accepted(client):
    options = {
        "user": "x", "metadata": {"a": "b"}, "store": False, "parallel_tool_calls": False,
        "reasoning_effort": "low", "extra_body": {"cache_salt": "salt", "top_k": 5},
    }  # fmt: skip
    assert chat(client, **options).choices[0].message.content

"""The official SDK over our transport: what its users do every day."""

import asyncio
import json
from typing import Any

import openai
import pytest

from openpcc import AsyncOpenPCC, OpenPCC, UnknownModelError
from openpcc.cli.demo.stack import MODEL, DemoStack


def user(text: str) -> Any:
    """One message; the SDK's typed dictionaries are not what these tests are about."""
    return [{"role": "user", "content": text}]


ASK = user("Say hello in one sentence.")
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 20}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
SCHEMA: Any = {
    "type": "object",
    "properties": {"answer": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["answer"],
    "additionalProperties": False,
}


def test_a_chat_is_answered_with_usage_and_a_receipt(client: OpenPCC):
    reply = client.chat.completions.create(model=MODEL, messages=ASK, max_tokens=16)
    assert reply.choices[0].message.content
    assert reply.usage is not None
    assert 1 <= reply.usage.completion_tokens <= 16


def test_a_stream_comes_in_pieces_and_ends(client: OpenPCC):
    stream = client.chat.completions.create(
        model=MODEL,
        messages=ASK,
        max_tokens=16,
        stream=True,
        stream_options={"include_usage": True},
    )
    events = list(stream)
    assert sum(bool(event.choices and event.choices[0].delta.content) for event in events) > 1
    assert [event.usage for event in events][-1] is not None


def test_a_seed_gives_the_same_answer_twice(client: OpenPCC):
    texts = [
        client.chat.completions.create(
            model=MODEL, messages=ASK, max_tokens=12, seed=7, temperature=0.8
        )
        .choices[0]
        .message.content
        for _ in range(2)
    ]
    assert texts[0] == texts[1]


def test_a_named_tool_is_called_with_fitting_arguments(client: OpenPCC):
    reply = client.chat.completions.create(
        model=MODEL,
        messages=user("What is the weather in Paris?"),
        tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        max_tokens=64,
    )
    calls = reply.choices[0].message.tool_calls
    assert calls
    assert calls[0].type == "function"
    assert calls[0].function.name == "get_weather"
    assert set(json.loads(calls[0].function.arguments)) == {"city"}


def test_structured_output_obeys_its_schema(client: OpenPCC):
    reply = client.chat.completions.create(
        model=MODEL,
        messages=user("How many legs has a dog? JSON."),
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}},
        max_tokens=40,
    )
    document = json.loads(reply.choices[0].message.content or "")
    assert set(document) == {"answer"}
    assert 0 <= document["answer"] <= 99


def test_plain_completions_and_responses_work(client: OpenPCC):
    text = client.completions.create(model=MODEL, prompt="Hello", max_tokens=4).choices[0].text
    assert isinstance(text, str)
    response = client.responses.create(
        model=MODEL, input="Say hello.", max_output_tokens=16, store=False
    )
    assert response.output_text


def test_the_models_are_those_of_the_logged_entry(client: OpenPCC):
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).id == MODEL
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("another")


def test_an_engine_error_arrives_as_the_sdk_error(client: OpenPCC):
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model=MODEL, messages=ASK, max_tokens=-1)


@pytest.mark.parametrize(
    "field", [{"store": True}, {"previous_response_id": "resp_1"}, {"background": True}]
)
def test_what_would_keep_state_is_refused_by_the_node(client: OpenPCC, field: Any):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input="Hello", **({"store": False} | field))
    assert caught.value.code == "stateful"


def test_a_model_nobody_serves_is_refused_before_anything_is_sent(client: OpenPCC):
    with pytest.raises(UnknownModelError, match="offers: demo"):
        client.chat.completions.create(model="another", messages=ASK)


def test_many_at_a_time_are_all_answered(stack: DemoStack):
    async def ask_all() -> list[str | None]:
        async with AsyncOpenPCC(stack.client) as client:
            replies = await asyncio.gather(
                *(
                    client.chat.completions.create(model=MODEL, messages=ASK, max_tokens=8)
                    for _ in range(12)
                )
            )
        return [reply.choices[0].message.content for reply in replies]

    assert all(text is not None for text in asyncio.run(ask_all()))


def test_the_async_stream_is_whole(stack: DemoStack):
    async def run() -> str:
        async with AsyncOpenPCC(stack.client) as client:
            stream = await client.chat.completions.create(
                model=MODEL, messages=ASK, max_tokens=16, stream=True
            )
            return "".join([e.choices[0].delta.content or "" async for e in stream if e.choices])

    assert asyncio.run(run())


def test_paced_replies_are_the_same_answers(stack: DemoStack):
    with OpenPCC(stack.client) as plain, OpenPCC(stack.client, pace="paced") as paced:
        texts = [
            client.chat.completions.create(model=MODEL, messages=ASK, max_tokens=12, temperature=0)
            .choices[0]
            .message.content
            for client in (plain, paced)
        ]
    assert texts[0] == texts[1]

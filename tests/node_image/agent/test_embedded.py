"""The node with the real embedded engine: every path, streamed and whole."""

import asyncio
import base64
import json
from typing import Any

import aiohttp
import pytest

from openpcc.protocol import messages
from tests.node_image.agent.conftest import staged
from tests.node_image.agent.stage import CHAT, Caller, opened, request

SAY: dict[str, Any] = {
    "messages": [{"role": "user", "content": "What is a pipe?"}],
    "seed": 1,
    "temperature": 0,
}


@pytest.fixture
def on_stage(loop, machine, embedded_engine):
    return staged(loop, machine, embedded_engine)


def events(content: bytes) -> list[Any]:
    lines = [line[6:] for line in content.split(b"\n") if line.startswith(b"data: ")]
    return [line if line == b"[DONE]" else json.loads(line) for line in lines]


def tokens(inner: Any) -> Any:
    document = json.loads(base64.b64decode(inner.trailers[messages.RECEIPT]))
    return json.loads(base64.b64decode(document["receipt"]))["tokens"]


def test_chat(on_stage):
    async def body(stage):
        inner = await stage.ask(request(max_tokens=8, **SAY))
        usage = inner.json()["usage"]
        assert inner.json()["choices"][0]["message"]["content"]
        assert tokens(inner) == {
            "prompt": usage["prompt_tokens"],
            "completion": usage["completion_tokens"],
        }

    on_stage(body)


def test_a_stream_whose_usage_was_not_asked_for_does_not_show_it(on_stage):
    async def body(stage):
        inner = await stage.ask(request(max_tokens=8, stream=True, **SAY))
        *found, last = events(inner.content)
        assert last == b"[DONE]"
        assert all("usage" not in event and event["choices"] for event in found)
        assert tokens(inner)["completion"] == 8

    on_stage(body)


def test_a_stream_whose_usage_was_asked_for_shows_it(on_stage):
    async def body(stage):
        asked = request(max_tokens=8, stream=True, stream_options={"include_usage": True}, **SAY)
        inner = await stage.ask(asked)
        *_, closing, last = events(inner.content)
        assert last == b"[DONE]"
        assert closing["choices"] == []
        assert closing["usage"]["completion_tokens"] == tokens(inner)["completion"] == 8

    on_stage(body)


def test_both_streams_say_the_same(on_stage):
    async def body(stage):
        said = []
        for options in (None, {"include_usage": True}):
            asked = request(max_tokens=8, stream=True, stream_options=options, **SAY)
            found = events((await stage.ask(asked)).content)[:-1]
            choices = [event["choices"][0] for event in found if event["choices"]]
            said.append([choice["delta"] for choice in choices])
        assert said[0] == said[1]

    on_stage(body)


def test_the_budget_bounds_the_reply(on_stage):
    async def body(stage):
        asked = request("/v1/completions", prompt="The", ignore_eos=True, temperature=0)
        inner = await stage.ask(asked, max_output=256)
        assert tokens(inner)["completion"] <= 256

    on_stage(body)


def test_responses(on_stage):
    async def body(stage):
        asked = request("/v1/responses", input="Hello", max_output_tokens=8)
        inner = await stage.ask(asked)
        assert inner.json()["object"] == "response"
        assert tokens(inner)["completion"] == inner.json()["usage"]["output_tokens"]
        asked = request("/v1/responses", input="Hello", max_output_tokens=8, stream=True)
        inner = await stage.ask(asked)
        assert tokens(inner)["completion"] > 0

    on_stage(body)


def test_embeddings_and_models(on_stage):
    async def body(stage):
        inner = await stage.ask(request("/v1/embeddings", input=["a", "b"]))
        assert len(inner.json()["data"]) == 2
        assert tokens(inner)["completion"] == 0
        inner = await stage.ask(request("/v1/models", method="GET"))
        assert [model["id"] for model in inner.json()["data"]] == ["demo"]

    on_stage(body)


def test_what_the_engine_refuses_comes_back_without_a_receipt(on_stage):
    async def body(stage):
        inner = await stage.ask(request(messages=[]))
        assert inner.status == 400
        assert inner.json()["error"]["message"]
        assert (inner.complete, inner.trailers) == (True, {})

    on_stage(body)


def test_a_caller_who_leaves_stops_the_generation_within_a_second(on_stage, embedded_engine):
    async def active() -> int:
        connector = aiohttp.UnixConnector(str(embedded_engine._folder / "engine.sock"))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get("http://engine/health") as response,
        ):
            return int((await response.json())["active"])

    async def body(stage):
        asked = request(CHAT, stream=True, ignore_eos=True, n=4, **SAY)
        sealed = await stage.seal(asked)
        caller = Caller(stage.node)
        call = asyncio.create_task(
            caller.call("POST", "/sealed", sealed.body, messages.SEALED_REQUEST)
        )
        while not caller.answer.parts:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        caller.left.set()
        async with asyncio.timeout(1.0):
            await call
            while await active():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert not caller.answer.ended
        assert not opened(sealed.open_reply(), caller.answer).complete

    on_stage(body)

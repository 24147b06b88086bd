"""Every refusal of a node (docs/formats.md, 9), reached by breaking exactly one thing.

Each row starts from the request that `test_the_unbroken_request_is_served` sees served.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from node_image.agent.app import Limits
from openpcc.protocol import bhttp, messages
from openpcc.protocol.sealing import NodePrivateKey
from tests.node_image.agent.stage import Answer, Caller, Stage, request

FORMATS = Path(__file__).parents[3] / "docs" / "formats.md"
SMALL = Limits(max_requests=1, max_request_bytes=4096)


async def good(stage: Stage) -> bytes:
    return (await stage.seal(request())).body


def changed(at: int, to: bytes) -> Callable[[Stage], Awaitable[Answer]]:
    async def act(stage: Stage) -> Answer:
        body = await good(stage)
        return await stage.post(body[:at] + to + body[at + len(to) :])

    return act


async def cut(stage: Stage) -> Answer:
    return await stage.post((await good(stage))[:-1])


async def cut_prefix(stage: Stage) -> Answer:
    return await stage.post((await good(stage))[:200])


async def longer(stage: Stage) -> Answer:
    return await stage.post(await good(stage) + b"\x00")


async def other_key(stage: Stage) -> Answer:
    stranger = NodePrivateKey.generate().node_key
    return await stage.post((await stage.seal(request(), keys=[stranger])).body)


async def old(stage: Stage) -> Answer:
    return await stage.post((await stage.seal(request(), ahead=0)).body)


async def from_the_future(stage: Stage) -> Answer:
    return await stage.post((await stage.seal(request(), ahead=361)).body)


async def twice(stage: Stage) -> Answer:
    body = await good(stage)
    assert (await stage.post(body)).status == 200
    return await stage.post(body)


async def large(stage: Stage) -> Answer:
    return await stage.post((await stage.seal(request(text="x" * 4096))).body)


async def while_full(stage: Stage) -> Answer:
    first, waiting = Caller(stage.node), await stage.seal(request(user="silent"))
    task = asyncio.create_task(first.call("POST", "/sealed", waiting.body, messages.SEALED_REQUEST))
    while stage.node._in_flight == 0:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    answer = await stage.post(await good(stage))
    first.left.set()
    await task
    return answer


async def other_path(stage: Stage) -> Answer:
    return await Caller(stage.node).call(
        "POST", "/sealed/", await good(stage), messages.SEALED_REQUEST
    )


async def other_method(stage: Stage) -> Answer:
    return await Caller(stage.node).call(
        "PUT", "/sealed", await good(stage), messages.SEALED_REQUEST
    )


async def no_epoch(stage: Stage) -> Answer:
    stage.identity.erase()
    return await stage.call("GET", "/evidence")


OUTSIDE: list[tuple[str, str, int, Callable[[Stage], Awaitable[Answer]]]] = [
    ("malformed", "k of 9", 400, changed(7, b"\x09")),
    ("malformed", "expiry off the grid", 400, changed(15, b"\x01")),
    ("malformed", "budget no power of two", 400, changed(16, b"\x00\x00\x01\x01")),
    ("unsupported", "version 2", 400, changed(0, b"\x02")),
    ("unsupported", "another KEM", 400, changed(1, b"\x00\x10")),
    ("truncated", "prefix cut", 400, cut_prefix),
    ("unsealable", "last byte cut", 422, cut),
    ("unsealable", "one byte more", 422, longer),
    ("unsealable", "request id", 422, changed(20, b"\xa5\x5a")),
    ("unsealable", "model id", 422, changed(52, b"\xa5\x5a")),
    ("unsealable", "token digest", 422, changed(84, b"\xa5\x5a")),
    ("unknown-key", "sealed for another", 422, other_key),
    ("expired", "too old", 422, old),
    ("expired", "from the future", 422, from_the_future),
    ("replayed", "sent twice", 409, twice),
    ("too-large", "over the limit", 413, large),
    ("busy", "no place", 503, while_full),
    ("not-found", "another path", 404, other_path),
    ("method", "another method", 405, other_method),
    ("not-ready", "no epoch", 503, no_epoch),
]

INSIDE: list[tuple[str, str, int, bhttp.Request, dict[str, Any]]] = [
    ("path", "another path", 404, request("/v1/engines"), {}),
    ("path", "another method", 404, request("/v1/models"), {}),
    ("model", "body names another", 404, request(model="other"), {}),
    ("model", "sealed for another", 404, request(), {"model": "other"}),
    ("output-limit", "over the budget", 400, request(max_tokens=257), {"max_output": 256}),
    ("output-limit", "in two choices", 400, request(max_tokens=200, n=2), {"max_output": 256}),
    ("stateful", "store", 400, request(store=True), {}),
    ("stateful", "previous_response_id", 400, request(previous_response_id="x"), {}),
    ("stateful", "background", 400, request("/v1/responses", background=True), {}),
    ("malformed", "short salt", 400, request(cache_salt="x" * 31), {}),
    ("malformed", "pace", 400, request(fields=(("openpcc-pace", "now"),)), {}),
    ("unsupported", "opens the engine", 400, request(prompt_embeds="x"), {}),
    ("engine", "breaks off in its head", 502, request(user="garbage"), {}),
    ("engine", "marks no end", 502, request(user="endless-header"), {}),
]


def _documented(where: str) -> set[str]:
    section = FORMATS.read_text().split("## 9. Errors")[1]
    rows = re.findall(r"^\| ([a-z, -]+) \| [0-9, ]+ \| ([^|]+) \|", section, re.M)
    return {code for codes, origin in rows if where == origin for code in codes.split(", ")}


def test_every_documented_code_has_a_row() -> None:
    everybody = _documented("node, gateway") | _documented("all")
    assert {code for code, *_ in OUTSIDE} == everybody
    assert {code for code, *_ in INSIDE} == _documented("node, inside the seal")
    assert len(everybody) == 12


def test_the_unbroken_request_is_served(on_stage) -> None:
    async def body(stage):
        assert (await stage.ask(request())).status == 200

    on_stage(body, limits=SMALL)


@pytest.mark.parametrize(
    ("code", "status", "act"),
    [pytest.param(code, status, act, id=f"{code}-{what}") for code, what, status, act in OUTSIDE],
)
def test_refuses_outside_the_seal(on_stage, code, status, act) -> None:
    async def body(stage):
        answer = await act(stage)
        assert (answer.status, answer.code) == (status, code)
        assert answer.headers["content-type"] == messages.ERROR

    on_stage(body, limits=SMALL)


@pytest.mark.parametrize(
    ("code", "status", "broken", "terms"),
    [pytest.param(code, *row, id=f"{code}-{what}") for code, what, *row in INSIDE],
)
def test_refuses_inside_the_seal(on_stage, code, status, broken, terms) -> None:
    async def body(stage):
        inner = await stage.ask(broken, **terms)
        assert (inner.status, inner.code, inner.complete) == (status, code, True)
        assert messages.RECEIPT not in inner.trailers

    on_stage(body)

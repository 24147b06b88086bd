"""The node with the real vLLM on this CPU: the same seam, another engine."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from node_image.agent.engine_process import ProcessEngine
from openpcc.protocol import messages
from tests.node_image.agent.conftest import running, staged
from tests.node_image.agent.stage import image, request

PYTHON = Path(__file__).parents[3] / ".venv-vllm" / "bin" / "python"

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not PYTHON.exists(), reason="no vLLM environment; make vllm"),
]

SALT = "a salt of the caller's own, 32 bytes or more"


@pytest.fixture(scope="module")
def vllm(loop, machine) -> Iterator[ProcessEngine]:
    arguments = (
        *("--enforce-eager", "--dtype", "float32"),
        *("--max-model-len", "512", "--max-num-seqs", "8"),
    )
    real = image(machine, engine="vllm", engine_python=PYTHON, engine_arguments=arguments)
    yield from running(loop, ProcessEngine(real))


@pytest.fixture
def on_stage(loop, machine, vllm):
    return staged(loop, machine, vllm)


def tokens(inner) -> dict[str, int]:
    document = json.loads(base64.b64decode(inner.trailers[messages.RECEIPT]))
    found: dict[str, int] = json.loads(base64.b64decode(document["receipt"]))["tokens"]
    return found


def chat(**members):
    return request(messages=[{"role": "user", "content": "What is a pipe?"}], **members)


def test_tells_what_it_is(vllm):
    assert vllm.capabilities().name == "vllm"
    assert vllm.capabilities().version[0].isdigit()
    assert vllm.capabilities().prefix_cache


def test_chat_whole_and_streamed_with_hidden_usage(on_stage):
    async def body(stage):
        inner = await stage.ask(chat(), max_output=256)
        assert inner.status == 200, inner.content
        assert inner.json()["usage"]["completion_tokens"] == tokens(inner)["completion"] <= 256
        inner = await stage.ask(chat(stream=True, max_tokens=8, ignore_eos=True))
        assert b'"usage"' not in inner.content
        assert inner.content.endswith(b"data: [DONE]\n\n")
        assert tokens(inner)["completion"] == 8
        assert inner.complete

    on_stage(body)


@pytest.mark.parametrize(
    ("path", "members"),
    [
        ("/v1/completions", {"prompt": "The", "max_tokens": 4}),
        ("/v1/responses", {"input": "Hello", "max_output_tokens": 4}),
    ],
)
def test_the_other_paths(on_stage, path, members):
    async def body(stage):
        inner = await stage.ask(request(path, **members))
        assert inner.status == 200, inner.content
        assert tokens(inner)["completion"] > 0

    on_stage(body)


def test_prefixes_are_shared_under_the_callers_salt_alone(on_stage, vllm):
    async def hits() -> float:
        async with vllm._session.get("http://engine/metrics") as response:
            lines = (await response.text()).splitlines()
        found = [line for line in lines if line.startswith("vllm:prefix_cache_hits_total")]
        return sum(float(line.split()[-1]) for line in found)

    async def body(stage):
        prompt = "the quick brown fox jumps over the lazy dog " * 8
        gained = []
        for salt in (None, None, SALT, SALT, SALT + "!"):
            before = await hits()
            inner = await stage.ask(
                request("/v1/completions", prompt=prompt, max_tokens=1, cache_salt=salt)
            )
            assert inner.status == 200, inner.content
            gained.append(await hits() - before > 0)
        assert gained == [False, False, False, True, False]

    on_stage(body)

"""Budgets that the node accepts, and no larger than they must be."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_image.agent import policy
from node_image.agent.errors import InnerRefusal
from openpcc import budget
from openpcc.protocol import bhttp, sealing

PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings")


def of(path: str, **body: object) -> int | None:
    found = budget.wanted(path, body)
    return None if found is None else budget.budget(found, default=4096)


def admitted(path: str, max_output: int, body: dict[str, Any]) -> dict[str, Any]:
    """Have the node's own rules look at a request of this budget."""
    request = bhttp.Request(
        method="POST", scheme="https", authority="demo.example", path=path,
        content=json.dumps({"model": "demo"} | body).encode(),
    )  # fmt: skip
    terms = policy.Terms(
        model="demo", model_id=sealing.model_id("demo"), max_output=max_output, cache_key=None
    )
    found = policy.admit(request, terms)
    assert found.body is not None
    read: dict[str, Any] = json.loads(found.body)
    return read


def test_the_members_are_those_that_the_node_reads():
    assert budget.LIMIT_FIELDS == policy.LIMIT_FIELDS


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/v1/chat/completions", {}, 4096),
        ("/v1/chat/completions", {"max_tokens": 1}, 256),
        ("/v1/chat/completions", {"max_tokens": 256}, 256),
        ("/v1/chat/completions", {"max_tokens": 257}, 512),
        ("/v1/chat/completions", {"max_tokens": 10, "max_completion_tokens": 600}, 1024),
        ("/v1/chat/completions", {"max_output_tokens": 9000}, 4096),
        ("/v1/chat/completions", {"max_tokens": 200, "n": 3}, 1024),
        ("/v1/chat/completions", {"n": 3}, 4096),
        ("/v1/chat/completions", {"n": 5000}, 8192),
        ("/v1/completions", {"max_tokens": 100, "prompt": ["a"] * 10}, 1024),
        ("/v1/completions", {"max_tokens": 100, "prompt": [1] * 10}, 256),
        ("/v1/completions", {"max_tokens": 100, "prompt": [[1]] * 10, "n": 2, "best_of": 4}, 4096),
        ("/v1/responses", {"max_output_tokens": 5000}, 8192),
        ("/v1/embeddings", {"input": "text", "max_tokens": 9999}, 256),
        ("/v1/embeddings", {"input": ["text"] * 257}, 512),
        ("/v1/embeddings", {"input": [[1, 2]] * 1024}, 1024),
        ("/v1/embeddings", {"input": [1] * 1024}, 256),
    ],
)
def test_the_budget_is_the_smallest_that_allows_the_body(
    path: str, body: dict[str, Any], expected: int
):
    assert of(path, **body) == expected
    admitted(path, expected, body)


@pytest.mark.parametrize("wrong", [0, -5, True, "7", 1.0, [], {}])
@pytest.mark.parametrize("name", ["max_tokens", "n"])
def test_what_the_node_refuses_has_no_budget(name: str, wrong: object):
    assert of("/v1/completions", **{name: wrong}) is None
    with pytest.raises(InnerRefusal):
        admitted("/v1/completions", 4096, {name: wrong})


@pytest.mark.parametrize("name", ["max_tokens", "n"])
def test_a_number_that_nothing_could_write_has_no_budget(name: str):
    """It ended in an error of Python's when the price was told: no text of so many digits."""
    body = json.loads(f'{{"{name}": {"9" * 4300}, "prompt": ["a", "b"]}}')
    assert of("/v1/completions", **body) is None


numbers = st.integers(1, 5000)
prompts = st.one_of(
    st.text(max_size=5),
    st.lists(st.text(max_size=3), max_size=6),
    st.lists(st.integers(0, 9), max_size=6),
    st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=6),
)
bodies = st.fixed_dictionaries(
    {},
    optional={
        "max_tokens": numbers,
        "max_completion_tokens": numbers,
        "max_output_tokens": numbers,
        "n": st.integers(1, 9),
        "best_of": st.integers(1, 9),
        "prompt": prompts,
        "input": prompts,
    },
)


@given(path=st.sampled_from(PATHS), body=bodies)
def test_the_node_accepts_every_budget_and_sets_a_limit_within(path: str, body: dict[str, Any]):
    max_output = of(path, **body)
    assert max_output is not None
    assert max_output.bit_count() == 1
    read = admitted(path, max_output, body)
    names = policy.LIMIT_FIELDS.get(path, ())
    limits = [read[name] for name in names if read.get(name) is not None]
    assert limits or not names
    choices = policy._choices(read)
    assert all(limit * choices <= max_output for limit in limits)


@given(path=st.sampled_from(PATHS[:3]), body=bodies)
def test_half_the_budget_would_be_refused(path: str, body: dict[str, Any]):
    names = policy.LIMIT_FIELDS[path]
    max_output = of(path, **body)
    assert max_output is not None
    if max_output > sealing.MIN_OUTPUT and any(name in body for name in names):
        with pytest.raises(InnerRefusal):
            admitted(path, max_output // 2, body)

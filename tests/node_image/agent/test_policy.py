"""node_image/agent/policy.py: step 5 of the sealing sheet."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_image.agent.errors import InnerRefusal
from node_image.agent.policy import Preferences, Terms, admit, parse_body, preferences
from openpcc.protocol import bhttp, sealing

CHAT = "/v1/chat/completions"


def terms(*, max_output: int = 0, cache: bool = False, model: str = "demo") -> Terms:
    return Terms(
        model="demo",
        model_id=sealing.model_id(model),
        max_output=max_output,
        cache_key=bytes(32) if cache else None,
    )


def request(path: str = CHAT, *, method: str = "POST", fields=(), **members) -> bhttp.Request:
    body = json.dumps({"model": "demo", **members}).encode() if method == "POST" else b""
    return bhttp.Request(
        method=method, scheme="https", authority="demo", path=path, headers=fields, content=body
    )


def admitted(path: str = CHAT, *, under: Terms | None = None, **members) -> dict[str, object]:
    body = admit(request(path, **members), under or terms()).body
    assert body is not None
    result = json.loads(body)
    assert isinstance(result, dict)
    return result


def refused(path: str = CHAT, *, under: Terms | None = None, **members) -> InnerRefusal:
    with pytest.raises(InnerRefusal) as caught:
        admit(request(path, **members), under or terms())
    return caught.value


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", CHAT),
        ("POST", "/v1/models"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "/v1/chat/completions?x=1"),
        ("POST", "/v1/../v1/chat/completions"),
        ("GET", "/metrics"),
        ("POST", "/tokenize"),
        ("get", "/v1/models"),
    ],
)
def test_refuses_every_path_that_is_not_listed(method, path):
    found = refused(path, method=method)
    assert (found.code, found.status) == ("path", 404)


def test_refuses_another_scheme():
    plain = bhttp.Request(method="GET", scheme="http", authority="demo", path="/v1/models")
    with pytest.raises(InnerRefusal, match="not served"):
        admit(plain, terms())


def test_models_needs_no_body_but_the_sealed_model():
    found = admit(request("/v1/models", method="GET"), terms())
    assert (found.body, found.generates) == (None, False)
    assert refused("/v1/models", method="GET", under=terms(model="other")).code == "model"


def test_refuses_a_model_that_is_not_the_sealed_one():
    assert refused(model="other").code == "model"
    assert refused(under=terms(model="other")).code == "model"
    assert refused(model=None).code == "malformed"
    assert refused(model=["demo"]).code == "malformed"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"text"',
        b"{",
        b'{"model":"demo"}{}',
        b'{"model":"other","model":"demo"}',
        b'{"model":"demo","x":{"a":1,"a":2}}',
        b'{"model":"demo","x":NaN}',
        b'{"model":"demo","x":-Infinity}',
        b"\xff\xfe",
        b'{"model":"demo","x":' + b"[" * 65 + b"]" * 65 + b"}",
        b"[" * 100_000,
        b'{"model":"demo","x":' + b"1" * 5000 + b"}",
    ],
)
def test_refuses_a_body_with_another_reading(body):
    with pytest.raises(InnerRefusal) as caught:
        parse_body(body)
    assert caught.value.code == "malformed"


def test_brackets_inside_strings_are_not_nesting():
    assert parse_body(json.dumps({"x": "[" * 1000 + '\\"' + "{" * 1000}).encode())


@given(st.binary(max_size=200))
def test_any_body_gives_an_object_or_a_refusal(data):
    with suppress(InnerRefusal):
        assert isinstance(parse_body(data), dict)


def test_refuses_half_a_surrogate_pair():
    body = b'{"model":"demo","x":"\\ud800"}'
    with pytest.raises(InnerRefusal, match="surrogate"):
        admit(
            bhttp.Request(method="POST", scheme="https", authority="demo", path=CHAT, content=body),
            terms(),
        )


@pytest.mark.parametrize(
    "members",
    [
        {"store": True},
        {"store": "yes"},
        {"store": 0},
        {"background": True},
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"conversation": {"id": "conv_1"}},
    ],
)
def test_refuses_what_would_keep_state(members):
    found = refused("/v1/responses", **members)
    assert (found.code, found.status, found.param) == ("stateful", 400, next(iter(members)))


def test_allows_state_that_is_switched_off():
    assert admitted(store=False, background=False, previous_response_id=None)["store"] is False


def test_switches_storing_off_where_it_is_the_default():
    assert admitted("/v1/responses", input="x")["store"] is False
    assert "store" not in admitted(CHAT)


@pytest.mark.parametrize("name", ["prompt_embeds", "kv_transfer_params", "chat_template"])
def test_refuses_engine_options_that_are_more_than_text(name):
    members: dict[str, Any] = {name: "x"}
    found = refused(**members)
    assert (found.code, found.param) == ("unsupported", name)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (CHAT, "max_completion_tokens"),
        (CHAT, "max_tokens"),
        ("/v1/completions", "max_tokens"),
        ("/v1/responses", "max_output_tokens"),
    ],
)
def test_holds_every_output_limit_to_the_budget(path, field):
    budget = terms(max_output=256)
    assert admitted(path, under=budget, **{field: 256})[field] == 256
    found = refused(path, under=budget, **{field: 257})
    assert (found.code, found.status, found.param) == ("output-limit", 400, field)
    for wrong in ("1", 1.5, True, 0, -1, [1]):
        assert refused(path, under=budget, **{field: wrong}).code == "malformed"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (CHAT, "max_completion_tokens"),
        ("/v1/completions", "max_tokens"),
        ("/v1/responses", "max_output_tokens"),
    ],
)
def test_sets_the_output_limit_where_there_is_none(path, field):
    assert admitted(path, under=terms(max_output=512))[field] == 512
    assert admitted(path, under=terms(max_output=512), **{field: None})[field] == 512
    assert field not in admitted(path, under=terms())


def test_one_limit_within_the_budget_does_not_excuse_the_other():
    budget = terms(max_output=256)
    assert refused(under=budget, max_tokens=1, max_completion_tokens=300).code == "output-limit"
    assert refused(under=budget, max_tokens=300, max_completion_tokens=1).code == "output-limit"


def test_choices_share_the_budget():
    budget = terms(max_output=256)
    assert admitted(under=budget, n=4)["max_completion_tokens"] == 64
    assert refused(under=budget, n=4, max_tokens=65).code == "output-limit"
    assert refused(under=budget, n=257).param == "n"
    assert refused(under=budget, n="4").code == "malformed"
    completions = "/v1/completions"
    assert admitted(completions, under=budget, best_of=2)["max_tokens"] == 128
    assert admitted(completions, under=budget, prompt=["a", "b"], n=2)["max_tokens"] == 64
    assert admitted(completions, under=budget, prompt=[[1, 2], [3]])["max_tokens"] == 128
    assert admitted(completions, under=budget, prompt=[1, 2, 3])["max_tokens"] == 256


def test_embeddings_have_no_output_limit():
    assert "max_tokens" not in admitted("/v1/embeddings", under=terms(max_output=256), input="x")


def test_embeddings_of_many_inputs_are_not_one_request():
    """One token paid for as many inputs as fit into 47 MiB."""
    embeddings, budget = "/v1/embeddings", terms(max_output=256)
    assert admitted(embeddings, under=budget, input=["x"] * 256)["input"] == ["x"] * 256
    found = refused(embeddings, under=budget, input=["x"] * 257)
    assert (found.code, found.status, found.param) == ("output-limit", 400, "input")
    assert refused(embeddings, under=budget, input=[[1, 2]] * 257).code == "output-limit"
    assert admitted(embeddings, under=budget, input=[1] * 8192)["input"] == [1] * 8192
    assert admitted(embeddings, under=terms(), input=["x"] * 257)["input"] == ["x"] * 257


def test_every_request_has_a_prefix_cache_of_its_own():
    first, second = (admitted(under=terms(cache=True))["cache_salt"] for _ in range(2))
    assert first != second
    assert len(str(first)) == 64


def test_a_salt_of_the_callers_own_shares_until_the_epoch_ends():
    salt = "s" * 32
    first = admitted(under=terms(cache=True), cache_salt=salt)["cache_salt"]
    assert first == admitted(under=terms(cache=True), cache_salt=salt)["cache_salt"]
    assert first != salt
    later = Terms(
        model="demo", model_id=sealing.model_id("demo"), max_output=0, cache_key=b"k" * 32
    )
    assert first != admitted(under=later, cache_salt=salt)["cache_salt"]


@pytest.mark.parametrize("salt", ["s" * 31, 32, ["s" * 32]])
def test_refuses_a_salt_that_can_be_guessed(salt):
    for cache in (True, False):
        assert refused(under=terms(cache=cache), cache_salt=salt).param == "cache_salt"


def test_an_engine_without_a_prefix_cache_sees_no_salt():
    assert "cache_salt" not in admitted(cache_salt="s" * 32)


def test_asks_for_usage_and_hides_it_from_whoever_did_not():
    silent = admit(request(stream=True), terms())
    assert (silent.stream, silent.strip_usage) == (True, True)
    assert admitted(stream=True)["stream_options"] == {"include_usage": True}
    asked = admit(request(stream=True, stream_options={"include_usage": True}), terms())
    assert not asked.strip_usage
    assert not admit(request(), terms()).stream
    responses = admit(request("/v1/responses", stream=True), terms())
    assert (responses.stream, responses.strip_usage) == (True, False)
    assert refused(stream=1).code == "malformed"
    assert refused(stream=True, stream_options=[]).code == "malformed"


def test_reads_pace_and_receipt_from_the_inner_fields():
    assert preferences(request()) == Preferences(paced=False, receipt=True)
    fields = (("openpcc-pace", "paced"), ("openpcc-receipt", "no"))
    assert preferences(request(fields=fields)) == Preferences(paced=True, receipt=False)
    for wrong in (
        (("openpcc-pace", "fast"),),
        (("openpcc-pace", "paced"), ("openpcc-pace", "latency")),
        (("openpcc-receipt", "yes"),),
    ):
        with pytest.raises(InnerRefusal):
            preferences(request(fields=wrong))


def test_the_engine_gets_what_was_checked_and_not_the_callers_bytes():
    body = b'{ "model" : "demo", "messages": [{"role":"user","content":"\xc3\xa9"}], "n": 1 }'
    made = admit(
        bhttp.Request(method="POST", scheme="https", authority="demo", path=CHAT, content=body),
        terms(),
    )
    assert made.body == '{"model":"demo","messages":[{"role":"user","content":"é"}],"n":1}'.encode()

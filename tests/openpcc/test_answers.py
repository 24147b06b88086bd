"""What leaves the machine inside the seal, and what never does."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.answers import (
    MAX_REQUEST,
    Answer,
    Asked,
    Call,
    Options,
    asks_for_models,
    list_models,
    paced,
    prepare,
)
from openpcc.errors import UnknownPaceError
from openpcc.protocol import bhttp
from openpcc.protocol.sealing import NodePrivateKey, seal_request

CHAT = "/v1/chat/completions"


def asked(content: object, *, method: str = "POST", target: str = CHAT) -> Asked:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Asked(method=method, target=target, content=data)


def test_only_the_closed_list_of_fields_travels():
    call = prepare(asked({"model": "demo"}), Options(), "demo.example")
    assert isinstance(call, Call)
    assert paced(call, Options(), ["latency"]).request.headers == (
        ("content-type", "application/json"),
        ("openpcc-pace", "latency"),
    )
    assert (call.request.authority, call.request.path) == ("demo.example", CHAT)


def test_pace_and_receipt_travel_inside_the_seal():
    options = Options(pace="paced", receipt=False)
    call = prepare(asked({"model": "m"}), options, "s.example")
    assert isinstance(call, Call)
    call = paced(call, options, ["latency", "paced"])
    assert ("openpcc-pace", "paced") in call.request.headers
    assert ("openpcc-receipt", "no") in call.request.headers


def test_an_unknown_pace_is_refused_where_it_is_written():
    with pytest.raises(ValueError, match="leisurely"):
        Options(pace="leisurely")


@pytest.mark.parametrize("offered", [["latency", "paced"], ["paced", "latency"], ["paced"]])
def test_who_chooses_no_pace_does_as_all_others_of_the_service(offered: list[str]):
    call = prepare(asked({"model": "m"}), Options(), "s.example")
    assert isinstance(call, Call)
    assert ("openpcc-pace", offered[0]) in paced(call, Options(), offered).request.headers


@pytest.mark.parametrize("pace", ["latency", "paced"])
def test_a_pace_that_the_entry_does_not_list_is_refused_by_name(pace: str):
    options = Options(pace=pace)
    call = prepare(asked({"model": "m"}), options, "s.example")
    assert isinstance(call, Call)
    (other,) = {"latency", "paced"} - {pace}
    with pytest.raises(UnknownPaceError, match=f"no pace '{pace}'; it offers: {other}"):
        paced(call, options, [other])


@pytest.mark.parametrize(
    ("method", "target"),
    [("POST", "/v1/files"), ("GET", CHAT), ("DELETE", "/v1/models/demo"), ("POST", "/metrics"),
     ("POST", CHAT + "?a=1"), ("POST", "/v1/../v1/chat/completions")],
)  # fmt: skip
def test_other_routes_are_refused_here(method: str, target: str):
    answer = prepare(asked({"model": "m"}, method=method, target=target), Options(), "s.example")
    assert isinstance(answer, Answer)
    assert answer.status == 404
    assert json.loads(answer.content)["error"]["code"] == "path"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"model":1}', b'{"model":""}'])
def test_a_body_without_a_model_is_refused_here(content: bytes):
    answer = prepare(asked(content), Options(), "s.example")
    assert isinstance(answer, Answer)
    assert answer.status == 400


def test_content_that_no_bucket_holds_is_refused_before_it_is_read():
    answer = prepare(asked(b"{" * (MAX_REQUEST + 1)), Options(), "s.example")
    assert isinstance(answer, Answer)
    assert answer.status == 413


def test_the_largest_content_can_be_sealed():
    body = b'{"model":"m","x":"' + b"x" * (MAX_REQUEST - 20) + b'"}'
    call = prepare(asked(body), Options(), "s.example")
    assert isinstance(call, Call)
    key = NodePrivateKey.generate().node_key
    message = bhttp.encode_request(call.request)
    sealed = seal_request([key], message, model="m", expires=60, max_output=0)
    assert len(sealed.body) <= 64 * 2**20


def test_models_are_listed_and_found_by_name():
    listed = list_models(asked(b"", method="GET", target="/v1/models"), ["a", "b/c"], created=5)
    assert [row["id"] for row in json.loads(listed.content)["data"]] == ["a", "b/c"]
    one = list_models(asked(b"", method="GET", target="/v1/models/b/c"), ["a", "b/c"], created=5)
    assert json.loads(one.content)["id"] == "b/c"
    none = list_models(asked(b"", method="GET", target="/v1/models/d"), ["a"], created=5)
    assert none.status == 404


def test_only_the_model_list_is_answered_here():
    assert asks_for_models(asked(b"", method="GET", target="/v1/models"))
    assert not asks_for_models(asked(b"", method="GET", target="/v1/modelsx"))
    assert not asks_for_models(asked(b"", method="POST", target="/v1/models"))


@given(st.binary(max_size=200))
def test_any_content_is_prepared_or_refused(data: bytes):
    assert isinstance(prepare(asked(data), Options(), "s.example"), Call | Answer)

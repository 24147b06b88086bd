"""node_image/agent/app.py: what is refused, in the order of the sealing sheet, and what is not.

Each refusal starts from a request that would be served and breaks one thing.
"""

import asyncio

import pytest

from node_image.agent.app import Limits
from openpcc.protocol import messages
from openpcc.protocol.sealing import NodePrivateKey
from tests.node_image.agent.stage import BEACON, Caller, Stage, opened, request


def altered(body: bytes, at: int, to: bytes) -> bytes:
    return body[:at] + to + body[at + len(to) :]


def test_serves_a_sealed_request(on_stage):
    async def body(stage):
        inner = await stage.ask(request())
        assert (inner.status, inner.complete) == (200, True)
        assert inner.json()["usage"]["prompt_tokens"] == 3

    on_stage(body)


def test_the_reply_is_marked_as_what_it_is(on_stage):
    async def body(stage):
        answer = await stage.post((await stage.seal(request())).body)
        assert answer.headers == {
            "content-type": messages.SEALED_RESPONSE,
            "incremental": "?1",
        }

    on_stage(body)


@pytest.mark.parametrize("index", [0, 1])
def test_serves_whichever_of_its_keys_is_named(on_stage, index):
    async def body(stage):
        key = (await stage.keys())[index]
        stranger = NodePrivateKey.generate(kem_id=key.kem_id).node_key
        inner = await stage.ask(request(), keys=[stranger, key])
        assert inner.status == 200

    on_stage(body)


@pytest.mark.parametrize(
    ("at", "to", "code"),
    [
        (0, b"\x02", "unsupported"),
        (1, b"\xff\xff", "unsupported"),
        (5, b"\x00\x01", "unsupported"),
        (7, b"\x00", "malformed"),
        (7, b"\x09", "malformed"),
        (15, b"\x01", "malformed"),
        (16, b"\x00\x00\x00\x05", "malformed"),
    ],
)
def test_step_1_form(on_stage, at, to, code):
    async def body(stage):
        answer = await stage.post(altered((await stage.seal(request())).body, at, to))
        assert (answer.status, answer.code) == (400, code)

    on_stage(body)


@pytest.mark.parametrize("size", [0, 1, 8, 147, 148, 1000])
def test_step_1_length(on_stage, size):
    async def body(stage):
        answer = await stage.post((await stage.seal(request())).body[:size])
        assert (answer.status, answer.code) == (400, "truncated")

    on_stage(body)


def test_step_1_unknown_key(on_stage):
    async def body(stage):
        stranger = NodePrivateKey.generate().node_key
        answer = await stage.post((await stage.seal(request(), keys=[stranger])).body)
        assert (answer.status, answer.code) == (422, "unknown-key")

    on_stage(body)


@pytest.mark.parametrize("ahead", [0, -60, 360])
def test_step_1_expiry(on_stage, ahead):
    async def body(stage):
        answer = await stage.post((await stage.seal(request(), ahead=ahead)).body)
        assert (answer.status, answer.code) == (422, "expired")

    on_stage(body)


def test_step_1_names_the_key_before_the_expiry(on_stage):
    async def body(stage):
        stranger = NodePrivateKey.generate().node_key
        sealed = await stage.seal(request(), keys=[stranger], ahead=0)
        assert (await stage.post(sealed.body)).code == "unknown-key"

    on_stage(body)


@pytest.mark.parametrize("at", [16, 20, 52, 84, 150, 1300])
def test_step_2_one_code_whatever_was_changed(on_stage, at):
    async def body(stage):
        sealed = await stage.seal(request(), max_output=256)
        to = b"\x00\x00\x02\x00" if at == 16 else b"\xa5\x5a"
        answer = await stage.post(altered(sealed.body, at, to))
        assert (answer.status, answer.code) == (422, "unsealable")
        assert (await stage.post(sealed.body)).status == 200, "an altered copy spends nothing"

    on_stage(body)


def test_step_2_comes_after_the_expiry(on_stage):
    async def body(stage):
        sealed = await stage.seal(request(), ahead=0)
        assert (await stage.post(altered(sealed.body, 150, b"\xa5\x5a"))).code == "expired"

    on_stage(body)


def test_step_3_each_request_once(on_stage):
    async def body(stage):
        sealed = await stage.seal(request())
        assert (await stage.post(sealed.body)).status == 200
        answer = await stage.post(sealed.body)
        assert (answer.status, answer.code) == (409, "replayed")

    on_stage(body)


def test_step_3_two_copies_at_the_same_time(on_stage):
    async def body(stage):
        sealed = await stage.seal(request())
        answers = await asyncio.gather(*(stage.post(sealed.body) for _ in range(4)))
        assert sorted(answer.status for answer in answers) == [200, 409, 409, 409]

    on_stage(body)


def test_step_3_holds_across_epochs(on_stage):
    async def body(stage):
        sealed = await stage.seal(request(), ahead=300)
        assert (await stage.post(sealed.body)).status == 200
        stage.clock.advance(2300)
        stage.clock.turn_wall(-2300)
        await stage.call("PUT", "/beacon", BEACON)
        assert (await stage.post(sealed.body)).code == "replayed"

    on_stage(body)


def test_step_4_a_bad_chunk_burns_the_request(on_stage):
    async def body(stage):
        sealed = await stage.seal(request())
        broken = sealed.body[:-1] + bytes([sealed.body[-1] ^ 1])
        answer = await stage.post(broken)
        assert (answer.status, answer.code) == (422, "unsealable")
        assert (await stage.post(sealed.body)).code == "replayed"

    on_stage(body)


def test_step_4_a_missing_end_burns_the_request(on_stage):
    async def body(stage):
        sealed = await stage.seal(request(text="x" * 40_000))
        answer = await stage.post(sealed.body[:30_000])
        assert (answer.status, answer.code) == (400, "truncated")
        assert (await stage.post(sealed.body)).code == "replayed"

    on_stage(body)


@pytest.mark.parametrize(
    ("broken", "terms", "status", "code"),
    [
        (request("/metrics"), {}, 404, "path"),
        (request(model="other"), {}, 404, "model"),
        (request(), {"model": "other"}, 404, "model"),
        (request(max_tokens=257), {"max_output": 256}, 400, "output-limit"),
        (request(store=True), {}, 400, "stateful"),
        (request(previous_response_id="x"), {}, 400, "stateful"),
        (request(cache_salt="short"), {}, 400, "malformed"),
        (request(fields=(("openpcc-pace", "fast"),)), {}, 400, "malformed"),
    ],
)
def test_step_5_refuses_inside_the_seal(on_stage, broken, terms, status, code):
    async def body(stage):
        inner = await stage.ask(broken, **terms)
        assert (inner.status, inner.code, inner.complete) == (status, code, True)
        assert set(inner.json()["error"]) == {"message", "type", "param", "code"}
        assert messages.RECEIPT not in inner.trailers

    on_stage(body)


def test_step_5_what_is_no_request_is_refused_inside_the_seal(on_stage):
    async def body(stage):
        from openpcc.protocol.sealing import seal_request

        sealed = seal_request(
            (await stage.keys())[:1],
            b"not Binary HTTP",
            model="demo",
            expires=stage.clock.wall() // 60 * 60 + 120,
            max_output=0,
        )
        inner = opened(sealed.open_reply(), await stage.post(sealed.body))
        assert (inner.status, inner.code) == (400, "malformed")

    on_stage(body)


def test_a_refused_request_was_still_spent(on_stage):
    async def body(stage):
        sealed = await stage.seal(request(store=True))
        await stage.post(sealed.body)
        assert (await stage.post(sealed.body)).code == "replayed"

    on_stage(body)


def test_the_budget_reaches_the_engine(on_stage, fake_engine):
    async def body(stage):
        await stage.ask(request(), max_output=512)
        asked = (fake_engine._folder / "last").read_text()
        assert '"max_completion_tokens":512' in asked

    on_stage(body)


def test_busy_comes_before_anything_is_read(on_stage):
    async def body(stage):
        waiting = Caller(stage.node)
        sealed = await stage.seal(request(user="silent"))
        first = asyncio.create_task(
            waiting.call("POST", "/sealed", sealed.body, messages.SEALED_REQUEST)
        )
        await asyncio.sleep(0.05)
        answer = await stage.post(b"not even a sealed request")
        assert (answer.status, answer.code) == (503, "busy")
        waiting.left.set()
        await first
        assert (await stage.post(b"")).code == "truncated"

    on_stage(body, limits=Limits(max_requests=1, max_request_bytes=2**20))


def test_too_large_comes_before_any_cryptography(on_stage):
    async def body(stage):
        sealed = await stage.seal(request(text="x" * 9000))
        answer = await stage.post(sealed.body)
        assert (answer.status, answer.code) == (413, "too-large")
        assert not stage.replay.full

    on_stage(body, limits=Limits(max_requests=1, max_request_bytes=8192))


def test_another_media_type_is_malformed(on_stage):
    async def body(stage):
        sealed = await stage.seal(request())
        answer = await Caller(stage.node).call("POST", "/sealed", sealed.body, "text/plain")
        assert answer.code == "malformed"

    on_stage(body)


def test_a_large_request_is_opened_too(on_stage):
    async def body(stage):
        inner = await stage.ask(request(text="x" * 2_000_000))
        assert inner.status == 200

    on_stage(body)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not-found"),
        ("GET", "/metrics", 404, "not-found"),
        ("GET", "/sealed", 405, "method"),
        ("POST", "/evidence", 405, "method"),
        ("GET", "/beacon", 405, "method"),
    ],
)
def test_other_resources_are_not_there(on_stage, method, path, status, code):
    async def body(stage):
        answer = await stage.call(method, path)
        assert (answer.status, answer.code) == (status, code)

    on_stage(body)


def test_counts_what_the_host_sees_anyway_and_no_more(on_stage):
    async def body(stage: Stage):
        await stage.ask(request())
        await stage.ask(request(store=True))
        await stage.post(b"")
        text = stage.telemetry.metrics().decode()
        assert 'openpcc_node_requests_total{outcome="answered"} 2.0' in text
        assert 'openpcc_node_requests_total{outcome="truncated"} 1.0' in text
        assert "stateful" not in text
        assert "openpcc_node_in_flight 0.0" in text

    on_stage(body)

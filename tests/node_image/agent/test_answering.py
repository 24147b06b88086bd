"""node_image/agent/answering.py: what goes back, and what if the engine or the caller leaves."""

import asyncio
import base64
import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from attestation.binding import evidence_binding
from attestation.evidence import KeysSection
from attestation.model import model_digest
from node_image.agent import answering, engine_process
from openpcc.protocol import bhttp, chunks, messages
from openpcc.protocol.errors import TruncatedError
from openpcc.protocol.sealing.records import PACED_DATA
from tests.node_image.agent.stage import MODEL_FOLDER, Caller, opened, request

HELD = 2 * 2**20
"""Bytes: the pacer's 256 KiB, the HTTP client's 128 KiB, two socket buffers of the kernel's."""

OFF = (("openpcc-receipt", "no"),)
PACED = (("openpcc-pace", "paced"),)


def receipt_of(inner, key: bytes) -> Any:
    document = json.loads(base64.b64decode(inner.trailers[messages.RECEIPT]))
    body = base64.b64decode(document["receipt"])
    signature = base64.b64decode(document["signature"])
    Ed25519PublicKey.from_public_bytes(key).verify(signature, b"openpcc receipt v1\0" + body)
    return json.loads(body)


def test_ends_with_a_receipt_of_this_exchange(on_stage):
    async def body(stage):
        asked = request()
        sealed = await stage.seal(asked)
        answer = await stage.post(sealed.body)
        opener = sealed.open_reply()
        inner = opened(opener, answer)
        bundle = await stage.bundle()
        found = receipt_of(inner, KeysSection.parse(bundle.keys).receipt)
        salt = opener.receipt_salt
        message = bhttp.encode_request(asked)
        binding = evidence_binding(bundle.keys, bundle.freshness, bundle.devices, bundle.software)
        assert found == {
            "version": 1,
            "request": hashlib.sha256(b"openpcc receipt request v1\0" + salt + message).hexdigest(),
            "response": hashlib.sha256(
                b"openpcc receipt response v1\0" + salt + inner.before_trailers
            ).hexdigest(),
            "request_digest": sealed.request_digest.hex(),
            "release": "a4" * 32,
            "model": {"name": "demo", "digest": model_digest(MODEL_FOLDER).hex()},
            "epoch": {"not_before": stage.clock.wall(), "not_after": stage.clock.wall() + 3600},
            "binding": binding.hex(),
            "engine": {"name": "embedded", "version": found["engine"]["version"]},
            "parameters": hashlib.sha256(b"").hexdigest(),
            "tokens": {"prompt": 3, "completion": 5},
            "issued": stage.clock.wall(),
        }

    on_stage(body)


def test_a_receipt_can_be_switched_off(on_stage):
    async def body(stage):
        assert (await stage.ask(request(fields=OFF))).trailers == {}

    on_stage(body)


def test_counts_that_the_engine_did_not_give_are_not_signed(on_stage):
    async def body(stage):
        inner = await stage.ask(request(user="no-usage"))
        assert (inner.status, inner.complete, inner.trailers) == (200, True, {})

    on_stage(body)


def test_a_list_of_models_has_a_receipt_without_tokens(on_stage):
    async def body(stage):
        inner = await stage.ask(request("/v1/models", method="GET"))
        key = KeysSection.parse((await stage.bundle()).keys).receipt
        assert receipt_of(inner, key)["tokens"] == {"prompt": 0, "completion": 0}

    on_stage(body)


def test_each_token_is_a_flush_of_its_own_padded_to_512(on_stage):
    async def body(stage):
        sealed = await stage.seal(request(user="cut", stream=True))
        answer = await stage.post(sealed.body)
        sizes = {len(part) for part in answer.parts[1:]}
        assert sizes <= {2 + 512 + 16}
        assert len(answer.parts[0]) == 33 + 2 + 512 + 16

    on_stage(body)


def test_a_paced_reply_is_a_second_of_equal_records(on_stage):
    async def body(stage):
        sealed = await stage.seal(request(fields=PACED))
        answer = await stage.post(sealed.body)
        assert len(answer.parts) == 20
        assert {len(part) for part in answer.parts[1:-1]} == {2 + 2048 + 16}
        inner = opened(sealed.open_reply(), answer)
        assert inner.complete
        assert messages.RECEIPT in inner.trailers

    on_stage(body)


def test_a_refusal_keeps_the_pace_that_was_asked(on_stage):
    async def body(stage):
        sealed = await stage.seal(request(fields=PACED, store=True))
        answer = await stage.post(sealed.body)
        assert len(answer.parts) == 20
        assert opened(sealed.open_reply(), answer).code == "stateful"

    on_stage(body)


@pytest.mark.parametrize("behaviour", ["cut-document", "garbage", "endless-header"])
def test_an_engine_that_fails_before_its_first_word_is_an_error_inside_the_seal(
    on_stage, behaviour
):
    async def body(stage):
        inner = await stage.ask(request(user=behaviour))
        if inner.complete:
            assert (inner.status, inner.code) == (502, "engine")

    on_stage(body)


def test_an_engine_that_breaks_off_leaves_no_final_record(on_stage):
    async def body(stage):
        sealed = await stage.seal(request(user="cut", stream=True))
        answer = await stage.post(sealed.body)
        assert answer.status == 200
        assert not answer.ended
        inner = opened(sealed.open_reply(), answer)
        assert not inner.complete
        assert b"half" in inner.content
        assert b'"code":"engine"' in inner.content
        opener = sealed.open_reply()
        opener.feed(answer.body)
        with pytest.raises(Exception, match="final"):
            opener.finish()

    on_stage(body)


def test_a_paced_reply_that_broke_off_has_no_final_record_either(on_stage):
    async def body(stage):
        sealed = await stage.seal(request(user="cut", stream=True, fields=PACED))
        answer = await stage.post(sealed.body)
        assert not answer.ended
        assert b"half" in opened(sealed.open_reply(), answer).content

    on_stage(body)


def test_a_crash_is_told_inside_the_seal_and_the_next_request_is_not_taken(
    on_stage, fake_engine, monkeypatch
):
    monkeypatch.setattr(engine_process, "FIRST_PAUSE", 0.05)

    async def body(stage):
        inner = await stage.ask(request(user="crash"))
        assert (inner.status, inner.code, inner.complete) == (502, "engine", True)
        while fake_engine.ready:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert stage.node.waiting() == "the engine"
        sealed = await stage.seal(request())
        answer = await stage.post(sealed.body)
        assert (answer.status, answer.code) == (503, "busy")
        while not fake_engine.ready:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert (await stage.post(sealed.body)).status == 200

    on_stage(body)


@pytest.mark.parametrize("behaviour", ["slow", "silent"])
@pytest.mark.parametrize("fields", [(), PACED])
def test_a_caller_who_leaves_stops_the_engine_within_a_second(
    on_stage, fake_engine, behaviour, fields
):
    left = fake_engine._folder / "left"

    async def body(stage):
        left.unlink(missing_ok=True)
        sealed = await stage.seal(request(user=behaviour, stream=True, fields=fields))
        caller = Caller(stage.node)
        call = asyncio.create_task(
            caller.call("POST", "/sealed", sealed.body, messages.SEALED_REQUEST)
        )
        await asyncio.sleep(0.2)
        assert not left.exists()
        caller.left.set()
        async with asyncio.timeout(1.0):
            while not left.exists():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await call
        assert not caller.answer.ended
        assert 'outcome="cancelled"} 1.0' in stage.telemetry.metrics().decode()

    on_stage(body)


def test_a_paced_reply_makes_a_fast_engine_wait_and_nothing_grows(on_stage, fake_engine):
    """The engine would write gigabytes; what it gets rid of is what ticks carry, and buffers."""
    flooded = fake_engine._folder / "flooded"

    async def body(stage):
        flooded.unlink(missing_ok=True)
        sealed = await stage.seal(request(user="endless-flood", stream=True, fields=PACED))
        caller = Caller(stage.node)
        call = asyncio.create_task(
            caller.call("POST", "/sealed", sealed.body, messages.SEALED_REQUEST)
        )

        def held() -> int:
            """Bytes that left the engine and are not on the wire: in the agent, in the kernel."""
            written = int(flooded.read_text() or 0) if flooded.exists() else 0
            return written - len(caller.answer.parts) * PACED_DATA

        filled = 0
        while not filled or filled < held() < HELD:  # until the buffers are full
            filled = held()
            await asyncio.sleep(0.2)
        assert held() < HELD
        ticks = len(caller.answer.parts)
        while len(caller.answer.parts) < ticks + 10:
            await asyncio.sleep(0.05)
            assert held() < HELD
        caller.left.set()
        await call

    on_stage(body)


@pytest.mark.parametrize("behaviour", ["slow", "silent", "endless-flood"])
@pytest.mark.parametrize("fields", [(), PACED])
def test_a_reply_that_does_not_end_is_cut_and_the_engine_stopped(
    on_stage, fake_engine, monkeypatch, behaviour, fields
):
    monkeypatch.setattr(answering, "LONGEST_REPLY", 0.4)

    async def body(stage):
        sealed = await stage.seal(request(user=behaviour, stream=True, fields=fields))
        answer = await stage.post(sealed.body)
        assert not answer.ended
        assert stage.node._in_flight == 0
        assert 'outcome="broken"} 1.0' in stage.telemetry.metrics().decode()
        opener = sealed.open_reply()
        opener.feed(answer.body)
        with pytest.raises(TruncatedError):
            opener.finish()
        assert (await stage.ask(request())).status == 200

    on_stage(body)


@pytest.mark.parametrize("fields", [(), PACED])
def test_a_reply_that_uses_up_its_key_is_cut(on_stage, monkeypatch, fields):
    async def body(stage):
        sealed = await stage.seal(request(user="slow", stream=True, fields=fields))
        monkeypatch.setattr(chunks, "MAX_CHUNKS", 6)
        answer = await stage.post(sealed.body)
        monkeypatch.undo()
        assert (answer.status, answer.ended, len(answer.parts)) == (200, False, 6)
        assert 'outcome="broken"} 1.0' in stage.telemetry.metrics().decode()

    on_stage(body)

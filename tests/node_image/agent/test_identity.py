"""node_image/agent/identity.py, epoch.py: from making to erasure, whatever the wall clock says."""

import asyncio
import json
from typing import Any

import pytest

from attestation.evidence import (
    EvidenceBundle,
    FreshnessSection,
    KeysSection,
    SoftwareSection,
)
from attestation.policy import AppraisalPolicy
from attestation.reference_values import ReferenceValues
from attestation.simulated.collect import expected_values
from attestation.simulated.evidence import Quote
from attestation.strict_json import b64encode
from attestation.verifier import verify
from openpcc.protocol import messages
from openpcc.protocol.sealing import NodeKey
from tests.node_image.agent.stage import (
    BEACON,
    EPOCH,
    NOW,
    Caller,
    Stage,
    opened,
    request,
)


def stream(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: {")]


async def renew(stage: Stage) -> None:
    await stage.call("PUT", "/beacon", BEACON)
    await stage.identity.look()


def section(bundle: EvidenceBundle) -> KeysSection:
    return KeysSection.parse(bundle.keys)


def test_has_no_evidence_before_the_first_beacon(loop, machine, fake_engine):
    async def body():
        stage = Stage(fake_engine, machine)
        answer = await stage.call("GET", "/evidence")
        assert (answer.status, answer.code) == (503, "not-ready")
        assert stage.node.waiting() == "a beacon"
        assert (await stage.call("POST", "/challenge", bytes(64))).code == "not-ready"

    loop.run(body())


def test_offers_x_wing_first_for_exactly_one_epoch(on_stage):
    async def body(stage):
        answer = await stage.call("GET", "/evidence")
        assert answer.headers["content-type"] == messages.EVIDENCE
        machine = Quote.parse((await stage.bundle()).quote).machine_id
        assert answer.headers[messages.MACHINE] == messages.machine_digest(machine).hex()
        found = section(EvidenceBundle.parse(answer.body))
        assert (found.not_before, found.not_after) == (NOW, NOW + EPOCH)
        keys = [NodeKey.parse(config) for config in found.hpke]
        assert [key.kem_id for key in keys] == [0x647A, 0x0020]
        assert [config[0] for config in found.hpke] == [1, 2]
        assert stage.node.waiting() is None

    on_stage(body)


def test_the_evidence_passes_every_check_that_needs_no_log(on_stage, vendor):
    async def body(stage):
        bundle = await stage.bundle()
        models = SoftwareSection.parse(bundle.software).models
        measurement, registers = expected_values(models, ())
        appraisal = verify(
            bundle,
            now=stage.clock.wall(),
            policy=AppraisalPolicy(
                platforms=("simulated",), roots={"simulated": vendor.root_spki_sha256}
            ),
            reference_values=ReferenceValues(
                measurement=measurement,
                registers=registers,
                device_count=1,
                device_kinds=("simulated-gpu",),
                models=dict(models),
            ),
        )
        assert appraisal.accepted, [check for check in appraisal.checks if check.refuses]

    on_stage(body)


@pytest.mark.parametrize("beacon", [b"", b"not a note", b"x" * 70_000, b"\xff\n\n\xe2\x80\x94 a b"])
def test_garbage_is_no_beacon(loop, machine, fake_engine, beacon):
    async def body():
        stage = Stage(fake_engine, machine)
        answer = await stage.call("PUT", "/beacon", beacon)
        assert answer.status in (400, 413)
        assert stage.node.waiting() == "a beacon"

    loop.run(body())


def test_the_next_epoch_is_made_two_windows_before_the_old_one_ends(on_stage):
    async def body(stage):
        first = section(await stage.bundle())
        stage.clock.advance(EPOCH - 1381)
        await renew(stage)
        assert section(await stage.bundle()) == first
        stage.clock.advance(1)
        await stage.identity.look()
        second = section(await stage.bundle())
        assert second.not_before == NOW + EPOCH - 1380
        assert set(second.hpke).isdisjoint(first.hpke)
        assert second.receipt != first.receipt

    on_stage(body)


def test_both_epochs_serve_until_the_older_is_erased(on_stage):
    async def body(stage):
        old = (await stage.keys())[:1]
        stage.clock.advance(EPOCH - 1380)
        await renew(stage)
        new = (await stage.keys())[:1]
        assert (await stage.ask(request(), keys=old)).status == 200
        assert (await stage.ask(request(), keys=new)).status == 200
        stage.clock.advance(1380 + 299)
        assert (await stage.ask(request(), keys=old)).status == 200
        stage.clock.advance(1)
        answer = await stage.post((await stage.seal(request(), keys=old)).body)
        assert answer.code == "unknown-key"
        assert (await stage.ask(request(), keys=new)).status == 200

    on_stage(body)


@pytest.mark.parametrize("turn", [-100_000, 0, 100_000])
def test_erasure_follows_the_monotonic_clock_alone(on_stage, turn):
    async def body(stage):
        keys = (await stage.keys())[:1]
        stage.clock.turn_wall(turn)
        stage.clock.advance(EPOCH + 299)
        assert (await stage.ask(request(), keys=keys)).status == 200
        stage.clock.advance(1)
        stage.clock.turn_wall(-turn - 100_000)
        answer = await stage.post((await stage.seal(request(), keys=keys)).body)
        assert answer.code == "unknown-key"

    on_stage(body)


def test_erasure_waits_for_no_stream_and_the_stream_finishes(on_stage, fake_engine):
    async def body(stage):
        sealed = await stage.seal(request(user="until-told", stream=True))
        caller = Caller(stage.node)
        streaming = asyncio.create_task(
            caller.call("POST", "/sealed", sealed.body, messages.SEALED_REQUEST)
        )
        while not caller.answer.parts:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        private = stage.identity._live[0].epoch._keys
        stage.clock.advance(EPOCH + 300)
        stage.identity.erase_due()
        assert (private.sealing, private.receipt, private.cache) == ((), None, None)
        late = await stage.seal(request(), keys=sealed.candidates)
        assert (await stage.post(late.body)).code == "unknown-key"
        (fake_engine._folder / "told").touch()
        inner = opened(sealed.open_reply(), await streaming)
        assert inner.complete
        assert stream(inner.content)[-1]["choices"][0]["text"] == "end"
        assert messages.RECEIPT not in inner.trailers, "the receipt key is gone with the others"

    on_stage(body)


def test_erased_keys_open_nothing(on_stage):
    async def body(stage):
        epoch = stage.identity._live[0].epoch
        keys = epoch._keys.sealing
        stage.identity.erase()
        for key in keys:
            with pytest.raises(Exception, match="erased"):
                _ = key.private
        assert epoch.find([key.id for key in keys]) is None

    on_stage(body)


def test_a_full_replay_set_ends_the_epoch(on_stage):
    async def body(stage):
        old = (await stage.keys())[:1]
        first = await stage.seal(request(), keys=old)
        for _ in range(2):
            assert (await stage.ask(request(), keys=old)).status == 200
        assert (await stage.post(first.body)).status == 200
        for sealed in (first, await stage.seal(request(), keys=old)):
            assert (await stage.post(sealed.body)).code == "unknown-key"
        await stage.identity.look()
        assert (await stage.ask(request())).status == 200

    on_stage(body, replay_limit=3)


def test_no_epoch_is_made_on_an_old_beacon(on_stage):
    async def body(stage):
        first = section(await stage.bundle())
        stage.clock.advance(EPOCH - 1380)
        await stage.identity.look()
        assert section(await stage.bundle()) == first
        stage.clock.advance(1380 + 300)
        await stage.identity.look()
        assert (await stage.call("GET", "/evidence")).code == "not-ready"
        await renew(stage)
        assert section(await stage.bundle()).not_before == stage.clock.wall()

    on_stage(body)


@pytest.mark.parametrize("turn", [-301, 301, 86400])
def test_a_turned_wall_clock_gets_an_epoch_of_its_own(on_stage, turn):
    async def body(stage):
        stage.clock.turn_wall(turn)
        await renew(stage)
        assert section(await stage.bundle()).not_before == NOW + turn

    on_stage(body)


def test_a_host_that_keeps_turning_the_clock_gets_few_epochs(on_stage):
    async def body(stage):
        for _ in range(10):
            stage.clock.turn_wall(1000)
            await renew(stage)
        assert len(stage.identity._live) == 4

    on_stage(body)


async def challenge(stage: Stage, key_id: bytes, nonce: bytes = b"c" * 32):
    asked = messages.Challenge(nonce=nonce, key_id=key_id).encode()
    return await stage.call("POST", "/challenge", asked)


async def key_ids(stage: Stage) -> list[bytes]:
    return [key.id for key in await stage.keys()]


def test_quotes_the_same_keys_over_a_challenge(on_stage):
    async def body(stage):
        answer = await challenge(stage, (await key_ids(stage))[1])
        assert answer.status == 200
        found = EvidenceBundle.parse(answer.body)
        assert found.keys == (await stage.bundle()).keys
        assert FreshnessSection.parse(found.freshness).challenge == b"c" * 32
        assert FreshnessSection.parse((await stage.bundle()).freshness).challenge is None

    on_stage(body)


def test_a_challenge_is_about_the_epoch_whose_key_it_names(on_stage):
    async def body(stage):
        older, [named, _] = await stage.bundle(), await key_ids(stage)
        stage.clock.turn_wall(1000)
        await renew(stage)
        assert (await stage.bundle()).keys != older.keys
        answer = await challenge(stage, named)
        assert EvidenceBundle.parse(answer.body).keys == older.keys

    on_stage(body)


def test_a_challenge_about_a_key_that_is_not_live_is_refused(on_stage):
    async def body(stage):
        answer = await challenge(stage, bytes(32))
        assert (answer.status, answer.code) == (422, "unknown-key")
        [named, _] = await key_ids(stage)
        assert (await challenge(stage, named)).status == 200  # a refusal costs nobody a turn

    on_stage(body)


def test_one_challenge_every_two_seconds(on_stage):
    async def body(stage):
        [named, _] = await key_ids(stage)
        assert (await stage.call("POST", "/challenge", bytes(63))).code == "malformed"
        assert (await stage.call("POST", "/challenge", bytes(65))).code == "too-large"
        assert (await challenge(stage, named)).status == 200
        stage.clock.advance(1.9)
        assert (await challenge(stage, named)).code == "busy"
        stage.clock.advance(0.2)
        assert (await challenge(stage, named)).status == 200

    on_stage(body)


def test_challenges_are_answered_one_after_the_other(on_stage):
    async def body(stage):
        [named, _] = await key_ids(stage)
        first = asyncio.create_task(challenge(stage, named))
        await asyncio.sleep(0)
        while stage.identity._challenged != float("inf"):  # noqa: ASYNC110
            await asyncio.sleep(0)
        stage.clock.advance(100.0)  # however long the machine takes
        assert (await challenge(stage, named)).code == "busy"
        assert (await first).status == 200

    on_stage(body)


def pushed(*data: bytes) -> bytes:
    endorsements = [{"type": "x509-crl", "data": b64encode(one)} for one in data]
    return json.dumps({"endorsements": endorsements}).encode()


def stapled(bundle: EvidenceBundle) -> list[bytes]:
    """What was pushed, without what the machine holds itself."""
    return [one.data for one in bundle.endorsements if len(one.data) == 1]


def test_staples_what_was_pushed_last(on_stage):
    async def body(stage):
        before = await stage.bundle()
        assert (await stage.call("PUT", "/endorsements", pushed(b"a", b"b"))).status == 204
        assert stapled(await stage.bundle()) == [b"a", b"b"]
        assert (await stage.call("PUT", "/endorsements", pushed(b"c"))).status == 204
        after = await stage.bundle()
        assert stapled(after) == [b"c"]
        assert after.quote == before.quote
        assert after.endorsements[:-1] == before.endorsements

    on_stage(body)


@pytest.mark.parametrize("document", [b"", b"[]", b'{"endorsements":1}', b'{"endorsements":[{}]}'])
def test_what_is_no_list_of_endorsements_changes_nothing(on_stage, document):
    async def body(stage):
        await stage.call("PUT", "/endorsements", pushed(b"a"))
        assert (await stage.call("PUT", "/endorsements", document)).code == "malformed"
        assert stapled(await stage.bundle()) == [b"a"]

    on_stage(body)


def test_too_many_endorsements_are_not_read(on_stage):
    async def body(stage):
        answer = await stage.call("PUT", "/endorsements", b"x" * (3 * 2**20 + 1))
        assert answer.code == "too-large"

    on_stage(body)

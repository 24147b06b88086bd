"""node_image/agent/drain.py: a node that is to stop is not listed again, and serves on."""

import asyncio
import signal
import time
from pathlib import Path

import httpx

from attestation.evidence import EvidenceBundle, KeysSection
from node_image.agent.drain import LISTED, Drain
from node_image.agent.main import Leave, Stop
from openpcc.protocol import bhttp, messages
from openpcc.protocol.sealing import NodeKey, SealedRequest, seal_request
from tests.node_image.agent.stage import BEACON, StillClock, request
from tests.node_image.agent.test_main import SETTINGS, folder, running, until_ready

__all__ = ["folder"]


def test_owes_until_the_last_listing_has_run_out() -> None:
    clock = StillClock()
    drain = Drain(clock)
    assert drain.owed() == 0
    drain.shown()
    clock.advance(100)
    drain.shown()
    clock.turn_wall(-100_000)
    assert drain.owed() == LISTED
    clock.advance(LISTED - 1)
    assert drain.owed() == 1
    clock.advance(2)
    assert drain.owed() == 0


def test_a_leaving_node_shows_no_evidence_and_serves_on(on_stage) -> None:
    async def body(stage):
        sealed = await stage.seal(request())
        assert stage.node.waiting() is None
        stage.node.drain.leaving = True
        answer = await stage.call("GET", "/evidence")
        assert (answer.status, answer.code) == (503, "not-ready")
        assert stage.node.waiting() == "its end"
        assert (await stage.call("PUT", "/beacon", BEACON)).status == 204
        assert (await stage.post(sealed.body)).status == 200

    on_stage(body)


def sealed_to(bundle: bytes) -> SealedRequest:
    keys = KeysSection.parse(EvidenceBundle.parse(bundle).keys)
    content = bhttp.encode_request(
        request(messages=[{"role": "user", "content": "Hello"}], max_tokens=2)
    )
    expires = (int(time.time()) + 120) // 60 * 60
    node = NodeKey.parse(keys.hpke[0])
    return seal_request([node], content, model="demo", expires=expires, max_output=256)


def test_sigterm_takes_it_out_of_the_listing_first_and_a_second_one_ends_it(folder: Path) -> None:
    (folder / "node.toml").write_text(f"{SETTINGS}drain = 600\n")
    with running(folder) as (process, where):
        service, control = where["listening"], where["control"]
        httpx.put(f"{service}/beacon", content=BEACON)
        until_ready(control)
        sealed = sealed_to(httpx.get(f"{service}/evidence").content)
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 20
        while httpx.get(f"{control}/readyz").status_code == 200:
            assert time.monotonic() < deadline
        assert httpx.get(f"{service}/evidence").status_code == 503
        fields = {"content-type": messages.SEALED_REQUEST}
        assert httpx.post(f"{service}/sealed", content=sealed.body, headers=fields).is_success
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors


def test_a_node_that_was_never_listed_leaves_at_once() -> None:
    drain = Drain(StillClock())

    async def leave() -> None:
        await Leave(drain=drain, patience=600)(Stop())

    asyncio.run(leave())
    assert drain.leaving

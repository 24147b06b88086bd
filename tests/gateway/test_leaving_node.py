"""A real node that is told to stop, as publisher and clients see it."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from gateway.config import NodeAddress
from openpcc.protocol import messages
from tests.gateway.publishing import World
from tests.node_image.agent.test_drain import sealed_to
from tests.node_image.agent.test_main import SETTINGS, folder, running, until_ready

__all__ = ["folder"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        (tmp_path / "publisher").mkdir()
        yield World(tmp_path / "publisher", stack, [])


def test_is_listed_no_more_and_serves_those_who_hold_its_keys(folder: Path, world: World) -> None:
    (folder / "node.toml").write_text(f"{SETTINGS}drain = 600\n")
    with running(folder) as (process, where):
        url = where["listening"]
        world.config = replace(world.config, nodes=(NodeAddress(url=url),))
        world.now = time.time()
        world.start()
        world.rounds()
        (leaf,) = (one for one in world.leaves() if one is not None)
        bundle = world.publisher.archive.get(leaf.leaf_hash())
        assert bundle is not None
        until_ready(where["control"])
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 20
        while world.publisher._discovery.listed(world.now):
            assert time.monotonic() < deadline
            world.rounds()
        world.pass_time(600)
        world.rounds()
        assert len(world.chain()) == 1
        (routed,) = world.window.publication.nodes
        assert routed.url == url
        assert set(routed.keys) == set(leaf.node_key_ids)
        fields = {"content-type": messages.SEALED_REQUEST}
        answer = httpx.post(f"{url}/sealed", content=sealed_to(bundle).body, headers=fields)
        assert answer.headers["content-type"] == messages.SEALED_RESPONSE
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors

"""docs/admission.md is held to the programs: its settings are read, and its server is run."""

import asyncio
import re
import time
from pathlib import Path

import pytest

from gateway.config import GatewayConfig, PublisherConfig
from gateway.config_file import load
from gateway.spent import RETIRED, TokenName
from gateway.store_address import StoreAddress, parse_store
from gateway.telemetry import Fields
from gateway.valkey import ValkeyReplayStore, ValkeySpentStore
from gateway.valkey_fitness import Trouble
from gateway.valkey_server import LOOK, ValkeyServer
from openpcc.protocol.payment import Reclaimed
from tests.fakes.redis_server import RedisServer

GATEWAY = """service = "demo.example"
ohttp_keys = ["o"]
publisher = "http://127.0.0.1:9"
log = "http://127.0.0.1:9"
"""
PUBLISHER = """service = "demo.example"
log = "http://127.0.0.1:9"
service_key = "k"
status_keys = []
ohttp_keys = "o"
state = "s"
archive = "a"
[[nodes]]
url = "http://127.0.0.1:9"
"""


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "admission.md").read_text()


@pytest.fixture(scope="module")
def blocks(page: str) -> dict[str, str]:
    return dict(re.findall(r"^```\w+ (\w+)\n(.*?)^```", page, re.M | re.S))


def test_every_block_is_tried_here(blocks: dict[str, str]) -> None:
    assert set(blocks) == {"publisher", "gateway", "valkey"}


def test_the_settings_are_settings(blocks: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "publisher.toml").write_text(PUBLISHER + blocks["publisher"])
    tokens = load(tmp_path / "publisher.toml", PublisherConfig).tokens
    assert tokens is not None
    assert tokens.output == 1024
    (tmp_path / "gateway.toml").write_text(GATEWAY + blocks["gateway"])
    found = load(tmp_path / "gateway.toml", GatewayConfig)
    assert found.spent is not None
    assert parse_store("spent", found.spent).user == "gateway"


def test_the_server_of_the_page_is_fit_and_its_user_may_do_every_step(
    blocks: dict[str, str], tmp_path: Path
) -> None:
    password = "a-password-of-the-gateways"
    path = tmp_path / "valkey.conf"
    path.write_text(blocks["valkey"].replace("CHANGE-THIS-PASSWORD", password))
    redis = RedisServer(tmp_path, configuration=path)
    name = TokenName(key_id=bytes(32), nonce=bytes(32))

    async def run() -> None:
        server = ValkeyServer(
            StoreAddress(path=str(redis.socket), user="gateway"),
            password=password,
            ca=None,
            timeout=5,
            clock=time.monotonic,
        )
        async with server.watched():
            assert server.trouble is None
            spent = ValkeySpentStore(server, service="demo.example")
            await spent.admit([name], bytes(32), 0)
            assert await spent.reclaim([name], bytes(32), time.time()) == [Reclaimed.FREE]
            await spent.admit([name], bytes(32), 0)
            await spent.begin([name], bytes(32))
            await spent.retire([bytes(32)])
            await ValkeyReplayStore(server, service="demo.example").add(bytes(32))

    with redis:
        asyncio.run(run())


def test_every_trouble_has_a_row(page: str) -> None:
    assert set(re.findall(r"^\| `([a-z-]+)` \|", page, re.M)) == {one.value for one in Trouble}


def test_numbers_and_fields_are_those_of_the_code(page: str) -> None:
    assert RETIRED == 7 * 24 * 3600
    assert "7 days more" in page
    assert LOOK == 5
    assert "every five seconds" in page
    assert {"code", "count"} <= set(Fields.__annotations__)

"""The set of spent tokens on a server that fails: at every step of a request, and for good."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fakes.mint import paid, published, reclaim_post
from tests.fakes.node import Exchange, replies
from tests.fakes.redis_server import RedisServer
from tests.gateway.paying import Mints, ask, pay, seal
from tests.gateway.service import Service, code_of, eventually, service


@pytest.fixture(scope="module")
def mints() -> Mints:
    return Mints()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as running:
        yield running


@pytest.fixture
def on_server(tmp_path: Path, mints: Mints, redis: RedisServer) -> Iterator[Service]:
    with service(
        tmp_path,
        replies(b"reply"),
        tokens=published(mints.new),
        spent=redis.url,
        store_timeout=0.3,
    ) as running:
        yield running


@pytest.mark.parametrize("way", ["killed", "stopped"])
def test_store_down_before_the_request_serves_nothing(
    on_server: Service, mints: Mints, redis: RedisServer, way: str
) -> None:
    tokens = mints.new.tokens(1)
    sealed = seal(on_server, tokens)
    redis.kill() if way == "killed" else redis.stop()
    for _ in range(2):
        assert ask(on_server, paid(tokens, sealed)) == (503, "token-store")
    asked = reclaim_post(sealed.request_digest, [tokens[0].asks_back(sealed.request_digest)])
    assert ask(on_server, asked) == (503, "token-store")
    assert on_server.nodes[0].got == []
    eventually(lambda: not on_server.program.ready())
    redis.start() if way == "killed" else redis.go_on()
    eventually(on_server.program.ready)
    assert ask(on_server, paid(tokens, sealed)) == (200, None)
    assert ask(on_server, paid(tokens, sealed)) == (409, "token-spent")


@pytest.mark.parametrize("way", ["killed", "stopped"])
def test_store_down_while_the_node_works_gives_no_byte_of_the_reply(
    on_server: Service, mints: Mints, redis: RedisServer, way: str
) -> None:
    left: list[bool] = []

    async def script(exchange: Exchange) -> None:
        redis.kill() if way == "killed" else redis.stop()
        await exchange.start()
        await exchange.chunk(b"reply")
        await exchange.gone()
        left.append(True)

    on_server.nodes[0].script = script
    tokens = mints.new.tokens(2)
    sealed = seal(on_server, tokens)
    answer = on_server.exchange(paid(tokens, sealed), 1)
    assert (answer.status, code_of(answer)) == (503, "token-store")
    assert b"reply" not in answer.content
    eventually(lambda: left == [True])  # the node is told to stop
    redis.start() if way == "killed" else redis.go_on()
    eventually(on_server.program.ready)
    on_server.nodes[0].script = replies(b"reply")
    assert pay(on_server, tokens) == (409, "token-spent")  # they stand for the one request
    assert ask(on_server, paid(tokens, sealed)) == (200, None)
    assert ask(on_server, paid(tokens, sealed)) == (409, "token-spent")


def test_two_gateways_with_the_same_bytes_give_one_reply(
    tmp_path: Path, mints: Mints, redis: RedisServer
) -> None:
    waiting = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        if len(arrived()) == 2:
            waiting.set()
        await waiting.wait()
        await replies(b"reply")(exchange)

    tokens = published(mints.new)
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(
                service(tmp_path, script, tokens=tokens, spent=redis.url, replay=redis.url)
            )
            for _ in range(2)
        )
        second.nodes, second.node_keys = first.nodes, first.node_keys
        second.publisher.by_path["/publication"] = first.publisher.by_path["/publication"]
        eventually(lambda: second.program._replica.routes.by_key.keys() == {first.node_keys[0].id})

        def arrived() -> list[object]:
            return list(first.nodes[0].got)

        mine = mints.new.tokens(2)
        sealed = seal(first, mine)
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(lambda one: ask(one, paid(mine, sealed)), (first, second)))
    assert sorted(results) == [(200, None), (409, "token-spent")]


@pytest.mark.parametrize(
    "settings",
    [("--appendonly", "no"), ("--appendonly", "yes", "--maxmemory-policy", "allkeys-lru")],
)
def test_is_not_ready_with_a_store_that_may_forget(
    tmp_path: Path, mints: Mints, settings: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "openpcc.gateway")
    with (
        RedisServer(tmp_path, *settings) as redis,
        service(
            tmp_path,
            replies(b"reply"),
            tokens=published(mints.new),
            spent=redis.url,
            wait=False,
        ) as found,
    ):
        eventually(lambda: found.program._replica.ready())
        assert not found.program.ready()
        assert pay(found, mints.new.tokens(1)) == (503, "token-store")
        assert found.nodes[0].got == []
    codes = {
        one.__dict__["fields"]["code"] for one in caplog.records if one.msg == "store-not-ready"
    }
    assert codes == {"no-append-only-file" if "no" in settings else "may-evict"}

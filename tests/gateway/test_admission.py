"""Tokens at the gateway: what pays, and what every other token gets."""

from collections.abc import Iterator

import pytest

from openpcc.protocol.payment import Reclaimed
from tests.fakes.mint import Mint, paid, published, reclaim_post, sealed_with
from tests.fakes.node import replies
from tests.fakes.redis_server import RedisServer
from tests.gateway.service import Service, code_of, service


@pytest.fixture(scope="module")
def mint() -> Mint:
    return Mint()


@pytest.fixture(scope="module", params=["memory", "server"])
def found(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, mint: Mint
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    if request.param == "memory":
        with service(folder, replies(b"reply"), tokens=published(mint), spent="memory") as running:
            yield running
        return
    with (
        RedisServer(folder) as redis,
        service(
            folder,
            replies(b"reply"),
            tokens=published(mint),
            spent=redis.url,
            replay=redis.url,
        ) as running,
    ):
        yield running


def test_a_paid_request_is_served_once(found: Service, mint: Mint) -> None:
    tokens = mint.tokens(4)
    sealed = sealed_with(tokens, found.node_keys[0].node_key)
    answer = found.exchange(paid(tokens, sealed), 1)
    assert (answer.status, answer.content) == (200, b"reply")
    again = found.exchange(paid(tokens, sealed), 1)
    assert (again.status, code_of(again)) == (409, "token-spent")


def test_gives_nothing_back_of_a_reply_that_began(found: Service, mint: Mint) -> None:
    tokens = mint.tokens(1)
    sealed = sealed_with(tokens, found.node_keys[0].node_key)
    assert found.exchange(paid(tokens, sealed), 1).status == 200
    asked = reclaim_post(sealed.request_digest, [tokens[0].asks_back(sealed.request_digest)])
    answer = found.exchange(asked, 1)
    assert (answer.status, answer.content) == (200, bytes([Reclaimed.SPENT]))

"""Key sets over real HTTP: kept, and fetched anew no more often than is said."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.issuer.errors import CredentialError, KeySetError, UnknownKidError
from gateway.issuer.id_tokens import MAX_KEY_SET
from gateway.issuer.jwks import FRESH, PAUSE, STALE, ProviderKeys, from_file, over_http
from gateway.outbound import Outbound
from tests.fakes.node import FarEnd
from tests.gateway.issuer.provider import NOW, PINNED, JwksScript, key_set, token


class Clock:
    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def far_end() -> Iterator[tuple[FarEnd, JwksScript]]:
    script = JwksScript()
    with FarEnd(script) as server:
        yield server, script


@pytest.fixture
def clock() -> Clock:
    return Clock()


@asynccontextmanager
async def keys_of(server: FarEnd, clock: Clock) -> AsyncIterator[ProviderKeys]:
    async with Outbound(connect_timeout=5, reply_timeout=5, keep_alive=1, ca=None) as outbound:
        yield ProviderKeys(PINNED, over_http(outbound, f"{server.url}/keys"), clock, place=0)


def test_a_key_set_is_fetched_once_an_hour(far_end, clock: Clock) -> None:
    server, _ = far_end

    async def run() -> None:
        async with keys_of(server, clock) as keys:
            for _ in range(3):
                assert await keys.subject(token(), now=NOW) == "carol"
            assert len(server.got) == 1
            clock.now += FRESH
            assert await keys.subject(token(), now=NOW) == "carol"
            assert len(server.got) == 2

    asyncio.run(run())


def test_a_new_key_is_fetched_at_once_but_once_a_minute(far_end, clock: Clock) -> None:
    server, script = far_end
    script.body = key_set("rsa")

    async def run() -> None:
        async with keys_of(server, clock) as keys:
            assert await keys.subject(token("rsa"), now=NOW) == "carol"
            clock.now += PAUSE
            for _ in range(5):
                with pytest.raises(UnknownKidError):
                    await keys.subject(token("ec"), now=NOW)
            assert len(server.got) == 2
            script.body = key_set("ec")
            clock.now += PAUSE
            assert await keys.subject(token("ec"), now=NOW) == "carol"
            assert len(server.got) == 3
            with pytest.raises(UnknownKidError):  # the provider took it back
                await keys.subject(token("rsa"), now=NOW)

    asyncio.run(run())


def test_many_at_one_time_fetch_once(far_end, clock: Clock) -> None:
    server, _ = far_end

    async def run() -> None:
        async with keys_of(server, clock) as keys:
            said = await asyncio.gather(*(keys.subject(token(), now=NOW) for _ in range(20)))
            assert set(said) == {"carol"}

    asyncio.run(run())
    assert len(server.got) == 1


def test_a_provider_that_is_silent_is_believed_for_a_day(far_end, clock: Clock) -> None:
    server, script = far_end

    async def run() -> None:
        async with keys_of(server, clock) as keys:
            assert await keys.subject(token(), now=NOW) == "carol"
            script.status = 500
            clock.now += STALE - 1
            assert await keys.subject(token(), now=NOW) == "carol"
            clock.now += 2
            with pytest.raises(KeySetError):
                await keys.subject(token(), now=NOW)
            script.status = 200
            clock.now += PAUSE
            assert await keys.subject(token(), now=NOW) == "carol"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b""), (302, key_set()), (200, b"<html>"), (200, b" " * (MAX_KEY_SET + 1))],
)
def test_without_keys_nobody_can_tell(far_end, clock: Clock, status: int, body: bytes) -> None:
    server, script = far_end
    script.status, script.body = status, body

    async def run() -> None:
        async with keys_of(server, clock) as keys:
            for _ in range(3):
                with pytest.raises(KeySetError):
                    await keys.subject(token(), now=NOW)

    asyncio.run(run())
    assert len(server.got) == 1


def test_a_key_that_may_be_new_is_not_refused_while_the_provider_is_silent(
    far_end, clock: Clock
) -> None:
    server, script = far_end
    script.body = key_set("rsa")

    async def run() -> None:
        async with keys_of(server, clock) as keys:
            assert await keys.subject(token("rsa"), now=NOW) == "carol"
            script.status = 500
            clock.now += PAUSE
            with pytest.raises(KeySetError):
                await keys.subject(token("ec"), now=NOW)
            assert await keys.subject(token("rsa"), now=NOW) == "carol"

    asyncio.run(run())


def test_a_file_is_read_again_for_a_new_key(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(key_set("rsa"))

    async def run() -> None:
        keys = ProviderKeys(PINNED, from_file(path), clock, place=0)
        assert await keys.subject(token("rsa"), now=NOW) == "carol"
        path.write_bytes(key_set("ec"))
        clock.now += PAUSE
        assert await keys.subject(token("ec"), now=NOW) == "carol"
        with pytest.raises(CredentialError):
            await keys.subject(token("rsa"), now=NOW)

    asyncio.run(run())

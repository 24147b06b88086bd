"""One way to a service on real sockets: stalls, drips, floods and cuts are bounded, and told."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from openpcc.audit import service_path
from openpcc.audit.service_path import (
    MOST_SILENT,
    MOST_TOLD,
    Deadline,
    MissingError,
    OutOfTimeError,
    PathError,
    ServicePath,
    unreached,
)
from openpcc.carrier import Carrier
from openpcc.errors import GatewayError
from openpcc.protocol import messages
from openpcc.protocol.messages import Challenge
from tests.fakes.memory_service import MemoryService, as_relay
from tests.fakes.node import Exchange, FarEnd

Script = Callable[[Exchange], Awaitable[None]]


async def stalls(exchange: Exchange) -> None:
    await exchange.gone()


async def drips(exchange: Exchange) -> None:
    await exchange.start(messages.OHTTP_RESPONSE)
    while True:
        await exchange.chunk(b"x")
        await asyncio.sleep(0.02)


async def floods(exchange: Exchange) -> None:
    await exchange.start(messages.OHTTP_RESPONSE)
    while True:
        await exchange.chunk(bytes(1 << 20))


async def cuts(exchange: Exchange) -> None:
    await exchange.start(messages.OHTTP_RESPONSE)
    await exchange.chunk(b"x")
    exchange.drop()


async def mumbles(exchange: Exchange) -> None:
    await exchange.answer(200, b"<html>", [("content-type", "text/html")])


class Way:
    """A way whose relay is honest about keys, and about the rest what a test says."""

    def __init__(self, service: MemoryService, relay: FarEnd) -> None:
        self.service, self._relay = service, relay
        self._honest = as_relay(service)
        self.opened: list[ServicePath] = []

    def be(self, script: Script | None) -> None:
        honest = self._honest

        async def answer(exchange: Exchange) -> None:
            keys = exchange.got.path == "/ohttp-keys"
            await (honest if keys or script is None else script)(exchange)

        self._relay.script = answer

    def open(self, seconds: float = 60.0) -> ServicePath:
        carrier = Carrier(self._relay.url, None)
        path = ServicePath("relay", carrier, self.service.config.policy, Deadline(seconds))
        self.opened.append(path)
        path.fetch_keys()
        return path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    service = MemoryService(tmp_path_factory.mktemp("service"))
    with FarEnd(as_relay(service)) as relay:
        yield Way(service, relay)


@pytest.fixture
def way(served: Way, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    monkeypatch.setattr(service_path, "FILE_SECONDS", 0.4)
    monkeypatch.setattr(service_path, "CHALLENGE_SECONDS", 0.4)
    served.be(None)
    yield served
    for path in served.opened:
        path.close()
    served.opened.clear()


def test_an_honest_way_gives_files(way: Way):
    path = way.open()
    assert path.get("/service", 4096) == way.service.hint_document()
    assert (path.troubles, path.reached) == ([], True)


@pytest.mark.parametrize("script", [stalls, drips, floods, cuts, mumbles])
def test_what_does_not_come_is_told_once_and_soon_not_asked_for(way: Way, script: Script):
    way.be(script)
    path = way.open()
    for _ in range(MOST_SILENT + 5):
        with pytest.raises(PathError):
            path.get("/service", 4096)
    assert path.trouble_count == len(path.troubles) == MOST_SILENT


def test_a_way_that_recovers_is_asked_again(way: Way):
    path = way.open()
    for _ in range(MOST_SILENT + 1):
        way.be(cuts)
        with pytest.raises(PathError):
            path.get("/service", 4096)
        way.be(None)
        assert path.get("/service", 4096)


def test_a_file_that_is_not_there_is_no_trouble(way: Way):
    path = way.open()
    for _ in range(MOST_SILENT + 1):
        with pytest.raises(MissingError):
            path.get("/directory/none/0", 4096)
    assert path.troubles == []


@pytest.mark.parametrize("script", [stalls, drips, cuts])
def test_an_answer_to_a_challenge_is_bounded_alike(way: Way, script: Script):
    way.be(script)
    path = way.open()
    with pytest.raises(PathError, match="challenge"):
        path.challenge(Challenge(nonce=bytes(32), key_id=bytes(32)), 4096)
    assert path.trouble_count == 1


def test_a_refused_challenge_is_told_by_its_code(way: Way):
    path = way.open()
    with pytest.raises(GatewayError, match="unknown-key"):
        path.challenge(Challenge(nonce=bytes(32), key_id=bytes(32)), 4096)


def test_without_keys_nothing_is_asked_for(way: Way):
    policy = way.service.config.policy
    path = ServicePath("relay", Carrier("http://127.0.0.1:9", None), policy, Deadline(60.0))
    way.opened.append(path)
    with pytest.raises(PathError):
        path.fetch_keys()
    with pytest.raises(PathError, match="without keys"):
        path.get("/service", 4096)
    assert unreached([path]) is path.first_error
    assert unreached([path, way.open()]) is None


def test_when_the_time_is_over_nobody_is_blamed(way: Way):
    path = way.open(0.3)
    way.be(stalls)
    with pytest.raises(OutOfTimeError):
        path.get("/service", 4096)
    assert path.troubles == []


def test_only_so_many_troubles_are_kept_in_words(way: Way, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(service_path, "MOST_SILENT", MOST_TOLD + 9)
    way.be(mumbles)
    path = way.open()
    for _ in range(MOST_TOLD + 3):
        with pytest.raises(PathError):
            path.get("/service", 4096)
    assert (len(path.troubles), path.trouble_count) == (MOST_TOLD, MOST_TOLD + 3)

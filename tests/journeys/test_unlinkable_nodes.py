"""Candidate sets tell a gateway which shard a client keeps, and nothing else.

Two hundred nodes, thirteen shards, ten clients: real evidence, verified once for all of them; real
books, draws and sealed requests, which the gateway opens as far as it can. The matcher of
`tests.fakes.crowd` then tries to give every request back to its sender.

What the shard itself tells is no failure but the price of verifying sixteen nodes and not two
hundred; docs/threat-model.md has the table. Of the clients of one shard none may be told from
another, and after a day, when shards are drawn anew, nobody may be recognised.
"""

import itertools
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from scipy import stats  # type: ignore[import-untyped]

from openpcc import shards
from openpcc.carrier import Carrier
from openpcc.config import ClientConfig, ClientPolicy
from openpcc.directory import KEEP_SHARD, model_id
from openpcc.exchange import SealedExchange
from openpcc.judging import Judge, Judgement
from openpcc.nodes import NodeBook, Selection
from openpcc.protocol import bhttp, messages
from openpcc.protocol.messages import DirectoryLeaf
from openpcc.protocol.sealing import Header
from openpcc.state import StateFile
from openpcc.trust import LogView, TrustedNode
from tests.fakes.crowd import Seen, Sight, linked, recognised
from tests.fakes.draws import drawn
from tests.fakes.memory_service import MemoryCarrier, MemoryService
from tests.fakes.world import NOW
from transparency_log.client import LogClient

NODES, CLIENTS = 200, 10
SHARDS = 13
SEALED = 40
"""Requests of each client that are sealed and opened again."""

DRAWN = 800
"""Requests of each client of which only the draw is made: the rest of them is alike, as shown."""

ALARM = 1e-7
"""Each test is wrong about honest clients this often."""

REQUEST = bhttp.Request(
    method="POST", scheme="https", authority="demo.example", path="/v1/chat/completions",
    headers=(("content-type", messages.JSON),), content=b'{"model":"demo"}',
)  # fmt: skip


class SharedJudge(Judge):
    """Verifies each bundle for the first client that asks; the others get the same judgement."""

    def __init__(self, policy: ClientPolicy, states: StateFile) -> None:
        super().__init__(policy, states)
        self._known: dict[tuple[bytes, bytes], Judgement] = {}

    def judge(
        self, data: bytes, leaf: DirectoryLeaf, log: LogClient, view: LogView, now: int
    ) -> Judgement:
        key = (data, leaf.leaf_hash())
        if key not in self._known:
            self._known[key] = super().judge(data, leaf, log, view, now)
        return self._known[key]


class Client:
    """One user's program, and its memory."""

    def __init__(
        self, service: MemoryService, folder: Path, judge: SharedJudge, number: int
    ) -> None:
        self.number = number
        self._judge = judge
        self._service = service
        self._config: ClientConfig = replace(service.config, state=folder)
        self._states = StateFile(folder)
        self.restart()

    def restart(self) -> None:
        carrier = cast("Carrier", MemoryCarrier(self._service))
        self.book = NodeBook(self._config, carrier=carrier, now=lambda: NOW)
        self.book._lookup._shards._judging = self._judge

    def close(self) -> None:
        self.book.close()

    def select(self, at: float) -> Selection:
        return self.book.candidates("demo", int(at))

    @property
    def shard(self) -> int:
        self.select(NOW)
        draw = self._states.load().draw
        assert draw is not None
        return shards.numbers(draw, model_id("demo"), size=NODES)[0]

    def keep(self, shard: int, *, at: int = NOW - 60) -> None:
        """Have drawn this shard some time ago, in another run of the program."""
        self.close()
        draw = drawn(shard, size=NODES, at=at)
        self._states.update(lambda old: replace(old, draw=draw))
        self.restart()

    def sleep(self) -> None:
        """Let a day pass."""
        self.keep(0, at=NOW - KEEP_SHARD)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> MemoryService:
    return MemoryService(tmp_path_factory.mktemp("service"), nodes=NODES)


@pytest.fixture(scope="module")
def places(service: MemoryService) -> dict[bytes, int]:
    return {node.key.id: place for place, node in enumerate(service.nodes)}


@pytest.fixture(scope="module")
def clients(
    service: MemoryService, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Client]]:
    folder = tmp_path_factory.mktemp("clients")
    judge = SharedJudge(service.config.policy, StateFile(folder / "judge"))
    crowd = [Client(service, folder / str(number), judge, number) for number in range(CLIENTS)]
    yield crowd
    for one in crowd:
        one.close()


def moments(count: int) -> list[float]:
    """Draw when requests are sent: people type when they like, all in the same ten minutes.

    In no order: neighbours in time, one of which is known, would give each other away.
    """
    drawn = secrets.SystemRandom()
    return [NOW + drawn.uniform(0, 600) for _ in range(count)]


def send(service: MemoryService, client: Client, at: float) -> Sight:
    """Seal a request, and read of it what the gateway can."""
    found = client.select(at)
    body = SealedExchange(found.keys, found.nodes, REQUEST, model="demo", now=found.now).body
    opened, _ = service.decapsulate(body)
    header = Header.parse(opened.content)
    return Sight(
        at=at,
        candidates=header.node_key_ids,
        sizes=(len(body), len(opened.content)),
        fields=(header.suite, header.model_id, header.max_output, header.token_digest, header.k),
        expires=header.expires,
    )


Chooser = Callable[[Client, tuple[TrustedNode, ...]], tuple[TrustedNode, ...]]


def honest(_: Client, drawn: tuple[TrustedNode, ...]) -> tuple[TrustedNode, ...]:
    return drawn


def see(client: Client, choose: Chooser = honest, count: int = DRAWN) -> list[Sight]:
    """Give what the gateway sees of many requests, as far as the choice goes."""
    sights = []
    for at in moments(count):
        chosen = choose(client, client.select(at).nodes)
        sights.append(Sight(at=at, candidates=tuple(node.key_id for node in chosen)))
    return sights


def by_chance(tries: int, probability: float) -> int:
    """Give a number of hits that honest clients do not exceed."""
    return int(stats.binom.isf(ALARM, tries, probability))


def test_requests_are_linked_by_the_shard_they_share_and_no_better(
    service: MemoryService, clients: list[Client], places: dict[bytes, int]
):
    seen = [[send(service, client, at) for at in moments(SEALED)] for client in clients]
    for client, sights in zip(clients, seen, strict=True):
        # What `see` leaves out is one for all: the candidates are those drawn, the rest is equal.
        assert {places[one] // 16 for sight in sights for one in sight.candidates} == {client.shard}
    assert len({(sight.sizes, sight.fields) for sights in seen for sight in sights}) == 1
    crowds = Counter(client.shard for client in clients)
    found = linked(seen, places)
    for size in set(crowds.values()) - {1}:
        hits = [
            count for client, count in zip(clients, found, strict=True)
            if crowds[client.shard] == size
        ]  # fmt: skip
        assert sum(hits) <= by_chance(len(hits) * SEALED // 2, 1 / size)


@pytest.fixture(scope="module")
def gathered(clients: list[Client]) -> list[Client]:
    """All of them keep one shard: whoever is told from another is told by something else."""
    for client in clients:
        client.keep(3)
    return clients


BOUND = by_chance(CLIENTS * DRAWN // 2, 1 / CLIENTS)


def test_clients_of_one_shard_are_not_told_apart(gathered: list[Client], places: dict[bytes, int]):
    assert sum(linked([see(client) for client in gathered], places)) <= BOUND


# Leaks, planted, each of which the same matcher must find with the same bound.


def with_favourite(client: Client, drawn: tuple[TrustedNode, ...]) -> tuple[TrustedNode, ...]:
    """Remember the first node ever drawn, and ask it first in one of ten requests."""
    first = vars(client).setdefault("favourite", drawn[0])
    if secrets.randbelow(10) or first in drawn[1:]:
        return drawn
    return (first, *drawn[1:])


def marked(client: Client, drawn: tuple[TrustedNode, ...]) -> tuple[TrustedNode, ...]:
    """Never ask four of sixteen: the most that may fail, as if each had failed once."""
    failed: set[bytes] = vars(client).setdefault("failed", set())
    while len(failed) < 4:
        failed.add(client.select(NOW).nodes[0].key_id)
    while any(node.key_id in failed for node in drawn):
        drawn = client.select(NOW).nodes
    return drawn


def sorting(client: Client, drawn: tuple[TrustedNode, ...]) -> tuple[TrustedNode, ...]:
    """One in two clients is of a version that sorts."""
    return tuple(sorted(drawn, key=lambda node: node.key_id)) if client.number % 2 else drawn


@pytest.mark.parametrize("leak", [with_favourite, marked, sorting])
def test_a_planted_leak_is_found(gathered: list[Client], places: dict[bytes, int], leak: Chooser):
    assert sum(linked([see(client, leak) for client in gathered], places)) > BOUND


def test_a_clock_that_is_minutes_ahead_is_found(
    service: MemoryService, clients: list[Client], places: dict[bytes, int]
):
    """It shows in the expiry: docs/threat-model.md says so."""
    for client in clients[:2]:
        client.keep(0)
    ahead: Seen = [
        [replace(sight, expires=sight.expires + late) for sight in sights]
        for late, client in ((0, clients[0]), (180, clients[1]))
        for sights in [[send(service, client, at) for at in moments(SEALED)]]
    ]
    assert sum(linked(ahead, places)) > by_chance(SEALED, 1 / 2)


DAYS = 2
CHANCE = 1 / CLIENTS + 1 / SHARDS
"""A client is named by lot, or draws the shard again that it had: at most the sum of both."""


def keeping(client: Client, drawn: tuple[TrustedNode, ...]) -> tuple[TrustedNode, ...]:
    """Remember a node for longer than a day."""
    return (vars(client).setdefault("kept", drawn[0]), *drawn[1:])


def day_by_day(clients: list[Client], *ways: Chooser) -> Iterator[tuple[Seen, ...]]:
    """Give what is seen of the same clients on each day, for each way of choosing."""
    for _ in range(DAYS + 1):
        for client in clients:
            client.sleep()
        yield tuple([see(client, choose, SEALED) for client in clients] for choose in ways)


def test_an_account_is_not_recognised_the_day_after(
    clients: list[Client], places: dict[bytes, int]
):
    """Even if somebody told the gateway whose requests of yesterday were whose."""
    honestly, leaking = zip(*day_by_day(clients, honest, keeping), strict=True)
    bound = by_chance(CLIENTS * DAYS, CHANCE)
    assert sum(recognised(*pair, places) for pair in itertools.pairwise(honestly)) <= bound
    assert sum(recognised(*pair, places) for pair in itertools.pairwise(leaking)) > bound

"""The book of trusted nodes: what it hands out, when it looks again, and what it drops."""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from openpcc import clock, nodes
from openpcc.carrier import Carrier
from openpcc.errors import (
    DirectoryError,
    GatewayError,
    OpenPCCError,
    TransportError,
    UnknownModelError,
)
from openpcc.nodes import NodeBook, draw
from openpcc.trust import TrustedNode
from tests.fakes.memory_service import MemoryCarrier, MemoryService
from tests.fakes.world import NOW


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service")


@pytest.fixture
def service(tmp_path: Path) -> MemoryService:
    return MemoryService(tmp_path)


class Book(NodeBook):
    """A book whose clock a test sets; its background thread waits until it is let go."""

    def __init__(self, service: MemoryService) -> None:
        self.at = NOW
        self.fetcher = MemoryCarrier(service)
        self.pause = 3600.0
        self.paused = threading.Semaphore(0)
        """Released each time the thread begins to wait."""
        super().__init__(service.config, carrier=cast("Carrier", self.fetcher), now=lambda: self.at)

    def _pause(self, failures: int) -> float:
        self.paused.release()
        self.failures = failures
        return self.pause


@pytest.fixture
def book(service: MemoryService) -> Iterator[Book]:
    opened = Book(service)
    yield opened
    opened.close()


def leaves(found: nodes.Selection) -> set[bytes]:
    return {node.leaf_hash for node in found.nodes}


def test_candidates_are_the_trusted_nodes_under_the_logged_key(book: Book, service: MemoryService):
    found = book.candidates("demo", NOW)
    assert leaves(found) == {node.leaf.leaf_hash() for node in service.nodes}
    assert found.keys == service.gateway_key.config
    assert found.now == NOW


def test_a_second_request_fetches_nothing(book: Book, service: MemoryService):
    book.candidates("demo", NOW)
    service.asked.clear()
    book.candidates("demo", NOW + 600)
    assert service.asked == []


def test_a_model_nobody_offers_is_named_without_another_look(book: Book, service: MemoryService):
    book.candidates("demo", NOW)
    service.asked.clear()
    with pytest.raises(UnknownModelError, match="demo"):
        book.candidates("another", NOW)
    assert service.asked == []


def test_a_model_without_nodes_is_unavailable_not_unknown(book: Book, service: MemoryService):
    service.publish({"demo": list(service.nodes), "soon": []})
    with pytest.raises(DirectoryError, match="unavailable"):
        book.candidates("soon", NOW)
    assert book.models(NOW) == ["demo", "soon"]


def test_a_refused_model_says_why_and_leaves_the_others(book: Book, service: MemoryService):
    service.publish({"demo": list(service.nodes), "other": [service.nodes[0]]})
    with pytest.raises(DirectoryError, match="serve other models"):
        book.candidates("other", NOW)
    assert book.ready("demo", NOW) is not None


def test_a_node_is_drawn_for_the_models_of_its_evidence_alone(book: Book, service: MemoryService):
    service.nodes += [service.node(number) for number in (2, 3)]
    service.publish()
    book.candidates("demo", NOW)
    snapshot = book.snapshot
    assert snapshot is not None
    first, *others = snapshot.judged["demo"]
    assert first.node is not None
    odd = replace(first, node=replace(first.node, models=("another",)))
    book._snapshot = replace(snapshot, judged={"demo": (odd, *others)})
    for _ in range(20):
        found = book.ready("demo", NOW)
        assert found is not None
        assert leaves(found) < {one.leaf_hash for one in others}
    assert [node.models for node in book.view().nodes] == [(), *[("demo",)] * 3]


def test_nodes_that_expire_are_not_outlived_by_a_few(book: Book, service: MemoryService):
    """Whoever keeps a client from looking must not choose by epochs who is left to draw from."""
    service.world.not_after = NOW + 500  # trusted until NOW + 380
    short = [service.node(10 + number) for number in range(2)]
    service.world.not_after = NOW + 3000
    service.nodes = [*short, *(service.node(number) for number in range(5))]
    service.publish()
    book.candidates("demo", NOW)
    book.fetcher.broken = True
    assert book.ready("demo", NOW + 379) is not None
    assert book.ready("demo", NOW + 381) is None  # two of seven
    with pytest.raises(GatewayError):
        book.candidates("demo", NOW + 381)


def test_one_expired_node_in_four_leaves_the_others(book: Book, service: MemoryService):
    service.world.not_after = NOW + 500
    short = service.node(10)
    service.world.not_after = NOW + 3000
    service.nodes = [short, *(service.node(number) for number in range(3))]
    service.publish()
    book.candidates("demo", NOW)
    for _ in range(20):
        found = book.ready("demo", NOW + 381)
        assert found is not None
        assert short.leaf.leaf_hash() not in leaves(found)


def test_nothing_is_handed_out_after_the_snapshot_expired(book: Book):
    book.candidates("demo", NOW)
    snapshot = book.snapshot
    assert snapshot is not None
    assert book.ready("demo", snapshot.expires - 1) is not None
    assert book.ready("demo", snapshot.expires) is None


def test_a_clock_set_back_makes_nothing_valid_again(book: Book):
    book.candidates("demo", NOW)
    assert book.ready("demo", NOW - 299) is not None
    assert book.ready("demo", NOW - 301) is None
    with pytest.raises(DirectoryError, match=r"5\.clock"):
        book.candidates("demo", NOW - 301)


def test_time_passes_although_the_local_clock_stands_still(
    book: Book, monkeypatch: pytest.MonkeyPatch
):
    book.candidates("demo", NOW)
    began = clock.ticks()
    monkeypatch.setattr(clock, "ticks", lambda: began + 200)
    selection = book.ready("demo", NOW)
    assert selection is not None
    assert selection.now >= NOW + 200
    monkeypatch.setattr(clock, "ticks", lambda: began + 1200)
    assert book.ready("demo", NOW) is None


@pytest.mark.parametrize("took", [700, 1300])
def test_a_look_that_took_too_long_is_worth_nothing(
    book: Book, service: MemoryService, monkeypatch: pytest.MonkeyPatch, took: int
):
    """The answers were fed so slowly that the record ran out before its last byte."""
    ticks, honest = clock.ticks, service.file
    service.times = (NOW - 600, NOW - 600)

    def slow(path: str) -> bytes:
        if path.startswith("/bundle"):
            monkeypatch.setattr(clock, "ticks", lambda: ticks() + took)
        return honest(path)

    service.file = slow  # type: ignore[method-assign]
    with pytest.raises(DirectoryError):
        book.candidates("demo", NOW)


def test_a_hint_at_old_knowledge_makes_the_next_request_look(book: Book, service: MemoryService):
    book.candidates("demo", NOW)
    with pytest.raises(GatewayError), book.learning():
        raise GatewayError("unknown-key", 422)
    service.asked.clear()
    book.candidates("demo", NOW)
    assert "/service" in service.asked


def test_another_refusal_makes_nobody_look(book: Book, service: MemoryService):
    book.candidates("demo", NOW)
    with pytest.raises(GatewayError), book.learning():
        raise GatewayError("busy", 503)
    assert book.ready("demo", NOW) is not None


def test_a_gateway_that_does_not_answer_leaves_what_is_known(book: Book):
    book.candidates("demo", NOW)
    book.fetcher.broken = True
    with pytest.raises(GatewayError):
        book.refresh(NOW)
    assert book.ready("demo", NOW) is not None


def test_a_revocation_drops_what_was_known_at_once(book: Book, service: MemoryService):
    book.candidates("demo", NOW)
    service.set_status([])
    with pytest.raises(DirectoryError, match=r"7\.status"):
        book.refresh(NOW)
    assert book.ready("demo", NOW) is None


def test_a_contradiction_drops_what_was_known_at_once(book: Book, service: MemoryService):
    book.candidates("demo", NOW)
    service.publish({"demo": [service.nodes[0]]}, sequence=0)
    with pytest.raises(DirectoryError, match="equivocation"):
        book.refresh(NOW)
    assert book.ready("demo", NOW) is None
    with pytest.raises(DirectoryError, match="equivocation"):
        book.candidates("demo", NOW)


def test_the_background_looks_again(book: Book, service: MemoryService):
    book.pause = 0.01
    book.candidates("demo", NOW)
    before = book.snapshot
    service.publish({"demo": [service.nodes[0]]})
    for _ in range(3):
        assert book.paused.acquire(timeout=20)
    assert book.snapshot is not before
    assert leaves(book.candidates("demo", NOW)) == {service.nodes[0].leaf.leaf_hash()}


def test_the_background_outlives_failures_and_counts_them(book: Book):
    book.pause = 0.01
    book.candidates("demo", NOW)
    book.fetcher.broken = True
    for _ in range(6):
        assert book.paused.acquire(timeout=20)
    assert book.failures > 1
    book.fetcher.broken = False
    for _ in range(4):
        assert book.paused.acquire(timeout=20)
    assert book.failures == 0


def test_a_background_that_died_is_started_again(book: Book):
    book.candidates("demo", NOW)
    book._keeper = threading.Thread(target=lambda: None)  # one that is not alive
    book.refresh(NOW)
    assert book._keeper.is_alive()


def test_a_closed_book_ends_its_thread_and_fetches_nothing(book: Book):
    book.candidates("demo", NOW)
    keeper = book._keeper
    assert keeper is not None
    book.close()
    assert not keeper.is_alive()
    with pytest.raises(TransportError):
        book.refresh(NOW)


def test_the_next_look_comes_before_anything_expires(service: MemoryService):
    opened = NodeBook(
        service.config, carrier=cast("Carrier", MemoryCarrier(service)), now=lambda: NOW
    )
    try:
        opened.candidates("demo", NOW)
        assert opened.snapshot is not None
        latest = opened.snapshot.expires - nodes.AHEAD - NOW
        pauses = {opened._pause(0) for _ in range(40)}
        assert all(latest - nodes.SPREAD <= pause <= latest for pause in pauses)
        assert len(pauses) > 1  # not the same second for everybody
        assert [opened._pause(n) for n in (1, 2, 3, 4)] == [5, 15, 60, 60]
    finally:
        opened.close()


def test_many_threads_look_once(book: Book, service: MemoryService):
    found: list[object] = []
    errors: list[OpenPCCError] = []

    def ask() -> None:
        try:
            found.append(book.candidates("demo", NOW))
        except OpenPCCError as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(found) == 8
    assert service.asked.count("/service") == 1


# The draw.


@pytest.fixture(scope="module")
def trusted(folder: Path) -> list[TrustedNode]:
    made = MemoryService(folder, nodes=6)
    opened = Book(made)
    try:
        opened.candidates("demo", NOW)
        assert opened.snapshot is not None
        return [row.node for row in opened.snapshot.judged["demo"] if row.node is not None]
    finally:
        opened.close()


def test_the_draw_is_uniform_over_nodes_and_places(trusted: list[TrustedNode]):
    rounds = 3000
    places = [Counter[bytes](), Counter[bytes]()]
    for _ in range(rounds):
        drawn = draw(trusted, 2)
        assert len({node.leaf_hash for node in drawn}) == 2
        for place, node in zip(places, drawn, strict=True):
            place[node.leaf_hash] += 1
    for place in places:
        assert len(place) == 6
        # 500 expected, a standard deviation of 20.4: seven of them, once in 10^11 runs
        assert all(abs(count - rounds / 6) < 143 for count in place.values())


def test_one_machine_is_drawn_once_and_gains_nothing_by_many_nodes(trusted: list[TrustedNode]):
    crowd = [*trusted[:2], *(replace(node, machine=b"one" * 8) for node in trusted[2:])]
    seen = Counter[bytes | None]()
    for _ in range(3000):
        drawn = draw(crowd, 2)
        machines = [node.machine for node in drawn]
        assert len(set(machines)) == 2
        seen.update(machines)
    assert abs(seen[b"one" * 8] - 2000) < 180


def test_one_key_is_drawn_once_where_no_machine_is_named(trusted: list[TrustedNode]):
    twins = [
        replace(trusted[0], machine=None, leaf_hash=bytes([number]) * 32) for number in range(3)
    ]
    assert len(draw(twins, 3)) == 1


def test_a_draw_of_few_gives_what_there_is(trusted: list[TrustedNode]):
    assert draw([], 3) == ()
    assert len(draw(trusted[:1], 3)) == 1
    assert len(draw(trusted, 8)) == 6


def test_a_draw_has_one_suite(trusted: list[TrustedNode]):
    mixed = [replace(node, kem_id=node.kem_id + (n % 2)) for n, node in enumerate(trusted)]
    for _ in range(20):
        assert len({node.kem_id for node in draw(mixed, 6)}) == 1

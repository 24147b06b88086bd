"""Which candidate comes first: by load and health, and in the header's order among equals."""

import random
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.loads import BUSY_REST, FAILURE_REST, LONGEST_REST, PRUNED_FROM, Loads
from gateway.publication import Publication, PublishedNode
from gateway.routing import FAILURES, Outcome, RoutedNode, Routes

NODES = 200


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def loads(clock: Clock) -> Loads:
    return Loads(clock)


def key_of(node: int, number: int = 0) -> bytes:
    return bytes([number]) + node.to_bytes(31, "big")


def routes() -> Routes:
    nodes = tuple(
        PublishedNode(url=f"http://n{one}", keys=(key_of(one), key_of(one, 1)), leaf=bytes(32))
        for one in range(NODES)
    )
    return Routes.of(
        Publication(service="s", index=0, status=0, sequence=0, not_after=0, models=(), nodes=nodes)
    )


def test_the_choice_never_leaves_the_candidates_and_equals_keep_the_headers_order() -> None:
    """10^5 requests, with loads, failures, unknown keys and two keys of one node."""
    chance, clock = random.Random(8), Clock()
    loads, found = Loads(clock), routes()
    running: list[str] = []
    for _ in range(100_000):
        clock.now += chance.random() / 50
        drawn = chance.sample(range(NODES + 20), chance.randint(1, 8))
        keys = [key_of(one, chance.randrange(2)) for one in drawn]
        if chance.random() < 0.1:
            keys.append(key_of(drawn[0], 1 - keys[0][0]))
        candidates = found.candidates(keys)
        wanted = list(dict.fromkeys(f"http://n{one}" for one in drawn if one < NODES))
        assert list(candidates) == wanted  # each node once, in the header's order, none added
        order = loads.order(candidates)
        rank = {url: (*_rank(loads, url), place) for place, url in enumerate(wanted)}
        assert order == sorted(rank, key=rank.__getitem__)
        if order:
            loads.begin(order[0])
            running.append(order[0])
            loads.report(order[0], chance.choices(list(Outcome), [1, 1, 2, 1, 1, 90, 1, 1, 1])[0])
        while len(running) > 100 or (running and chance.random() < 0.4):
            loads.end(running.pop(chance.randrange(len(running))))


def _rank(loads: Loads, url: str) -> tuple[bool, bool, int]:
    busy = loads._busy_until.get(url, 0) > loads._clock()
    return loads.failing(url), busy, loads._in_flight[url]


def test_idle_nodes_are_chosen_as_the_clients_drew_them() -> None:
    """The gateway adds no preference of its own: chi-square over 10^5 idle choices."""
    chance, found = random.Random(9), routes()
    loads = Loads(Clock())
    first: Counter[str] = Counter()
    for _ in range(100_000):
        drawn = chance.sample(range(NODES), 3)
        first[loads.order(found.candidates(map(key_of, drawn)))[0]] += 1
    expected = 100_000 / NODES
    statistic = sum((first[f"http://n{one}"] - expected) ** 2 / expected for one in range(NODES))
    assert statistic < 290  # 199 degrees of freedom: more has a chance of 3e-5; the seed is fixed


@given(st.lists(st.sampled_from([*Outcome, "begin", "end", "wait"]), max_size=60))
def test_whatever_happens_every_candidate_stays_one(steps: list[Outcome | str]) -> None:
    clock = Clock()
    loads, open_requests = Loads(clock), 0
    for step in steps:
        match step:
            case Outcome():
                loads.report("a", step)
            case "begin":
                loads.begin("a")
                open_requests += 1
            case "end" if open_requests:
                loads.end("a")
                open_requests -= 1
            case _:
                clock.now += 3
        assert sorted(loads.order(["a", "b"])) == ["a", "b"]
    for _ in range(open_requests):
        loads.end("a")
    clock.now += LONGEST_REST
    assert loads.order(["a", "b"]) == ["a", "b"]  # nothing is held against a node for ever
    assert not loads._in_flight


def test_the_least_loaded_comes_first(loads: Loads) -> None:
    loads.begin("a")
    assert loads.order(["a", "b", "c"]) == ["b", "c", "a"]
    loads.end("a")
    assert loads.order(["a", "b", "c"]) == ["a", "b", "c"]


def test_busy_ones_come_later_and_failing_ones_last(loads: Loads, clock: Clock) -> None:
    loads.begin("a")
    loads.report("b", Outcome.LOST)
    loads.report("c", Outcome.BUSY)
    assert loads.order(["a", "b", "c"]) == ["a", "c", "b"]
    clock.now = BUSY_REST
    assert loads.order(["a", "b", "c"]) == ["c", "a", "b"]
    clock.now = FAILURE_REST
    assert loads.order(["a", "b", "c"]) == ["b", "c", "a"]


@pytest.mark.parametrize("outcome", sorted(FAILURES, key=str))
def test_a_node_that_fails_whenever_it_is_asked_rests_longer_and_longer(
    loads: Loads, clock: Clock, outcome: Outcome
) -> None:
    rests = []
    for _ in range(6):
        loads.begin("a")
        loads.report("a", outcome)
        loads.end("a")
        began = clock.now
        while loads.failing("a"):
            clock.now += 0.5
        rests.append(clock.now - began)
    assert rests == [5, 10, 20, 40, 60, 60]


def test_failures_of_requests_that_ran_together_count_once(loads: Loads, clock: Clock) -> None:
    for _ in range(50):
        loads.begin("a")
    for _ in range(50):
        loads.report("a", Outcome.LOST)
        loads.end("a")
    clock.now = FAILURE_REST
    assert not loads.failing("a")


def test_after_its_rest_one_request_finds_out(loads: Loads, clock: Clock) -> None:
    loads.report("a", Outcome.NO_CONNECTION)
    clock.now = FAILURE_REST
    assert loads.order(["a", "b"]) == ["a", "b"]
    loads.begin("a")
    assert loads.order(["a", "b"]) == ["b", "a"]
    loads.report("a", Outcome.TAKEN)
    loads.end("a")
    assert loads.order(["a", "b"]) == ["a", "b"]


def test_a_caller_that_leaves_during_the_trial_leaves_the_next_one_to_another(
    loads: Loads, clock: Clock
) -> None:
    loads.report("a", Outcome.NO_CONNECTION)
    clock.now = FAILURE_REST
    loads.begin("a")
    loads.end("a")
    assert not loads.failing("a")


@pytest.mark.parametrize("outcome", [one for one in Outcome if one not in FAILURES])
def test_any_answer_of_a_node_ends_its_rest(loads: Loads, outcome: Outcome) -> None:
    loads.report("a", Outcome.LOST)
    loads.report("a", outcome)
    assert not loads.failing("a")


def test_nodes_that_come_and_go_fill_nothing(loads: Loads, clock: Clock) -> None:
    for number in range(4 * PRUNED_FROM):
        clock.now += 1
        url = f"http://n{number}"
        loads.begin(url)
        loads.report(url, Outcome.LOST if number % 2 else Outcome.BUSY)
        loads.end(url)
    assert len(loads._failures) + len(loads._busy_until) <= PRUNED_FROM + 1
    assert not loads._in_flight


def test_a_key_that_nobody_has_is_no_candidate() -> None:
    found: Mapping[str, RoutedNode] = routes().candidates([key_of(NODES), bytes(32), b""])
    assert list(found) == ["http://n0"]  # whose key is all zeros in this test
    assert Routes(by_key={}).candidates([bytes(32)]) == {}

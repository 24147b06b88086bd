"""What a gateway sees of the choice: over 10^5 requests, chance and nothing else.

It sees the candidates of each request in their order, and when the request comes. Both statistics
here use all of that: how often each ordered set occurs, and how often a first candidate follows
another. Each is a chi-square test that cries wolf less than once in 10^7 runs, and each finds the
choosers at the end of this file, which are not uniform.

Failures are injected as a hostile gateway would: it answers `upstream` whenever one chosen node is
among the candidates. Nodes expire under way, and come back with new keys.
"""

import itertools
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import pytest
from scipy import stats  # type: ignore[import-untyped]

from openpcc.carrier import Carrier
from openpcc.errors import GatewayError
from openpcc.nodes import NodeBook, draw
from openpcc.trust import TrustedNode
from tests.fakes.memory_service import MemoryCarrier, MemoryService
from tests.fakes.world import NOW

REQUESTS = 100_000
NODES = 16
SHORT = 3
"""Nodes whose epoch ends under way; a quarter would be four."""

ALARM = 1e-7
"""Least probability of an honest result: each test is wrong about an honest chooser this often."""

Header = tuple[bytes, ...]
"""Key ids as they stand in the header of a request."""


def improbability(observed: Counter[tuple[bytes, ...]], cells: int) -> tuple[float, int]:
    """Give chi-square against uniform cells, and its degrees of freedom."""
    total = sum(observed.values())
    expected = total / cells
    seen = sum((count - expected) ** 2 / expected for count in observed.values())
    return seen + (cells - len(observed)) * expected, cells - 1


def chance(*found: tuple[float, int]) -> float:
    """Give the probability that honest choices look at least as odd."""
    return float(stats.chi2.sf(sum(one for one, _ in found), sum(more for _, more in found)))


def of_sets(headers: Sequence[Header], nodes: int) -> tuple[float, int]:
    """Judge how often each ordered set of two occurs."""
    return improbability(Counter(headers), nodes * (nodes - 1))


def of_steps(headers: Sequence[Header], nodes: int) -> tuple[float, int]:
    """Judge how often one first candidate follows another; pairs apart, so that they are free."""
    steps = Counter[Header](
        (headers[at][0], headers[at + 1][0]) for at in range(0, len(headers), 2)
    )
    return improbability(steps, nodes * nodes)


def suspicious(headers: Sequence[Header], nodes: int) -> bool:
    return min(chance(of_sets(headers, nodes)), chance(of_steps(headers, nodes))) < ALARM


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> MemoryService:
    made = MemoryService(tmp_path_factory.mktemp("service"), nodes=0)
    made.world.not_after = NOW + 500  # trusted until NOW + 380
    short = [made.node(number) for number in range(SHORT)]
    made.world.not_after = NOW + 3540
    made.nodes = short + [made.node(number) for number in range(SHORT, NODES)]
    made.publish()
    return made


@pytest.fixture
def book(service: MemoryService) -> Iterator[NodeBook]:
    opened = NodeBook(service.config, carrier=cast("Carrier", MemoryCarrier(service)))
    yield opened
    opened.close()


def ask(book: NodeBook, count: int, *, now: int, down: bytes) -> list[Header]:
    """Send requests to a gateway that fails every one that lists a certain node."""
    seen = []
    for _ in range(count):
        with book.learning():
            header = tuple(node.key_id for node in book.candidates("demo", now).nodes)
            seen.append(header)
            try:
                if down in header:
                    raise GatewayError("upstream", 502)
            except GatewayError:
                continue
    return seen


def test_failures_and_expiry_do_not_change_what_is_drawn(book: NodeBook, service: MemoryService):
    down = service.nodes[5].key.id
    phases = [(ask(book, REQUESTS // 2, now=NOW, down=down), NODES)]
    phases.append((ask(book, REQUESTS // 4, now=NOW + 400, down=down), NODES - SHORT))
    service.nodes[:SHORT] = [service.node(100 + number) for number in range(SHORT)]
    service.publish()
    book.refresh(NOW + 400)
    phases.append((ask(book, REQUESTS // 4, now=NOW + 400, down=down), NODES))
    assert [len(set(itertools.chain(*seen))) for seen, _ in phases] == [NODES, 13, NODES]
    assert chance(*(of_sets(*phase) for phase in phases)) > ALARM
    assert chance(*(of_steps(*phase) for phase in phases)) > ALARM


@pytest.fixture(scope="module")
def nodes(service: MemoryService) -> list[TrustedNode]:
    opened = NodeBook(service.config, carrier=cast("Carrier", MemoryCarrier(service)))
    try:
        opened.refresh(NOW)
        assert opened.snapshot is not None
        found = [row.node for row in opened.snapshot.judged["demo"] if row.node is not None]
        assert len(found) == NODES
        return found
    finally:
        opened.close()


# Choosers that are not uniform, each of which the same two tests must find.


def honest(nodes: list[TrustedNode]) -> Iterator[Header]:
    while True:
        yield tuple(node.key_id for node in draw(nodes, 2))


def favourite(nodes: list[TrustedNode]) -> Iterator[Header]:
    """Puts one node first in two of a hundred requests."""
    for one in honest(nodes):
        fond = secrets.randbelow(50) == 0 and nodes[0].key_id not in one
        yield (nodes[0].key_id, one[1]) if fond else one


def in_order(nodes: list[TrustedNode]) -> Iterator[Header]:
    """Sorts what it draws, in one of ten requests."""
    for one in honest(nodes):
        first, second = sorted(one) if secrets.randbelow(10) == 0 else one
        yield first, second


def avoiding(nodes: list[TrustedNode]) -> Iterator[Header]:
    """Does without a node that has failed for the next four requests."""
    rest = 0
    for one in honest(nodes):
        rest -= 1
        if nodes[5].key_id in one:
            if rest >= 0:
                continue
            rest = 4
        yield one


def restless(nodes: list[TrustedNode]) -> Iterator[Header]:
    """Draws again, once, what begins like the request before."""
    last = b""
    choices = honest(nodes)
    for one in choices:
        yield (chosen := next(choices) if one[0] == last else one)
        last = chosen[0]


CHOOSERS = [favourite, in_order, avoiding, restless]


@pytest.mark.parametrize("chooser", CHOOSERS)
def test_a_chooser_that_is_not_uniform_is_found(
    nodes: list[TrustedNode], chooser: Callable[[list[TrustedNode]], Iterator[Header]]
):
    headers = list(itertools.islice(chooser(nodes), REQUESTS // 2))
    assert suspicious(headers, NODES)


def test_a_uniform_one_is_not(nodes: list[TrustedNode]):
    assert not suspicious(list(itertools.islice(honest(nodes), REQUESTS)), NODES)

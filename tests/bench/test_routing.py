"""The simulations of `bench.routing` say what can be computed, and its figures are the docs'."""

import math
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench import routing, routing_crowd, routing_proofs
from bench.chart import Axis, chart


def test_different_columns_are_drawn_alike_and_in_any_order():
    drawn = routing_crowd.distinct(np.random.default_rng(1), 60_000, 5, 2)
    pairs = Counter(map(tuple, drawn.tolist()))
    assert len(pairs) == 20
    assert all(first != second for first, second in pairs)
    # 3000 expected, a standard deviation of 53; the seed is fixed
    assert all(abs(count - 3000) < 300 for count in pairs.values())


def test_every_request_is_given_to_a_node():
    loads = routing_crowd.loads(np.random.default_rng(1), nodes=320, requests=5000, size=16, k=2)
    assert (len(loads), int(loads.sum())) == (320, 5000)


def test_two_choices_are_better_than_one_and_all_of_a_shard_best():
    found = [
        routing_crowd.imbalance(
            routing_crowd.loads(np.random.default_rng(k), nodes=1600, requests=16000, size=16, k=k)
        )
        for k in (1, 2, 16)
    ]
    assert found[0].busiest > found[1].busiest > found[2].busiest


def test_a_leaf_drawn_gives_every_place_its_share():
    for nodes in (16, 17, 193, 1001):
        assert routing_crowd.last_node(nodes=nodes, size=16, by_leaf=True) == pytest.approx(1)
    assert routing_crowd.last_node(nodes=193, size=16, by_leaf=False) == pytest.approx(193 / 13)


def test_linkage_is_the_mean_over_shards_that_are_shared():
    random = np.random.default_rng(1)
    for clients in (1, 10, 100):
        kept = random.integers(0, 13, (4000, clients))
        shared = (kept[:, :1] == kept).sum(axis=1)
        simulated = float((1 / shared).mean())
        assert routing_crowd.linkage(nodes=200, clients=clients) == pytest.approx(
            simulated, abs=0.02
        )


def test_exposure_of_one_day_is_what_can_be_counted():
    found = routing_crowd.exposed(
        np.random.default_rng(1), nodes=1600, clients=200_000, bad=0.01, k=2, requests=1, days=2
    )
    assert found["no shards"][0] == pytest.approx(1 - 0.99**2)
    assert found["one shard for ever"][0] == pytest.approx(1 - 0.99**2, abs=2e-3)
    assert found["a shard a day"][1] == pytest.approx(1 - 0.99**4, abs=4e-3)


def test_a_quarter_withheld_tells_less_than_a_bit_of_two_candidates():
    assert routing_crowd.told_by_withheld(2) == pytest.approx(-math.log2(66 / 120))


def test_a_shard_grows_with_the_logarithm_and_the_whole_with_the_number():
    found = routing_proofs.measure((64, 1024), rounds=2)
    (small, all_small), (large, all_large) = found[64], found[1024]
    assert (small.hashes, large.hashes) == (2, 6)
    assert large.size - small.size < 8 * 50
    assert all_large.size > 15 * all_small.size
    assert len(large.seconds) == 2


def test_a_whole_directory_of_another_root_is_refused():
    found = routing_proofs.listed(20)
    assert routing_proofs.read_whole(routing_proofs.whole(found), found.root) == 20
    with pytest.raises(ValueError, match="another"):
        routing_proofs.read_whole(routing_proofs.whole(found), bytes(32))


def test_a_chart_is_the_same_each_time_and_escapes_its_texts():
    axis = Axis(label="a < b", ticks=[(1, "1"), (100, "100")], log=True)
    lines = {"x & y": [(1, 1), (10, 10)], "z": [(1, 1), (10, 10)]}
    drawn = chart("<title>", x=axis, y=axis, lines=lines)
    assert drawn == chart("<title>", x=axis, y=axis, lines=lines)
    texts = [one.text for one in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert {"<title>", "a < b", "x & y", "z"} <= set(texts)


@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("linkage", routing.linkage),
        pytest.param("load", routing.load, marks=pytest.mark.long),
        pytest.param("exposure", routing.exposure, marks=pytest.mark.long),
    ],
)
def test_the_figures_of_the_docs_are_drawn_from_the_simulation(
    root: Path, name: str, draw: Callable[[], str], capsys: pytest.CaptureFixture[str]
):
    assert (root / "docs" / "figures" / f"routing-{name}.svg").read_text() == draw()
    assert capsys.readouterr().out.count("| --- |")

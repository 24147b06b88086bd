"""The shards of a day: drawn evenly, kept, never more than two, and alike for all models."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc import shards
from openpcc.errors import DirectoryError
from openpcc.protocol.messages import DirectoryLeaf
from openpcc.state import Draw

NOW = 1_800_000_000
WINDOWS = 144
"""In a day."""


def drawn(size: int, model: str = "m") -> Draw:
    """Draw anew."""
    return shards.with_model(shards.current(None, now=NOW), model, size=size)


def test_every_leaf_is_drawn_alike_so_that_a_last_shard_of_few_collects_few():
    found = Counter(shards.numbers(drawn(66), "m", size=66)[0] for _ in range(6600))
    assert set(found) == set(range(5))
    # 1600 and 200 expected, standard deviations of 35 and 14: seven of them
    assert all(abs(found[number] - 1600) < 245 for number in range(4))
    assert abs(found[4] - 200) < 98


def test_the_spare_is_any_other_shard_by_its_leaves():
    found = Counter(shards.numbers(drawn(80), "m", size=80) for _ in range(8000))
    assert set(found) == set(itertools.permutations(range(5), 2))
    # 400 expected, standard deviation of 20
    assert all(abs(count - 400) < 140 for count in found.values())


def test_there_are_the_same_two_shards_all_day():
    draw = drawn(208)
    first = shards.numbers(draw, "m", size=208)
    assert len(set(first)) == 2
    for window in range(WINDOWS):
        now = NOW + 600 * window
        draw = shards.with_model(shards.current(draw, now=now), "m", size=208)
        assert shards.numbers(draw, "m", size=208) == first
    assert shards.current(draw, now=NOW + 86400).seed != draw.seed
    assert shards.current(draw, now=NOW - 1).seed != draw.seed


def test_a_gateway_that_refuses_all_shards_but_one_gathers_two_thirteenths_in_a_day():
    """It gathered one in two within eight windows, while spares were those of a window."""
    everybody = [drawn(208) for _ in range(2000)]
    gathered = sum(6 in shards.numbers(one, "m", size=208) for one in everybody)
    assert abs(gathered - 2000 * 2 / 13) < 113  # seven standard deviations


@pytest.mark.parametrize("sizes", [(208, 17), (10**6, 200), (10**6, 17), (200, 193)])
def test_a_directory_that_shrinks_and_grows_again_moves_nobody(sizes: tuple[int, int]):
    full, small = sizes
    for _ in range(50):
        draw = drawn(full)
        before = shards.numbers(draw, "m", size=full)
        during = shards.numbers(shards.with_model(draw, "m", size=small), "m", size=small)
        assert all(16 * number < small for number in during)
        assert len(set(during)) == 2
        assert shards.numbers(draw, "m", size=full) == before
        assert shards.numbers(draw, "m", size=16 * full) == before


def test_a_directory_that_shrinks_spreads_those_whose_shards_are_gone():
    found = Counter(shards.numbers(drawn(800), "m", size=80)[0] for _ in range(5000))
    assert all(abs(found[number] - 1000) < 200 for number in range(5))


def test_of_a_shard_whose_own_leaf_is_gone_only_few_stay():
    """Else everybody who keeps the last shard would sit on its one node."""
    kept = [one for one in (drawn(208) for _ in range(4000))
            if shards.numbers(one, "m", size=208)[0] == 12]  # fmt: skip
    stay = sum(shards.numbers(one, "m", size=193)[0] == 12 for one in kept)
    assert stay < len(kept) / 4  # 1/16 expected, and as chance has it 1/193 more


def test_nothing_is_kept_of_a_directory_of_one_shard():
    """Else whoever came while it was small would be in its first shard when it is not."""
    draw = drawn(16)
    assert draw.sizes == {}
    assert shards.numbers(draw, "m", size=16) == shards.numbers(draw, "m", size=1) == (0,)
    found = {shards.numbers(drawn(208), "m", size=208)[0] for _ in range(400)}
    assert len(found) == 13


def test_models_of_one_size_have_one_shard_and_others_little_more_than_one():
    """Drawn apart, thirteen and sixty-three shards would be 819 names for a client."""
    pairs = set()
    for _ in range(5000):
        draw = shards.with_model(drawn(200), "n", size=200)
        draw = shards.with_model(draw, "o", size=1000)
        first, second, other = (
            shards.numbers(draw, model, size=size)
            for model, size in (("m", 200), ("n", 200), ("o", 1000))
        )
        assert first == second
        pairs.add((first[0], other[0]))
    assert len(pairs) < 13 + 63


def test_a_model_that_comes_later_in_a_day_is_drawn_from_the_same_row():
    draw = drawn(200)
    later = shards.with_model(shards.current(draw, now=NOW + 3600), "n", size=200)
    assert later.drawn == NOW
    assert shards.numbers(later, "n", size=200) == shards.numbers(draw, "m", size=200)


def test_too_many_models_in_a_day_are_refused():
    draw = drawn(200)
    for number in range(shards.MAX_KEPT - 1):
        draw = shards.with_model(draw, str(number), size=17)
    with pytest.raises(DirectoryError, match="256 models"):
        shards.with_model(draw, "one more", size=17)
    assert shards.with_model(draw, "m", size=200) == draw


@given(st.integers(1, 2**20), st.integers(1, 2**20), st.binary(min_size=32, max_size=32))
def test_what_is_drawn_is_of_the_directory(known: int, size: int, seed: bytes):
    draw = shards.with_model(Draw(seed=seed, drawn=NOW), "m", size=known)
    draw = shards.with_model(draw, "m", size=size)
    found = shards.numbers(draw, "m", size=size)
    assert 1 <= len(set(found)) == len(found) <= 2
    assert all(0 <= 16 * number < size for number in found)
    assert len(found) == (1 if size <= 16 else 2)


LEAF = DirectoryLeaf(
    quote_digest=bytes(32), binding=bytes(64), node_key_ids=(bytes(32),), machine=bytes(32)
)


def test_empty_slots_count_but_in_a_directory_of_one_shard():
    row = [LEAF, None, None, LEAF]
    assert shards.places(row, size=16) == 2
    assert shards.places(row, size=20) == 4


@pytest.mark.parametrize(("good", "counted"), [(12, 16), (3, 4), (1, 1), (6, 8)])
def test_a_quarter_may_be_missing_and_no_more(good: int, counted: int):
    assert not shards.too_few(good, counted)
    assert shards.too_few(good - 1, counted)

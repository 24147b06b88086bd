"""The shard of a day and the spare of a window: drawn evenly, kept, and never more than two."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc import shards
from openpcc.errors import DirectoryError
from openpcc.protocol.messages import DirectoryLeaf
from openpcc.state import Shard

NOW = 1_800_000_000


def test_every_leaf_is_drawn_alike_so_that_a_last_shard_of_few_collects_few():
    drawn = Counter(
        shards.number_of(shards.with_kept({}, "m", size=66, now=NOW)["m"].leaf) for _ in range(6600)
    )
    assert set(drawn) == set(range(5))
    # 1600 and 200 expected, standard deviations of 35 and 14: seven of them
    assert all(abs(drawn[number] - 1600) < 245 for number in range(4))
    assert abs(drawn[4] - 200) < 98


@pytest.mark.parametrize("kept", [0, 40, 79, 112])
def test_the_spare_is_any_leaf_of_any_other_shard(kept: int):
    known = {"m": Shard(leaf=kept, drawn=NOW)}
    spares = {shards.with_spare(known, "m", size=80, now=NOW)["m"].spare for _ in range(3000)}
    first = 16 * (kept // 16)
    assert spares == set(range(80)) - set(range(first, first + 16))


def test_of_a_shard_whose_own_leaf_is_gone_the_rest_may_be_the_spare():
    known = {"m": Shard(leaf=20, drawn=NOW)}
    spares = {shards.with_spare(known, "m", size=18, now=NOW)["m"].spare for _ in range(1000)}
    assert spares == set(range(18))


def test_the_spare_is_that_of_its_window_and_the_kept_shard_stays():
    known = shards.with_spare({"m": Shard(leaf=0, drawn=NOW)}, "m", size=10**12, now=NOW)
    assert shards.with_spare(known, "m", size=10**12, now=NOW + 599) == known
    later = shards.with_spare(known, "m", size=10**12, now=NOW + 600)
    assert later["m"].spare != known["m"].spare
    assert later["m"].leaf == 0


def test_there_is_no_third_shard_in_a_window():
    known = {"m": Shard(leaf=0, drawn=NOW, spare=32, spare_drawn=NOW)}
    with pytest.raises(DirectoryError, match="two shards"):
        shards.with_spare(known, "m", size=32, now=NOW)


def test_a_directory_of_one_shard_has_no_spare():
    with pytest.raises(DirectoryError, match="no other shard"):
        shards.with_spare({"m": Shard(leaf=0, drawn=NOW)}, "m", size=16, now=NOW)


def test_the_size_of_the_directory_does_not_move_a_kept_shard():
    known = {"m": Shard(leaf=112, drawn=NOW - 10)}
    for size in (1, 16, 17, 10**6):
        assert shards.with_kept(known, "m", size=size, now=NOW) == known


@given(st.integers(1, 10**6), st.integers(0, 100), st.integers(-(10**5), 10**5))
def test_what_is_drawn_is_of_the_directory(size: int, kept: int, age: int):
    known = shards.with_kept({"m": Shard(leaf=kept, drawn=NOW - age)}, "m", size=size, now=NOW)
    fresh = not 0 <= age < 24 * 3600
    assert known["m"].leaf < size if fresh else known["m"].leaf == kept


@given(st.integers(1, 10**6), st.integers(0, 10**6))
def test_the_spare_is_another_leaf_of_the_directory(size: int, kept: int):
    known = {"m": Shard(leaf=kept, drawn=NOW)}
    try:
        spare = shards.with_spare(known, "m", size=size, now=NOW)["m"].spare
    except DirectoryError:
        assert size <= 16
        assert kept < size
        return
    assert spare is not None
    assert 0 <= spare < size
    assert kept >= size or spare // 16 != kept // 16


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

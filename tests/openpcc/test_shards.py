"""The shard of a day and the spare of a window: drawn evenly, kept, and never more than two."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc import shards
from openpcc.errors import DirectoryError
from openpcc.state import Shard

NOW = 1_800_000_000


def test_every_shard_is_drawn_alike():
    drawn = Counter(
        shards.with_kept({}, "m", size=16 * 5 - 3, now=NOW)["m"].shard for _ in range(2000)
    )
    assert set(drawn) == set(range(5))
    assert all(abs(count - 400) < 130 for count in drawn.values())


@pytest.mark.parametrize("kept", [0, 2, 4, 7])
def test_the_spare_is_any_other_shard_of_the_directory(kept: int):
    known = {"m": Shard(shard=kept, drawn=NOW)}
    spares = {shards.with_spare(known, "m", size=80, now=NOW)["m"].spare for _ in range(300)}
    assert spares == set(range(5)) - {kept}


def test_the_spare_is_that_of_its_window_and_the_kept_shard_stays():
    known = shards.with_spare({"m": Shard(shard=0, drawn=NOW)}, "m", size=16 * 10**6, now=NOW)
    assert shards.with_spare(known, "m", size=16 * 10**6, now=NOW + 599) == known
    later = shards.with_spare(known, "m", size=16 * 10**6, now=NOW + 600)
    assert later["m"].spare != known["m"].spare
    assert later["m"].shard == 0


def test_there_is_no_third_shard_in_a_window():
    known = {"m": Shard(shard=0, drawn=NOW, spare=4, spare_drawn=NOW)}
    with pytest.raises(DirectoryError, match="two shards"):
        shards.with_spare(known, "m", size=32, now=NOW)


def test_a_directory_of_one_shard_has_no_spare():
    with pytest.raises(DirectoryError, match="no other shard"):
        shards.with_spare({"m": Shard(shard=0, drawn=NOW)}, "m", size=16, now=NOW)


def test_the_size_of_the_directory_does_not_move_a_kept_shard():
    known = {"m": Shard(shard=7, drawn=NOW - 10)}
    for size in (1, 16, 17, 10**6):
        assert shards.with_kept(known, "m", size=size, now=NOW) == known


@given(st.integers(1, 10**6), st.integers(0, 100), st.integers(-(10**5), 10**5))
def test_what_is_drawn_is_of_the_directory(size: int, kept: int, age: int):
    known = shards.with_kept({"m": Shard(shard=kept, drawn=NOW - age)}, "m", size=size, now=NOW)
    fresh = not 0 <= age < 24 * 3600
    assert known["m"].shard < -(-size // 16) if fresh else known["m"].shard == kept

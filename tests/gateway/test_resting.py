"""Free places are filled from the end, over two windows, and nobody moves while listed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.evidence import Evidence
from gateway.places import Place
from gateway.resting import without_resting
from gateway.window import Listing, tenant
from openpcc.protocol.messages import DirectoryLeaf

Slots = tuple[int | None, ...]


def fill(slots: Slots, nodes: set[int]) -> Slots:
    """Place nodes as the publisher does: known ones stay, others take free places, then the end."""
    placed = [one if one in nodes else None for one in slots]
    for node in sorted(nodes - set(placed)):
        if None in placed:
            placed[placed.index(None)] = node
        else:
            placed.append(node)
    while placed and placed[-1] is None:
        placed.pop()
    return tuple(placed)


def acceptable(slots: Slots) -> bool:
    """Say whether clients refuse no shard for its empty places."""
    shards = [slots[start : start + 16] for start in range(0, len(slots), 16)]
    return len(shards) < 2 or all(4 * shard.count(None) <= len(shard) for shard in shards)


def test_a_few_free_places_stay_free():
    slots = (*range(12), *[None] * 4, *range(16, 40))
    assert without_resting(slots) == slots


def test_a_directory_of_one_shard_may_have_any():
    slots = (*[None] * 15, 15)
    assert without_resting(slots) == slots


def test_as_many_rest_as_there_are_places_for_them():
    slots = (*range(11), *[None] * 5, *range(16, 40))
    assert without_resting(slots) == slots[:35]


def test_half_of_a_service_that_left_costs_one_window():
    nodes = set(range(0, 200, 2))
    left = fill(tuple(range(200)), nodes)
    listed = without_resting(left)
    after = without_resting(fill(listed, nodes))
    assert after.count(None) == 0
    assert set(after) == nodes


@pytest.mark.parametrize("lost", [16, 20, 100, 150])
def test_a_service_that_loses_its_first_nodes_is_never_emptied(lost: int):
    """Every node that was left stood behind the free places, so all of them went to rest."""
    size = lost + 16
    nodes = set(range(lost, size))
    slots: Slots = tuple(range(size))
    for _ in range(4):
        slots = without_resting(fill(slots, nodes))
        assert 2 * len(set(slots) - {None}) >= len(nodes)
    assert acceptable(slots)
    assert set(slots) == nodes


def evidence(number: int) -> Evidence:
    name = f"https://node-{number:03}.example"
    leaf = DirectoryLeaf(
        quote_digest=bytes(32),
        binding=bytes(64),
        node_key_ids=(number.to_bytes(32, "big"),),
        machine=number.to_bytes(32, "big"),
    )
    place = Place(name=name, url=name)
    return Evidence(place=place, bundle=b"", leaf=leaf, models=("demo",), not_after=0)


def test_a_listing_leaves_out_whoever_rests_and_still_routes_to_them():
    nodes = [evidence(number) for number in range(1, 41)]
    before = Listing.of(nodes, {}, not_before=0)
    stay = nodes[5:]
    listing = Listing.of(stay, before.slots, not_before=600)
    assert listing.directories["demo"].size == 35  # five places free, five nodes at rest
    assert listing.evidence == tuple(stay)
    after = Listing.of(stay, listing.slots, not_before=1200)
    assert set(after.slots["demo"]) == {tenant(one) for one in stay}
    kept = [place for place, one in enumerate(listing.slots["demo"]) if one is not None]
    assert all(after.slots["demo"][place] == listing.slots["demo"][place] for place in kept)


@given(st.lists(st.sets(st.integers(0, 60)), min_size=1, max_size=6))
def test_whoever_stays_for_some_windows_is_listed_where_no_shard_is_refused(
    windows: list[set[int]],
):
    slots: Slots = ()
    for nodes in windows:
        before = slots
        slots = without_resting(fill(before, nodes))
        assert set(slots) - {None} <= nodes
        assert all(before.index(one) == slots.index(one) for one in before if one in slots if one)
    for _ in range(3):
        slots = without_resting(fill(slots, windows[-1]))
    assert acceptable(slots)
    assert set(slots) - {None} == windows[-1]

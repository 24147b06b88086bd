"""Positions, roots and shards of a node directory."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.directory import Directory, assign
from openpcc.protocol.messages import EMPTY_LEAF
from transparency_log.merkle import leaf_hash, tree_root, verify_subtree_consistency
from transparency_log.strict_json import b64decode

names = st.text("abcdefgh", min_size=1, max_size=2)


def test_new_nodes_take_free_places_in_order_then_the_end() -> None:
    assert assign(("a", None, "b", None), {"a", "b", "c"}) == ("a", "c", "b")
    assert assign(("a", "b"), {"b", "c", "d"}) == ("c", "b", "d")
    assert assign((), set()) == ()


def test_the_last_free_places_are_dropped() -> None:
    assert assign(("a", "b", "c"), {"a"}) == ("a",)
    assert assign(("a", "b", "c"), {"c"}) == (None, None, "c")


@given(windows=st.lists(st.sets(names, max_size=12), max_size=8))
def test_a_node_keeps_its_place_while_it_is_listed(windows: list[set[str]]) -> None:
    slots: tuple[str | None, ...] = ()
    for present in windows:
        before = {node: place for place, node in enumerate(slots) if node is not None}
        slots = assign(slots, present)
        after = {node: place for place, node in enumerate(slots) if node is not None}
        assert set(after) == present
        assert len(after) == sum(one is not None for one in slots)
        assert all(after[node] == before[node] for node in present & set(before))


def directory(size: int) -> Directory:
    leaves = tuple(hashlib.sha256(bytes([i >> 8, i & 255])).digest() for i in range(size))
    return Directory(model_id=bytes(32), leaves=leaves)


@pytest.mark.parametrize("size", [1, 2, 15, 16, 17, 31, 32, 33, 100, 257])
def test_every_shard_is_proved_under_the_root(size: int) -> None:
    found = directory(size)
    hashes = [leaf_hash(leaf) for leaf in found.leaves]
    assert found.root == tree_root(hashes)
    seen: list[bytes] = []
    for number in range((size + 15) // 16):
        data = found.shard(number, sequence=7)
        assert data is not None
        document = json.loads(data)
        leaves = [b64decode(one) for one in document["leaves"]]
        verify_subtree_consistency(
            start=16 * number,
            end=16 * number + len(leaves),
            size=document["size"],
            subtree_root=tree_root([leaf_hash(leaf) for leaf in leaves]),
            root=found.root,
            proof=[b64decode(one) for one in document["proof"]],
        )
        seen += leaves
        assert document["sequence"] == 7
    assert tuple(seen) == found.leaves
    assert found.shard((size + 15) // 16, sequence=7) is None


def test_an_empty_place_is_an_empty_leaf() -> None:
    found = Directory.build(bytes(32), (None, "b"), {"b": b"leaf"})
    assert found.leaves == (EMPTY_LEAF, b"leaf")

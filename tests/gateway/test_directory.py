"""Roots and shards of a node directory."""

import hashlib
import json

import pytest

from gateway.directory import Directory
from gateway.slots import Tenant
from openpcc.protocol.messages import EMPTY_LEAF
from transparency_log.merkle import leaf_hash, tree_root, verify_subtree_consistency
from transparency_log.strict_json import b64decode


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
    tenant = Tenant(machine=bytes(32), place="b")
    found = Directory.build(bytes(32), (None, tenant), {tenant: b"leaf"})
    assert found.leaves == (EMPTY_LEAF, b"leaf")

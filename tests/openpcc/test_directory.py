"""A shard counts only as far as its proof reaches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc import directory
from openpcc.directory import MalformedDirectoryError
from openpcc.protocol.messages import EMPTY_LEAF, DirectoryLeaf
from transparency_log import merkle, prover, strict_json

SIZES = [1, 2, 15, 16, 17, 31, 33, 100]


def leaf(number: int) -> bytes:
    return DirectoryLeaf(
        quote_digest=number.to_bytes(32, "big"),
        binding=bytes(64),
        node_key_ids=(number.to_bytes(32, "big"),),
        machine=bytes(32),
    ).encode()


def listing(size: int) -> list[bytes]:
    return [EMPTY_LEAF if number % 7 == 3 else leaf(number) for number in range(size)]


def document(directory_leaves: list[bytes], number: int, **changes: object) -> bytes:
    start, size = 16 * number, len(directory_leaves)
    end = min(start + 16, size)
    hashes = [merkle.leaf_hash(one) for one in directory_leaves]
    proof = prover.subtree_consistency_proof(start, end, size, prover.memory_reader(hashes))
    found: dict[str, object] = {
        "version": 1,
        "sequence": 2,
        "model": directory.model_id("demo"),
        "shard": number,
        "size": size,
        "leaves": [strict_json.b64encode(one) for one in directory_leaves[start:end]],
        "proof": [strict_json.b64encode(one) for one in proof],
    }
    return strict_json.dumps(found | changes)


def root_of(leaves: list[bytes]) -> bytes:
    return merkle.tree_root([merkle.leaf_hash(one) for one in leaves])


@pytest.mark.parametrize("size", SIZES)
def test_every_shard_of_a_directory_verifies(size: int):
    leaves = listing(size)
    for number in range(directory.shard_count(size)):
        shard = directory.verify_shard(
            document(leaves, number), model="demo", number=number, size=size, root=root_of(leaves)
        )
        expected = [DirectoryLeaf.parse(one) for one in leaves[16 * number : 16 * number + 16]]
        assert list(shard.leaves) == expected


def test_a_changed_leaf_is_refused():
    leaves = listing(40)
    changed = strict_json.b64encode(leaf(99))
    good = strict_json.parse_object(document(leaves, 1), limit=10**6, name="x")
    texts = good.texts("leaves", limit=16)
    data = document(leaves, 1, leaves=[changed, *texts[1:]])
    with pytest.raises(MalformedDirectoryError, match="not part of the logged directory"):
        directory.verify_shard(data, model="demo", number=1, size=40, root=root_of(leaves))


@pytest.mark.parametrize(
    ("model", "number", "size"), [("other", 1, 40), ("demo", 2, 40), ("demo", 1, 41)]
)
def test_another_shard_than_asked_for_is_refused(model: str, number: int, size: int):
    leaves = listing(40)
    with pytest.raises(MalformedDirectoryError):
        directory.verify_shard(
            document(leaves, 1), model=model, number=number, size=size, root=root_of(leaves)
        )


def test_a_missing_leaf_is_refused():
    leaves = listing(40)
    good = strict_json.parse_object(document(leaves, 1), limit=10**6, name="x")
    texts = good.texts("leaves", limit=16)
    with pytest.raises(MalformedDirectoryError, match="another shard"):
        directory.verify_shard(
            document(leaves, 1, leaves=texts[:-1]),
            model="demo", number=1, size=40, root=root_of(leaves),
        )  # fmt: skip


@given(st.binary(max_size=300))
def test_any_bytes_are_a_hint_or_refused(data: bytes):
    try:
        directory.parse_hint(data)
    except MalformedDirectoryError:
        pass


@given(st.binary(max_size=300))
def test_any_bytes_are_a_shard_or_refused(data: bytes):
    with pytest.raises(MalformedDirectoryError):
        directory.verify_shard(data, model="demo", number=0, size=1, root=bytes(32))


@given(st.binary(max_size=600))
def test_any_bytes_are_a_leaf_or_refused(data: bytes):
    try:
        found = DirectoryLeaf.parse(data)
    except ValueError:
        return
    assert (EMPTY_LEAF if found is None else found.encode()) == data

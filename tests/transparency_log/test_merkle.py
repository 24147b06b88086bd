import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transparency_log import merkle, prover
from transparency_log.errors import InconsistentError, NotIncludedError

LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(70)]
READ = prover.memory_reader(LEAVES)


def root(size: int) -> bytes:
    return merkle.tree_root(LEAVES[:size])


def recursive_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962, as an oracle."""
    if len(leaves) == 1:
        return leaves[0]
    split = prover.split_point(len(leaves))
    return merkle.node_hash(recursive_root(leaves[:split]), recursive_root(leaves[split:]))


def test_root_is_the_recursive_definition() -> None:
    assert all(root(size) == recursive_root(LEAVES[:size]) for size in range(1, 70))
    assert root(0) == merkle.EMPTY_ROOT


def test_every_inclusion_proof_of_small_trees_holds_and_only_there() -> None:
    for size in range(1, 20):
        for index in range(size):
            proof = prover.inclusion_proof(index, size, READ)
            merkle.verify_inclusion(
                index=index, size=size, leaf=LEAVES[index], proof=proof, root=root(size)
            )
            for other in range(size):
                if other != index:
                    with pytest.raises(NotIncludedError):
                        merkle.verify_inclusion(
                            index=other, size=size, leaf=LEAVES[index], proof=proof, root=root(size)
                        )


def test_every_consistency_proof_of_small_trees_holds() -> None:
    for size in range(1, 34):
        for old in range(1, size + 1):
            proof = prover.consistency_proof(old, size, READ)
            merkle.verify_consistency(
                old_size=old, old_root=root(old), size=size, root=root(size), proof=proof
            )


@settings(max_examples=200)
@given(st.data())
def test_no_other_proof_holds(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 70))
    old = data.draw(st.integers(1, size - 1))
    proof = prover.consistency_proof(old, size, READ)
    change = data.draw(st.sampled_from(["drop", "add", "flip", "first", "old", "root"]))
    old_root, new_root = root(old), root(size)
    position = data.draw(st.integers(0, len(proof) - 1))
    match change:
        case "drop":
            del proof[position]
        case "add":
            proof.insert(position, data.draw(st.sampled_from([*LEAVES, old_root, new_root])))
        case "flip":
            proof[position] = bytes([proof[position][0] ^ 1]) + proof[position][1:]
        case "first":
            proof.append(LEAVES[0])
        case "old":
            old_root = merkle.leaf_hash(old_root)
        case _:
            new_root = merkle.leaf_hash(new_root)
    with pytest.raises(InconsistentError):
        merkle.verify_consistency(
            old_size=old, old_root=old_root, size=size, root=new_root, proof=proof
        )


@settings(max_examples=200)
@given(st.integers(0, 2**64), st.integers(0, 2**64), st.lists(st.binary(max_size=33), max_size=70))
def test_any_sizes_and_hashes_end_in_the_own_error(
    index: int, size: int, proof: list[bytes]
) -> None:
    with pytest.raises(NotIncludedError):
        merkle.verify_inclusion(
            index=index, size=size, leaf=bytes(32), proof=proof, root=bytes(range(32))
        )
    with pytest.raises(InconsistentError):
        merkle.verify_subtree_consistency(
            start=index, end=size, size=size, subtree_root=bytes(32), root=b"", proof=proof
        )


def test_consistency_proof_holds_for_its_sizes_alone() -> None:
    proof = prover.consistency_proof(4, 8, READ)
    for old, size in ((4, 16), (4, 9), (2, 8), (3, 8), (5, 8)):
        with pytest.raises(InconsistentError):
            merkle.verify_consistency(
                old_size=old, old_root=root(4), size=size, root=root(8), proof=proof
            )


def test_nothing_is_consistent_with_an_empty_tree() -> None:
    with pytest.raises(InconsistentError):
        merkle.verify_consistency(
            old_size=0, old_root=merkle.EMPTY_ROOT, size=5, root=root(5), proof=[]
        )


def test_refuses_ranges_that_are_no_subtrees() -> None:
    assert not merkle.is_subtree(1, 3)
    assert not merkle.is_subtree(4, 12)
    assert not merkle.is_subtree(-1, 0)
    assert merkle.is_subtree(4, 7)
    with pytest.raises(InconsistentError):
        prover.range_root(1, 3, READ)
    with pytest.raises(NotIncludedError):
        prover.subtree_inclusion_proof(2, 1, 3, READ)
    with pytest.raises(InconsistentError):
        prover.subtree_consistency_proof(0, 9, 8, READ)


@pytest.mark.parametrize("size", [1, 5, 16, 33, 70])
def test_shards_of_a_directory_prove_their_subtree(size: int) -> None:
    for start in range(0, size, 16):
        end = min(start + 16, size)
        proof = prover.subtree_consistency_proof(start, end, size, READ)
        part = merkle.tree_root(LEAVES[start:end])
        merkle.verify_subtree_consistency(
            start=start, end=end, size=size, subtree_root=part, root=root(size), proof=proof
        )
        assert len(proof) <= 7
        with pytest.raises(InconsistentError):
            merkle.verify_subtree_consistency(
                start=start, end=end, size=size, subtree_root=part, root=bytes(32), proof=proof
            )
        wrong = merkle.tree_root([bytes(32), *LEAVES[start + 1 : end]])
        with pytest.raises(InconsistentError):
            merkle.verify_subtree_consistency(
                start=start, end=end, size=size, subtree_root=wrong, root=root(size), proof=proof
            )


def test_two_subtrees_cover_any_range() -> None:
    for end in range(70):
        for start in range(end + 1):
            (left, middle), (begin, right) = prover.covering_subtrees(start, end)
            assert left <= start
            assert (middle, right) == (begin, end)
            assert merkle.is_subtree(left, middle)
            assert merkle.is_subtree(begin, right)

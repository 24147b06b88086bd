"""Making proofs, from anything that can give the hashes of full subtrees.

`HashReader` is the seam: a list of leaf hashes (`memory_reader`), the tiles of a log (`tile`), or a
directory. The algorithms are the recursive definitions of RFC 6962 section 2.1 and of
draft-ietf-plants-merkle-tree-certs section 4; `merkle` verifies what they make.
"""

from collections.abc import Callable, Sequence

from transparency_log.errors import InconsistentError, NotIncludedError
from transparency_log.merkle import EMPTY_ROOT, is_subtree, node_hash, tree_root

HashReader = Callable[[int, int], bytes]
"""Called (level, index), gives the hash of [index·2^level, (index + 1)·2^level), a full subtree."""


def memory_reader(leaf_hashes: Sequence[bytes]) -> HashReader:
    """Read from a list of leaf hashes."""

    def read(level: int, index: int) -> bytes:
        return tree_root(leaf_hashes[index << level : (index + 1) << level])

    return read


def split_point(size: int) -> int:
    """Give the largest power of two below `size` (at least 2): where a tree splits."""
    return 1 << ((size - 1).bit_length() - 1)


def range_root(start: int, end: int, read: HashReader) -> bytes:
    """Hash the subtree [start, end).

    Raises:
        InconsistentError: not a subtree.
    """
    if not is_subtree(start, end):
        raise InconsistentError(f"[{start}, {end}) is not a subtree")
    size = end - start
    if size == 0:
        return EMPTY_ROOT
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return read(level, start >> level)
    middle = start + split_point(size)
    return node_hash(range_root(start, middle, read), range_root(middle, end, read))


def inclusion_proof(index: int, size: int, read: HashReader) -> list[bytes]:
    """Prove that leaf `index` is in the tree of `size`, leaf's sibling first.

    Raises:
        NotIncludedError: there is no such leaf.
    """
    return subtree_inclusion_proof(index, 0, size, read)


def subtree_inclusion_proof(index: int, start: int, end: int, read: HashReader) -> list[bytes]:
    """Prove that leaf `index` is in the subtree [start, end).

    Raises:
        NotIncludedError: not a subtree, or the leaf is not in it.
    """
    if not is_subtree(start, end) or not start <= index < end:
        raise NotIncludedError(f"index {index} is not in a subtree [{start}, {end})")
    proof = []
    while end - start > 1:
        middle = start + split_point(end - start)
        if index < middle:
            proof.append(range_root(middle, end, read))
            end = middle
        else:
            proof.append(range_root(start, middle, read))
            start = middle
    return proof[::-1]


def consistency_proof(old_size: int, size: int, read: HashReader) -> list[bytes]:
    """Prove that the tree of `size` extends the tree of `old_size`; empty from an empty tree.

    Raises:
        InconsistentError: the old size is larger.
    """
    return subtree_consistency_proof(0, old_size, size, read)


def subtree_consistency_proof(start: int, end: int, size: int, read: HashReader) -> list[bytes]:
    """Prove that [start, end) is a subtree of the tree of `size`.

    Raises:
        InconsistentError: it is not one.
    """
    if not is_subtree(start, end) or end > size:
        raise InconsistentError(f"[{start}, {end}) is not a subtree of a tree of {size}")
    if start == end:
        return []
    proof = []
    low, high = 0, size
    whole = True  # the verifier knows the hash of what is left, because it is the whole subtree
    while (start, end) != (low, high):
        middle = low + split_point(high - low)
        if end <= middle:
            proof.append(range_root(middle, high, read))
            high = middle
        elif start >= middle:
            proof.append(range_root(low, middle, read))
            low = middle
        else:  # the subtree begins with this tree and reaches over its middle
            proof.append(range_root(low, middle, read))
            low = start = middle
            whole = False
    if not whole:
        proof.append(range_root(low, high, read))
    return proof[::-1]


def covering_subtrees(start: int, end: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Give two neighbouring subtrees that cover [start, end) with as little else as possible.

    The second ends at `end`; the first may begin before `start`. A range of one leaf, and an empty
    one, need only the first: the second is then empty.
    """
    if end - start <= 1:
        return (start, end), (end, end)
    last = end - 1
    mask = (1 << ((start ^ last).bit_length() - 1)) - 1
    middle = last & ~mask
    left = start & ~((1 << (~start & mask).bit_length()) - 1)
    return (left, middle), (middle, end)

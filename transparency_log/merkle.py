"""Merkle trees over SHA-256: hashes and the verification of proofs.

RFC 6962 section 2.1 and RFC 9162 section 2.1; subtrees as in draft-ietf-plants-merkle-tree-certs,
section 4. A whole tree is the subtree that starts at 0, so one algorithm serves both. Sizes and
roots come from a verified checkpoint or directory root, never from the one who brings the proof.

Theory of operation. A proof is read from the leaf upwards, with the positions of the part to prove
(`fn` its first, `sn` its last leaf) and of the last leaf of the tree (`tn`) shifted one level per
step. A right child, or the last node of its level, is joined with a hash on its left; a left
child with one on its right; a last node without a sibling rises until it is a right child. The
proof holds if it ends exactly at the root with the expected hash. `prover` makes proofs.
"""

import hashlib
import hmac
from collections.abc import Sequence

from transparency_log.errors import InconsistentError, NotIncludedError

HASH_SIZE = 32
"""Bytes of every hash."""

MAX_PROOF = 64
"""Hashes in a proof: one per level of the largest tree, and one for a consistency proof's start."""

MAX_TREE = 2**64
"""No tree is larger: sizes are 64-bit."""

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of the tree without leaves."""


def leaf_hash(data: bytes) -> bytes:
    """Hash a leaf: SHA-256(0x00 ‖ data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two children: SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Hash a whole tree from its leaf hashes, MTH of RFC 6962 section 2.1."""
    if not leaf_hashes:
        return EMPTY_ROOT
    peaks = subtree_peaks(leaf_hashes)
    root = peaks.pop()
    while peaks:
        root = node_hash(peaks.pop(), root)
    return root


def subtree_peaks(leaf_hashes: Sequence[bytes]) -> list[bytes]:
    """Hash leaves into the largest full subtrees, from the left: one for each bit of their number.

    Works on a stack of full subtrees, so that a long list needs no recursion.
    """
    stack: list[bytes] = []
    for count, leaf in enumerate(leaf_hashes, start=1):
        stack.append(leaf)
        for _ in range((count & -count).bit_length() - 1):
            right = stack.pop()
            stack.append(node_hash(stack.pop(), right))
    return stack


def is_subtree(start: int, end: int) -> bool:
    """Say whether [start, end) is a subtree: start is a multiple of end - start, rounded up to 2^n.

    An empty range is a subtree wherever it starts.
    """
    if not 0 <= start <= end < MAX_TREE:
        return False
    return end == start or start % (1 << (end - start - 1).bit_length()) == 0


def verify_inclusion(
    *, index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that the leaf hash stands at `index` of the tree of `size` (RFC 9162 section 2.1.3.2).

    Raises:
        NotIncludedError: the proof does not hold.
    """
    verify_subtree_inclusion(index=index, start=0, end=size, leaf=leaf, proof=proof, root=root)


def verify_subtree_inclusion(
    *, index: int, start: int, end: int, leaf: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that the leaf hash stands at `index` of the tree, within the subtree [start, end).

    `root` is the subtree's hash. The proof is that of leaf index - start in a tree of its own.

    Raises:
        NotIncludedError: not a subtree, not in it, or the proof does not hold.
    """
    if not is_subtree(start, end) or not start <= index < end:
        raise NotIncludedError(f"index {index} is not in a subtree [{start}, {end})")
    if not _well_formed(leaf, root, proof):
        raise NotIncludedError("a hash has the wrong length, or the proof is too long")
    position, last = index - start, end - start - 1
    found = leaf
    for sibling in proof:
        if last == 0:
            raise NotIncludedError("inclusion proof is too long")
        if position & 1 or position == last:
            found = node_hash(sibling, found)
            while not position & 1:  # rise to where it is a right child
                position, last = position >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        position, last = position >> 1, last >> 1
    if last != 0 or not hmac.compare_digest(found, root):
        raise NotIncludedError("inclusion proof does not lead to the root")


def verify_consistency(
    *, old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of `size` extends the tree of `old_size` (RFC 9162 section 2.1.4.2).

    An old size of 0 is refused: nothing can be proved about an empty tree, and a caller that has
    seen none must say so in its own code.

    Raises:
        InconsistentError: the proof does not hold.
    """
    if old_size == 0:
        raise InconsistentError("there is no consistency proof from an empty tree")
    verify_subtree_consistency(
        start=0, end=old_size, size=size, subtree_root=old_root, root=root, proof=proof
    )


def verify_subtree_consistency(
    *, start: int, end: int, size: int, subtree_root: bytes, root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that [start, end) with its hash is a subtree of the tree of `size` with its root.

    The empty subtree belongs to every tree, with an empty proof and the empty root.

    Raises:
        InconsistentError: not a subtree of that tree, or the proof does not hold.
    """
    if not is_subtree(start, end) or not end <= size < MAX_TREE:
        raise InconsistentError(f"[{start}, {end}) is not a subtree of a tree of {size}")
    if start == end:
        if proof or subtree_root != EMPTY_ROOT:
            raise InconsistentError("the empty subtree has the empty root and an empty proof")
        return
    if proof and not _well_formed(subtree_root, root, proof):  # with none, nothing is hashed
        raise InconsistentError("a hash has the wrong length, or the proof is too long")
    _verify_consistency(start, end - 1, size - 1, subtree_root, root, proof)


def _verify_consistency(
    fn: int, sn: int, tn: int, subtree_root: bytes, root: bytes, proof: Sequence[bytes]
) -> None:
    """Rebuild both roots from the first node they share; `fn`, `sn`, `tn` as in the module text."""
    while fn != sn and (sn == tn or sn & 1):
        fn, sn, tn = fn >> 1, sn >> 1, tn >> 1
    if fn == sn:  # the subtree is one node: the proof starts from it
        part = whole = subtree_root
        rest = list(proof)
    else:
        if not proof:
            raise InconsistentError("consistency proof is empty")
        part = whole = proof[0]
        rest = list(proof[1:])
    for sibling in rest:
        if tn == 0:
            raise InconsistentError("consistency proof is too long")
        if sn & 1 or sn == tn:
            if fn < sn:
                part = node_hash(sibling, part)
            whole = node_hash(sibling, whole)
            while not sn & 1:
                fn, sn, tn = fn >> 1, sn >> 1, tn >> 1
        else:
            whole = node_hash(whole, sibling)
        fn, sn, tn = fn >> 1, sn >> 1, tn >> 1
    if tn != 0:
        raise InconsistentError("consistency proof is too short")
    if not (hmac.compare_digest(part, subtree_root) and hmac.compare_digest(whole, root)):
        raise InconsistentError("consistency proof does not lead to both roots")


def _well_formed(first: bytes, second: bytes, proof: Sequence[bytes]) -> bool:
    hashes = (first, second, *proof)
    return len(proof) <= MAX_PROOF and all(len(value) == HASH_SIZE for value in hashes)

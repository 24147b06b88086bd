"""Merkle trees: roots, inclusion and consistency proofs, and those of subtrees (format 3.10)."""

import functools
import hashlib
from base64 import b64decode
from collections.abc import Callable, Iterator

from tests.conformance.standard_cases.contract import (
    CaseFile,
    MismatchError,
    RowData,
    listed,
    require_equal,
    require_expect,
    require_keys,
    require_refusal,
    unhex,
)
from transparency_log import merkle, prover
from transparency_log.errors import UntrustedError

TREE = 130
"""Leaves of the tree that the digests are made over."""


def case_file(name: str) -> CaseFile | None:
    """Give the reader of one case file."""
    return FILES.get(name)


def _inclusion(row: RowData) -> None:
    require_keys(row, "leafIdx", "treeSize", "root", "leafHash", "proof")
    _verdict(
        row,
        lambda: merkle.verify_inclusion(
            index=row["leafIdx"],
            size=row["treeSize"],
            leaf=b64decode(row["leafHash"]),
            proof=_proof(row),
            root=b64decode(row["root"]),
        ),
    )


def _consistency(row: RowData) -> None:
    require_keys(row, "size1", "size2", "root1", "root2", "proof")
    _verdict(
        row,
        lambda: merkle.verify_consistency(
            old_size=row["size1"],
            old_root=b64decode(row["root1"]),
            size=row["size2"],
            root=b64decode(row["root2"]),
            proof=_proof(row),
        ),
    )


def _subtree_inclusion(row: RowData) -> None:
    require_keys(row, "leafIdx", "start", "end", "root", "leafHash", "proof")
    _verdict(
        row,
        lambda: merkle.verify_subtree_inclusion(
            index=row["leafIdx"],
            start=row["start"],
            end=row["end"],
            leaf=b64decode(row["leafHash"]),
            proof=_proof(row),
            root=b64decode(row["root"]),
        ),
    )


def _subtree_consistency(row: RowData) -> None:
    require_keys(row, "start", "end", "size", "root1", "root2", "proof")
    _verdict(
        row,
        lambda: merkle.verify_subtree_consistency(
            start=row["start"],
            end=row["end"],
            size=row["size"],
            subtree_root=b64decode(row["root1"]),
            root=b64decode(row["root2"]),
            proof=_proof(row),
        ),
    )


def _proof(row: RowData) -> list[bytes]:
    return [b64decode(value) for value in row["proof"] or []]


def _verdict(row: RowData, verify: Callable[[], None]) -> None:
    if require_expect(row, "valid", "invalid") == "valid":
        verify()
    else:
        require_refusal(UntrustedError, "proof", verify)


def _reference(row: RowData) -> None:
    if "sha256_of_lines" in row:
        _digests(row)
        return
    require_keys(row, "leaf_inputs", "root_hashes_by_size", "node_hashes", "empty_leaf_hash")
    leaves = [merkle.leaf_hash(unhex(leaf)) for leaf in row["leaf_inputs"]]
    require_equal("empty leaf", row["empty_leaf_hash"], merkle.leaf_hash(b"").hex())
    roots = [merkle.tree_root(leaves[:size]).hex() for size in range(len(leaves) + 1)]
    require_equal("roots", row["root_hashes_by_size"], roots)
    read = prover.memory_reader(leaves)
    for level, expected in enumerate(row["node_hashes"]):
        found = [read(level, index).hex() for index in range(len(leaves) >> level)]
        require_equal(f"level {level}", expected, found)


def _digests(row: RowData) -> None:
    """Compare digests over every subtree, proof and covering of small trees, as described."""
    for description, expected in row["sha256_of_lines"].items():
        found = hashlib.sha256()
        for line in _lines(description.split(":")[0]):
            found.update(line.encode())
        require_equal(description, expected, found.hexdigest())


def _lines(what: str) -> Iterator[str]:
    """Give the lines of one digest over a tree whose leaf i is the single byte i."""
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(TREE)]
    read = functools.cache(prover.memory_reader(leaves))
    ranges = [(start, end) for end in range(TREE + 1) for start in range(end + 1)]
    subtrees = [(start, end) for start, end in ranges if merkle.is_subtree(start, end)]
    match what:
        case "find subtrees":
            for start, end in ranges:
                (left, middle), (_, right) = prover.covering_subtrees(start, end)
                yield f"[{left}, {middle}) [{middle}, {right})\n"
        case "subtree hashes":
            for start, end in subtrees:
                yield f"[{start}, {end}) {prover.range_root(start, end, read).hex()}\n"
        case "subtree inclusion proofs":
            for start, end in subtrees:
                for index in range(start, end):
                    proof = prover.subtree_inclusion_proof(index, start, end, read)
                    yield _line(f"{index} [{start}, {end})", proof)
        case "subtree consistency proofs":
            for size in range(TREE + 1):
                for start, end in subtrees:
                    if end <= size:
                        proof = prover.subtree_consistency_proof(start, end, size, read)
                        yield _line(f"[{start}, {end}) {size}", proof)
        case _:
            raise MismatchError(f"unknown digest {what!r}")


def _line(head: str, proof: list[bytes]) -> str:
    return "".join([head, *(f" {value.hex()}" for value in proof), "\n"])


FILES = {
    "consistency.json": listed(_consistency),
    "inclusion.json": listed(_inclusion),
    "reference-tree.json": listed(_reference),
    "subtreeconsistency.json": listed(_subtree_consistency),
    "subtreeinclusion.json": listed(_subtree_inclusion),
}

"""What a client fetches and proves of a directory of N nodes: its shard, or all of it.

    shard   the document that the publisher serves, parsed and proved by `openpcc.directory`
    whole   the plain way, in the same run: every leaf, hashed to the root

Directories are real, of leaves as the publisher writes them; the times are processor time.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench import harness
from gateway.directory import Directory
from openpcc import directory
from openpcc.protocol.messages import SHARD, DirectoryLeaf
from openpcc.protocol.sealing import model_id
from transparency_log import merkle, strict_json

AT_ONCE = 20
"""Shards proved in one measured call."""


@dataclass(frozen=True, kw_only=True)
class Client:
    """What one way costs a client: bytes of the answer, hashes of the proof, processor time."""

    size: int
    hashes: int
    seconds: list[float]


def listed(nodes: int) -> Directory:
    """Make a directory of nodes with one key each."""
    leaves = []
    for number in range(nodes):
        digest = hashlib.sha512(number.to_bytes(8, "big")).digest()
        leaf = DirectoryLeaf(
            quote_digest=digest[:32],
            binding=digest,
            node_key_ids=(digest[32:],),
            machine=hashlib.sha256(digest).digest(),
        )
        leaves.append(leaf.encode())
    return Directory(model_id=model_id("demo"), leaves=tuple(leaves))


def whole(found: Directory) -> bytes:
    """Write all leaves, as a shard document would."""
    return strict_json.dumps({"leaves": [strict_json.b64encode(one) for one in found.leaves]})


def read_whole(data: bytes, root: bytes) -> int:
    """Read and prove all leaves; give how many there are."""
    members = strict_json.parse_object(data, limit=2**30, name="directory")
    leaves = [
        strict_json.b64decode(one) for one in members.texts("leaves", limit=2**20, length=600)
    ]
    members.end()
    if merkle.tree_root([merkle.leaf_hash(leaf) for leaf in leaves]) != root:
        raise ValueError("another directory")
    return sum(DirectoryLeaf.parse(leaf) is not None for leaf in leaves)


def measure(counts: tuple[int, ...], *, rounds: int) -> dict[int, tuple[Client, Client]]:
    """Measure both ways for directories of so many nodes, in turns: (shard, whole)."""
    directories = {count: listed(count) for count in counts}
    documents = {count: _documents(one) for count, one in directories.items()}
    wholes = {count: whole(one) for count, one in directories.items()}
    ways: dict[str, Callable[[], float]] = {}
    for count, one in directories.items():
        ways[f"shard {count}"] = _timed(_prove(one, documents[count]), AT_ONCE)
        ways[f"whole {count}"] = _timed(_read(wholes[count], one.root), 1)
    samples = harness.interleave(ways, rounds=rounds, warm_up=1)
    return {
        count: (
            Client(
                size=max(map(len, documents[count])),
                hashes=max(len(directory.parse_shard(one).proof) for one in documents[count]),
                seconds=samples[f"shard {count}"],
            ),
            Client(size=len(wholes[count]), hashes=0, seconds=samples[f"whole {count}"]),
        )
        for count in counts
    }


def _documents(found: Directory) -> list[bytes]:
    """Write shards from all over a directory, the first and the last among them."""
    count = directory.shard_count(found.size)
    numbers = [round(at * (count - 1) / (AT_ONCE - 1)) for at in range(AT_ONCE)]
    documents = [found.shard(number, sequence=0) for number in numbers]
    return [one for one in documents if one is not None]


def _prove(found: Directory, documents: list[bytes]) -> Callable[[], None]:
    numbers = [directory.parse_shard(one).number for one in documents]

    def run() -> None:
        for number, data in zip(numbers, documents, strict=True):
            shard = directory.verify_shard(
                data, model="demo", number=number, size=found.size, root=found.root
            )
            assert len(shard.leaves) <= SHARD

    return run


def _read(data: bytes, root: bytes) -> Callable[[], None]:
    def run() -> None:
        read_whole(data, root)

    return run


def _timed(way: Callable[[], None], times: int) -> Callable[[], float]:
    """Make a call that gives the processor time of one of `times` things done by it."""

    def run() -> float:
        began = time.process_time()
        way()
        return (time.process_time() - began) / times

    return run

"""The node directory of a model: which leaf stands where, its root, and its shards (7.2).

Pure. Who stands where, `slots` decides. A position that nobody has is an empty leaf.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from gateway.slots import Slots, Tenant
from openpcc.protocol.messages import EMPTY_LEAF, SHARD
from transparency_log.merkle import leaf_hash, node_hash
from transparency_log.prover import range_root, subtree_consistency_proof
from transparency_log.strict_json import b64encode, dumps


@dataclass(frozen=True, kw_only=True)
class Directory:
    """The leaves of one model in their positions."""

    model_id: bytes
    leaves: tuple[bytes, ...]

    @classmethod
    def build(cls, model_id: bytes, slots: Slots, leaves: Mapping[Tenant, bytes]) -> "Directory":
        """Fill the slots with the nodes' leaves."""
        filled = (EMPTY_LEAF if one is None else leaves[one] for one in slots)
        return cls(model_id=model_id, leaves=tuple(filled))

    @property
    def size(self) -> int:
        """Give the number of leaves, empty ones included."""
        return len(self.leaves)

    @cached_property
    def root(self) -> bytes:
        """The root that the service entry commits to."""
        return range_root(0, self.size, self._read)

    def shard(self, number: int, *, sequence: int) -> bytes | None:
        """Write the document of one shard, with the proof that it belongs to the root.

        None means that there is no such shard.
        """
        start = SHARD * number
        end = min(start + SHARD, self.size)
        if start >= end:
            return None
        proof = subtree_consistency_proof(start, end, self.size, self._read)
        return dumps(
            {
                "version": 1,
                "sequence": sequence,
                "model": self.model_id.hex(),
                "shard": number,
                "size": self.size,
                "leaves": [b64encode(leaf) for leaf in self.leaves[start:end]],
                "proof": [b64encode(one) for one in proof],
            }
        )

    def _read(self, level: int, index: int) -> bytes:
        return self._levels[level][index]

    @cached_property
    def _levels(self) -> tuple[Sequence[bytes], ...]:
        """Hashes of all full subtrees, level by level, so that a proof costs log n hashes."""
        levels = [[leaf_hash(leaf) for leaf in self.leaves]]
        while len(levels[-1]) > 1:
            below = levels[-1]
            levels.append(
                [node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)]
            )
        return tuple(levels)

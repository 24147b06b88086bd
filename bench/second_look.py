"""A second look at a bundle whose judgement is kept, as `Lookup` does in a directory window."""

from collections.abc import Callable
from typing import Any

from openpcc import trust
from openpcc.judging import Judgement
from openpcc.protocol.messages import DirectoryLeaf
from openpcc.shard_judging import ShardJudge, Sources
from tests.fakes.world import NOW


def kept(
    leaf: DirectoryLeaf, view: trust.LogView, data: bytes, node: trust.TrustedNode
) -> Callable[[], None]:
    """Make the second look: the lookup's own decision, with the first judgement in its memory."""
    nothing: Any = None  # nothing is fetched and no state is read while the judgement stands
    shards = ShardJudge(nothing, nothing)
    sources = Sources(files=nothing, log=nothing, view=view, now=NOW + 60)
    judgement = Judgement(
        leaf=leaf, node=node, report=node.report, bundle=data, status=view.status.payload_digest
    )
    shards.keep(judgement)

    def look() -> None:
        assert shards.node(leaf, sources) is judgement

    return look

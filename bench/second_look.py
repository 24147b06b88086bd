"""A second look at a bundle whose judgement is kept, as `Lookup` does in a directory window."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from openpcc import trust
from openpcc.judging import Judgement
from openpcc.lookup import Lookup
from openpcc.protocol.messages import DirectoryLeaf
from tests.fakes.world import NOW


def kept(
    leaf: DirectoryLeaf, view: trust.LogView, data: bytes, node: trust.TrustedNode
) -> Callable[[], None]:
    """Make the second look: the lookup's own decision, with the first judgement in its memory."""
    nothing: Any = None  # nothing is fetched and no state is read while the judgement stands
    lookup = Lookup(nothing_but_a_policy(), nothing, nothing)
    judgement = Judgement(
        leaf=leaf, node=node, report=node.report, bundle=data, status=view.status.payload_digest
    )
    lookup._kept[leaf.leaf_hash()] = judgement

    def look() -> None:
        assert lookup._judge(nothing, nothing, leaf, view, NOW + 60) is judgement

    return look


def nothing_but_a_policy() -> Any:
    """Stand in for a configuration of which a kept judgement needs nothing."""
    return SimpleNamespace(policy=None)

"""A directory over many windows of nodes that come, go and move, as clients would judge it."""

import random
from collections.abc import Iterable

from gateway.evidence import Evidence
from gateway.places import Place
from gateway.slots import Slots
from gateway.window import Listing
from openpcc.protocol.messages import EMPTY_LEAF, SHARD, DirectoryLeaf
from transparency_log.merkle import leaf_hash, tree_root

START = 1_800_000_000


def evidence(machine: int, place: str) -> Evidence:
    name = machine.to_bytes(32, "big")
    leaf = DirectoryLeaf(
        quote_digest=bytes(32), binding=bytes(64), node_key_ids=(name,), machine=name
    )
    return Evidence(
        place=Place(name=place, url=place), bundle=b"", leaf=leaf, models=("demo",), not_after=0
    )


def listing(machines: Iterable[int], slots: Slots, chance: random.Random) -> Listing:
    """List machines at addresses that change all the time."""
    shown = [evidence(one, f"http://{one}-{chance.randrange(3)}") for one in machines]
    chance.shuffle(shown)
    return Listing.of(shown, {"demo": slots}, not_before=START)


def positions(found: Listing) -> dict[bytes, int]:
    slots = found.slots["demo"]
    return {one.machine: at for at, one in enumerate(slots) if one is not None}


def refused(leaves: tuple[bytes, ...]) -> int:
    """Count the shards that clients refuse for their empty places."""
    if len(leaves) <= SHARD:
        return 0
    shards = [leaves[at : at + SHARD] for at in range(0, len(leaves), SHARD)]
    return sum(4 * shard.count(EMPTY_LEAF) > len(shard) for shard in shards)


def test_a_directory_that_shrinks_is_whole_again_after_a_window() -> None:
    chance = random.Random(5)
    machines = set(range(1, 401))
    found = listing(machines, (), chance)
    assert len(found.directories["demo"].leaves) == 400
    while len(machines) > 20:
        machines = set(chance.sample(sorted(machines), len(machines) * 2 // 3))
        for _ in range(2):
            before, found = positions(found), listing(machines, found.slots["demo"], chance)
            after = positions(found)
            assert all(after[one] == before[one] for one in before.keys() & after.keys())
        assert refused(found.directories["demo"].leaves) == 0
        assert len(positions(found)) == len(machines)
        assert positions(found) == positions(listing(machines, found.slots["demo"], chance))


def test_what_is_committed_is_what_stands_in_the_positions() -> None:
    chance = random.Random(6)
    found = listing(range(1, 50), (), chance)
    found = listing(range(1, 50, 2), found.slots["demo"], chance)
    directory = found.directories["demo"]
    (committed,) = found.served_models()
    assert committed.directory.size == len(directory.leaves) == len(found.slots["demo"])
    assert committed.directory.root == tree_root([leaf_hash(one) for one in directory.leaves])
    for slot, leaf in zip(found.slots["demo"], directory.leaves, strict=True):
        read = DirectoryLeaf.parse(leaf)
        assert (read is None) == (slot is None)
        assert read is None or slot is None or read.machine == slot.machine

from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from transparency_log.merkle import leaf_hash, tree_root
from transparency_log.prover import memory_reader
from transparency_log.server.edge import RightEdge
from transparency_log.tile import TILE_WIDTH, TilePath, new_tiles

LEAVES = [leaf_hash(number.to_bytes(3, "big")) for number in range(TILE_WIDTH**2 + 700)]
SIZES = st.sampled_from([0, 1, 2, 255, 256, 257, 511, 512, 513, 600, 65535, 65536, 65537, 66000])


def tile(path: TilePath) -> bytes:
    """Compute a tile from all leaves, as its definition has it."""
    read = memory_reader(LEAVES)
    first = path.index * TILE_WIDTH
    return b"".join(read(8 * (path.level or 0), first + offset) for offset in range(path.width))


def test_empty_tree() -> None:
    assert RightEdge(0, []).root() == tree_root([])
    assert RightEdge(0, []).append([]) == []


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 300), max_size=5))
def test_every_step_gives_root_and_tiles_of_the_definition(steps: list[int]) -> None:
    edge = RightEdge(0, [])
    for old, size in zip([0, *accumulate(steps)], accumulate(steps), strict=False):
        files = edge.append(LEAVES[old:size])
        assert edge.size == size
        assert edge.root() == tree_root(LEAVES[:size])
        expected = {path for path in new_tiles(old, size) if path.level is not None}
        assert {path for path, _ in files} == expected
        assert all(data == tile(path) for path, data in files)


@settings(max_examples=30, deadline=None)
@given(SIZES, st.integers(1, 600))
def test_edge_read_from_tiles_goes_on_like_the_one_that_wrote_them(size: int, more: int) -> None:
    whole = RightEdge(0, [])
    files = dict(whole.append(LEAVES[:size]))
    read = RightEdge.read(size, files.__getitem__)
    assert read.root() == whole.root()
    following = LEAVES[size : size + more]
    assert read.append(following) == whole.append(following)
    assert read.root() == whole.root()

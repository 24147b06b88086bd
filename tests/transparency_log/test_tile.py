import pytest
from hypothesis import given
from hypothesis import strategies as st

from transparency_log import merkle, prover, tile
from transparency_log.errors import MalformedTileError


@given(
    level=st.one_of(st.none(), st.integers(0, 63)),
    index=st.integers(0, 2**63 - 1),
    width=st.integers(1, 256),
)
def test_every_path_reads_back(level: int | None, index: int, width: int) -> None:
    path = tile.TilePath(level=level, index=index, width=width)
    assert tile.parse_path(str(path)) == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tile",
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/0/x000/000",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/entries/\u0660\u0660\u0660",
        "tile/-1/000",
        "tile/0/../000",
        "tile/0/" + "x001/" * 20 + "000",
        "tile/0/x009/x223/x372/x036/x854/x775/808",
    ],
)
def test_refuses_other_spellings_of_paths(text: str) -> None:
    with pytest.raises(MalformedTileError):
        tile.parse_path(text)


@given(st.text(max_size=40))
def test_any_text_gives_a_path_or_the_own_error(text: str) -> None:
    try:
        assert str(tile.parse_path("tile/" + text)) == "tile/" + text
    except MalformedTileError:
        pass


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bundles_read_back(entries: list[bytes]) -> None:
    assert tile.parse_bundle(tile.encode_bundle(entries), len(entries)) == entries


@given(st.binary(max_size=100), st.integers(0, 10))
def test_any_bytes_give_a_bundle_or_the_own_error(data: bytes, width: int) -> None:
    try:
        assert tile.encode_bundle(tile.parse_bundle(data, width)) == data
    except MalformedTileError:
        pass


def test_refuses_entries_and_tiles_of_wrong_length() -> None:
    with pytest.raises(MalformedTileError):
        tile.encode_bundle([bytes(65536)])
    with pytest.raises(MalformedTileError):
        tile.parse_hash_tile(bytes(33), 1)
    with pytest.raises(MalformedTileError):
        tile.parse_bundle(bytes(tile.MAX_BUNDLE + 1), 256)


def test_widths_follow_the_tree_of_70000_entries() -> None:
    paths = [path for path in tile.new_tiles(0, 70_000) if path.level is not None]
    by_level = [[path.width for path in paths if path.level == level] for level in range(4)]
    assert by_level[0] == [256] * 273 + [112]
    assert by_level[1] == [256, 17]
    assert by_level[2] == [1]
    assert by_level[3] == []


@given(st.integers(0, 600), st.integers(0, 600))
def test_new_tiles_are_those_that_the_larger_tree_has_more(old: int, more: int) -> None:
    size = old + more
    before, after = set(tile.new_tiles(0, old)), set(tile.new_tiles(0, size))
    assert after - before == set(tile.new_tiles(old, size))


def test_reader_over_tiles_gives_the_hashes_of_the_tree() -> None:
    size = 600
    leaves = [merkle.leaf_hash(number.to_bytes(2, "big")) for number in range(size)]
    direct = prover.memory_reader(leaves)
    fetched: list[tile.TilePath] = []

    def fetch(path: tile.TilePath) -> bytes:
        fetched.append(path)
        assert path.level is not None
        first = path.index * 256
        return b"".join(direct(8 * path.level, first + i) for i in range(path.width))

    read = tile.tile_reader(size, fetch)
    for level in range(10):
        for index in range(size >> level):
            assert read(level, index) == direct(level, index)
    assert len(fetched) == len(set(fetched))
    assert prover.range_root(0, size, read) == merkle.tree_root(leaves)

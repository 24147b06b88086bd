"""Following a log: whatever is given out is proved, whoever serves the files."""

import hashlib
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transparency_log.memory_log import MemoryLog
from transparency_log import follow as following
from transparency_log.client import LogClient
from transparency_log.errors import InconsistentError, LogError
from transparency_log.follow import Frontier, Stretch, follow
from transparency_log.merkle import leaf_hash, tree_root
from transparency_log.tile import encode_bundle, parse_bundle

SIZE = 3 * 4096 + 700
"""Three whole stretches and a part, whose last bundle is partial."""


def entries(count: int, word: str = "entry") -> list[bytes]:
    return [hashlib.sha256(f"{word} {number}".encode()).digest() for number in range(count)]


def log_of(count: int, word: str = "entry") -> MemoryLog:
    return MemoryLog(entries=entries(count, word))


@dataclass
class Served:
    """The files of a log, one of which a server may have changed."""

    log: MemoryLog
    changed: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __call__(self, path: str, limit: int) -> bytes:
        self.asked.append(path)
        return self.changed.get(path) or self.log.fetch(path, limit)

    def client(self) -> LogClient:
        return LogClient(self.log.policy, self)


@pytest.fixture(scope="module")
def large() -> MemoryLog:
    return log_of(SIZE)


def read(served: Served, frontier: Frontier, size: int | None = None) -> list[Stretch]:
    return list(follow(served.client(), served.log.witnessed(size), frontier))


def test_gives_every_entry_once_in_order(large):
    stretches = read(Served(large), Frontier())
    assert [one.start for one in stretches] == [0, 4096, 8192, 12288]
    assert [entry for one in stretches for entry in one.entries] == large.entries
    assert all(
        one.leaves == tuple(map(leaf_hash, one.entries)) and one.frontier.size <= SIZE
        for one in stretches
    )
    assert stretches[-1].frontier.root == tree_root(large.leaves)


@pytest.mark.parametrize("at", [1, 255, 256, 4096, 5000, SIZE - 1])
def test_goes_on_where_it_stopped(large, at):
    begun = Frontier().extended(large.leaves[:at])
    stretches = read(Served(large), begun)
    assert stretches[0].start == at
    assert [entry for one in stretches for entry in one.entries] == large.entries[at:]


def test_reads_no_entry_twice(large):
    served = Served(large)
    read(served, Frontier())
    bundles = [path for path in served.asked if "entries" in path]
    assert len(bundles) == len(set(bundles)) == -(-SIZE // 256)


def test_nothing_new_is_no_stretch_but_is_proved(large):
    whole = Frontier().extended(large.leaves)
    assert read(Served(large), whole) == []
    other = Frontier().extended([*large.leaves[:-1], bytes(32)])
    with pytest.raises(InconsistentError):
        read(Served(large), other)


def test_refuses_a_log_that_shrank(large):
    begun = Frontier().extended(large.leaves[:5000])
    with pytest.raises(InconsistentError, match="shrank: 5000 entries were read, now it has 4000"):
        read(Served(large), begun, size=4000)


def test_refuses_a_log_that_is_not_the_one_read_before(large):
    begun = Frontier().extended(log_of(5000, "another").leaves)
    with pytest.raises(InconsistentError):
        read(Served(large), begun)


@pytest.mark.parametrize("index", [0, 20, 48])
def test_gives_out_no_entry_of_a_stretch_that_is_not_proved(large, index):
    path = f"tile/entries/{index:03}"
    served = Served(large)
    bundle = parse_bundle(served(path, 2**24), 256)
    swapped = [bundle[1], bundle[0], *bundle[2:]]
    served.changed[path] = encode_bundle(swapped)
    given_out: list[Stretch] = []
    with pytest.raises(InconsistentError):
        given_out.extend(follow(served.client(), large.witnessed(), Frontier()))
    assert sum(len(one.entries) for one in given_out) <= index // 16 * 4096


def test_a_stretch_is_bounded_in_bytes(large, monkeypatch):
    monkeypatch.setattr(following, "MAX_STRETCH", 32 * 256 * 2)
    stretches = read(Served(large), Frontier())
    assert max(len(one.entries) for one in stretches) == 3 * 256
    assert sum(len(one.entries) for one in stretches) == SIZE


def test_refuses_a_frontier_whose_hashes_do_not_fit_its_size():
    with pytest.raises(InconsistentError, match="3 entries have 2 full subtrees, found 1"):
        Frontier(size=3, peaks=(bytes(32),))


def test_an_empty_log_has_nothing_to_read():
    assert read(Served(log_of(0)), Frontier()) == []


@given(
    sizes=st.lists(st.integers(0, 600), min_size=1, max_size=5),
)
def test_a_frontier_has_the_root_of_its_leaves_however_it_grew(sizes):
    leaves = entries(sum(sizes))
    frontier, done = Frontier(), 0
    for size in sizes:
        frontier = frontier.extended(leaves[done : done + size])
        done += size
    assert (frontier.size, frontier.root) == (len(leaves), tree_root(leaves))


@settings(max_examples=40)
@given(size=st.integers(1, 1200), start=st.integers(0, 1200), word=st.sampled_from("ab"))
def test_any_start_is_proved_or_refused(size, start, word):
    served = Served(log_of(size, "a"))
    begun = Frontier().extended([leaf_hash(one) for one in entries(start, word)])
    try:
        found = [entry for one in read(served, begun) for entry in one.entries]
    except LogError:
        assert start > size or (word == "b" and start > 0)
    else:
        assert start == 0 or (word == "a" and start <= size)
        assert found == served.log.entries[start:]

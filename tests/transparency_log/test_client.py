import pytest

from tests.transparency_log.memory_log import MemoryLog, status_entry
from transparency_log.client import LogClient
from transparency_log.errors import (
    EquivocationError,
    FetchError,
    LogError,
    MalformedTileError,
    NotFoundError,
    NotIncludedError,
    OneHistoryError,
)
from transparency_log.merkle import leaf_hash
from transparency_log.proof import verify_proof
from transparency_log.tile import encode_bundle


@pytest.fixture(scope="module")
def large() -> MemoryLog:
    """A log with full and partial tiles on two levels; entries are small, they need not parse."""
    return MemoryLog(entries=[number.to_bytes(2, "big") for number in range(600)])


@pytest.mark.parametrize("start", [0, 1, 255, 256, 257, 511, 512, 599, 600])
def test_reads_and_proves_every_stretch(large: MemoryLog, start: int) -> None:
    client = LogClient(large.policy, large.fetch)
    found = client.entries(client.checkpoint(), start)
    assert list(found.entries) == large.entries[start:]


@pytest.mark.parametrize("index", [0, 255, 256, 599])
def test_makes_proof_files(large: MemoryLog, index: int) -> None:
    client = LogClient(large.policy, large.fetch)
    entry = large.entries[index]
    proof = client.proof(client.checkpoint(), index, entry)
    assert verify_proof(proof, leaf_hash(entry), large.policy).index == index
    with pytest.raises(NotIncludedError):
        client.proof(client.checkpoint(), index, b"another entry")


def test_takes_full_tiles_for_partial_ones_that_are_gone(large: MemoryLog) -> None:
    older = large.witnessed(300)
    client = LogClient(large.policy, large.fetch)
    assert list(client.entries(older, 290).entries) == large.entries[290:300]
    assert client.consistency(older, client.checkpoint())


def test_refuses_a_log_that_shrank_or_forked(large: MemoryLog) -> None:
    client = LogClient(large.policy, large.fetch)
    other = MemoryLog(entries=[b"x", *large.entries[1:300]])
    for before, after in (
        (large.witnessed(), large.witnessed(300)),
        (other.witnessed(), large.witnessed()),
    ):
        with pytest.raises(OneHistoryError) as suspected:
            client.consistency(before, after)
        assert (suspected.value.first, suspected.value.second) == (before.note, after.note)
    with pytest.raises(EquivocationError) as proved:
        client.consistency(other.witnessed(), large.witnessed(300))
    assert proved.value.first == other.note()


def test_refuses_other_entries_than_those_committed_to(memory_log: MemoryLog) -> None:
    memory_log.entries = [status_entry(memory_log, number) for number in range(4)]
    witnessed = memory_log.witnessed()

    def fetch(path: str, limit: int) -> bytes:
        if path.startswith("tile/entries/"):
            return encode_bundle([*memory_log.entries[:3], status_entry(memory_log, 9)])
        return memory_log.fetch(path, limit)

    with pytest.raises(NotIncludedError):
        LogClient(memory_log.policy, fetch).entries(witnessed, 2)


@pytest.mark.parametrize("answer", [b"", b"\x00", bytes(31), bytes(65), b"\xff\xff"])
def test_malformed_answers_end_in_the_own_error(large: MemoryLog, answer: bytes) -> None:
    client = LogClient(large.policy, lambda _path, _limit: answer)
    with pytest.raises(LogError):
        client.checkpoint()
    with pytest.raises(MalformedTileError):
        client.entries(large.witnessed(), 0)
    with pytest.raises(MalformedTileError):
        client.proof(large.witnessed(), 1, large.entries[1])


def test_missing_tiles_are_reported_as_such(large: MemoryLog) -> None:
    def fetch(path: str, _limit: int) -> bytes:
        raise NotFoundError(path)

    with pytest.raises(NotFoundError):
        LogClient(large.policy, fetch).entries(large.witnessed(), 0)


def test_entries_that_would_fill_the_memory_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryLog(entries=[bytes(1000)] * 600)
    client = LogClient(log.policy, log.fetch)
    monkeypatch.setattr("transparency_log.client.MAX_RANGE", 300_000)
    assert len(client.entries(log.witnessed(), 520).entries) == 80
    with pytest.raises(FetchError, match="more than"):
        client.entries(log.witnessed(), 0)

"""What the replay store remembers, and that it never forgets within the window."""

import asyncio

import pytest

from gateway.errors import RefusedError
from gateway.replay import SLOT, WINDOW, MemoryReplayStore, entry_of
from openpcc.protocol.sealing import MAX_AHEAD


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def add(store: MemoryReplayStore, entry: bytes) -> str:
    try:
        asyncio.run(store.add(entry))
    except RefusedError as error:
        return error.code
    return "ok"


def test_window_covers_the_longest_validity_of_a_sealed_request() -> None:
    assert WINDOW >= MAX_AHEAD


@pytest.mark.parametrize("start", [1000.0, 1019.9, 1020.0, 1079.9])
def test_remembers_for_the_whole_window_wherever_it_begins(start: float) -> None:
    clock = Clock()
    clock.now = start
    store = MemoryReplayStore(limit=10, clock=clock)
    assert add(store, b"a") == "ok"
    for after in (0, 1, SLOT, WINDOW - 1, WINDOW):
        clock.now = start + after
        assert add(store, b"a") == "replayed"
    clock.now = start + WINDOW + 2 * SLOT
    assert add(store, b"a") == "ok"


def test_a_full_store_refuses_and_forgets_nothing() -> None:
    clock = Clock()
    store = MemoryReplayStore(limit=2, clock=clock)
    assert [add(store, entry) for entry in (b"a", b"b", b"c")] == ["ok", "ok", "busy"]
    assert [add(store, entry) for entry in (b"a", b"b")] == ["replayed", "replayed"]
    clock.now += WINDOW + 2 * SLOT
    assert add(store, b"c") == "ok"
    assert len(store) == 1


def test_one_encapsulation_under_two_keys_is_two_requests() -> None:
    assert entry_of(1, b"enc") != entry_of(2, b"enc")

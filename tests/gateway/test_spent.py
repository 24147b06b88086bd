"""The set of spent tokens in memory: what stands, what is begun, what is given back."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from gateway.errors import RefusedError
from gateway.spent import GRACE, RETIRED, MemorySpentStore, TokenName
from openpcc.protocol.payment import Reclaimed

KEY, OTHER = b"k" * 32, b"o" * 32
ONE, TWO = b"1" * 32, b"2" * 32
EXPIRES = 1_800_000_000


def name(nonce: bytes, key_id: bytes = KEY) -> TokenName:
    return TokenName(key_id=key_id, nonce=nonce * 32)


A, B, C = name(b"a"), name(b"b"), name(b"c")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def made(limit: int = 100) -> MemorySpentStore:
    return MemorySpentStore(limit=limit, clock=Clock())


def code(step: Coroutine[Any, Any, object]) -> str:
    try:
        asyncio.run(step)
    except RefusedError as error:
        return error.code
    return "ok"


def test_a_token_pays_for_one_request() -> None:
    store = made()
    assert code(store.admit([A, B], ONE, EXPIRES)) == "ok"
    assert code(store.admit([A], TWO, EXPIRES)) == "token-spent"
    assert code(store.admit([A, B], ONE, EXPIRES)) == "ok"


def test_one_spent_token_enters_none_of_the_others() -> None:
    store = made()
    assert code(store.admit([A], ONE, EXPIRES)) == "ok"
    assert code(store.admit([B, A, C], TWO, EXPIRES)) == "token-spent"
    assert len(store) == 1
    assert code(store.admit([B, C], TWO, EXPIRES)) == "ok"


def test_only_one_of_those_admitted_may_begin() -> None:
    store = made()
    for _ in range(2):
        assert code(store.admit([A, B], ONE, EXPIRES)) == "ok"
    assert code(store.begin([A, B], ONE)) == "ok"
    assert code(store.begin([A, B], ONE)) == "token-spent"
    assert code(store.admit([A, B], ONE, EXPIRES)) == "token-spent"


def test_what_was_never_admitted_does_not_begin() -> None:
    store = made()
    assert code(store.begin([A], ONE)) == "token-spent"
    assert code(store.admit([A], ONE, EXPIRES)) == "ok"
    assert code(store.begin([A], TWO)) == "token-spent"
    assert code(store.begin([A, B], ONE)) == "token-spent"
    assert code(store.begin([A], ONE)) == "ok"


def test_the_same_nonce_under_another_key_is_another_token() -> None:
    store = made()
    assert code(store.admit([A], ONE, EXPIRES)) == "ok"
    assert code(store.admit([name(b"a", OTHER)], TWO, EXPIRES)) == "ok"


def test_gives_back_what_came_to_nothing_and_nothing_else() -> None:
    store = made()
    assert code(store.admit([A, B], ONE, EXPIRES)) == "ok"
    assert code(store.admit([C], TWO, EXPIRES)) == "ok"
    asked = [A, C, name(b"z")]
    early = asyncio.run(store.reclaim(asked, ONE, EXPIRES + GRACE - 1))
    assert early == [Reclaimed.PENDING, Reclaimed.SPENT, Reclaimed.FREE]
    late = asyncio.run(store.reclaim(asked, ONE, EXPIRES + GRACE))
    assert late == [Reclaimed.FREE, Reclaimed.SPENT, Reclaimed.FREE]
    assert code(store.admit([A], TWO, EXPIRES)) == "ok"
    assert code(store.begin([A, B], ONE)) == "token-spent"


def test_never_gives_back_what_has_begun() -> None:
    store = made()
    assert code(store.admit([A], ONE, EXPIRES)) == "ok"
    assert code(store.begin([A], ONE)) == "ok"
    assert asyncio.run(store.reclaim([A], ONE, EXPIRES + 10**6)) == [Reclaimed.SPENT]


def test_a_full_set_refuses_and_forgets_nothing() -> None:
    store = made(limit=2)
    assert code(store.admit([A, B], ONE, EXPIRES)) == "ok"
    assert code(store.admit([C], TWO, EXPIRES)) == "token-store"
    assert code(store.admit([A, B], ONE, EXPIRES)) == "ok"
    assert code(store.begin([A, B], ONE)) == "ok"


def test_forgets_a_key_a_week_after_it_was_listed_last() -> None:
    clock = Clock()
    store = MemorySpentStore(limit=9, clock=clock)
    assert code(store.admit([A, name(b"b", OTHER)], ONE, EXPIRES)) == "ok"
    asyncio.run(store.retire([KEY, OTHER]))
    for clock.now in (RETIRED / 2, RETIRED, 1.4 * RETIRED):
        asyncio.run(store.retire([KEY]))
    assert len(store) == 1
    assert code(store.admit([A], TWO, EXPIRES)) == "token-spent"


def test_a_key_that_no_entry_listed_yet_is_kept_as_long() -> None:
    clock = Clock()
    store = MemorySpentStore(limit=9, clock=clock)
    clock.now = 10 * RETIRED
    assert code(store.admit([A], ONE, EXPIRES)) == "ok"
    asyncio.run(store.retire([]))
    assert len(store) == 1

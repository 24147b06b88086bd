"""Any sequence of steps: both stores say the same, and no token is served twice.

Invariant: a token is served for at most one digest, and at most one reply to it begins.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from gateway.errors import RefusedError
from gateway.spent import MemorySpentStore, SpentStore, TokenName
from gateway.store_address import parse_store
from gateway.valkey import ValkeySpentStore
from gateway.valkey_server import ValkeyServer
from openpcc.protocol.payment import Reclaimed
from tests.fakes.redis_server import RedisServer

DAY = 24 * 3600
NAMES = [TokenName(key_id=key * 32, nonce=n * 32) for key in (b"k", b"o") for n in (b"a", b"b")]
EXPIRES = {b"1" * 32: -DAY, b"2" * 32: -DAY, b"3" * 32: DAY}
"""Two requests that have expired long ago, and one that will not: admission is the gateway's."""

tokens = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)
digests = st.sampled_from(sorted(EXPIRES))


class Steps(RuleBasedStateMachine):
    """Steps in any order, at both stores."""

    def __init__(self, redis: RedisServer) -> None:
        super().__init__()
        redis.ask("FLUSHALL")
        self.runner = asyncio.Runner()
        self.server = ValkeyServer(
            parse_store("spent", redis.url),
            password=None,
            ca=None,
            timeout=10,
            clock=time.monotonic,
        )
        self.runner.run(self.server.look())
        self.stores: tuple[SpentStore, SpentStore] = (
            MemorySpentStore(limit=100, clock=time.monotonic),
            ValkeySpentStore(self.server, service="demo.example"),
        )
        self.served: Counter[TokenName] = Counter()
        self.began: set[TokenName] = set()
        self.stands: dict[TokenName, bytes] = {}

    @rule(names=tokens, digest=digests)
    def admit(self, names: list[TokenName], digest: bytes) -> None:
        expires = int(time.time()) + EXPIRES[digest]
        code = self.same(*(store.admit(names, digest, expires) for store in self.stores))
        if code == "ok":
            assert not self.began & set(names)
            assert all(self.stands.get(name, digest) == digest for name in names)
            self.stands.update(dict.fromkeys(names, digest))

    @rule(names=tokens, digest=digests)
    def begin(self, names: list[TokenName], digest: bytes) -> None:
        if self.same(*(store.begin(names, digest) for store in self.stores)) == "ok":
            self.served.update(names)
            self.began.update(names)
            assert all(self.stands.get(name) == digest for name in names)

    @rule(names=tokens, digest=digests)
    def reclaim(self, names: list[TokenName], digest: bytes) -> None:
        now = time.time()
        outcomes = self.same(*(store.reclaim(names, digest, now) for store in self.stores))
        assert isinstance(outcomes, list)
        for name, outcome in zip(names, outcomes, strict=True):
            assert not (name in self.began and outcome is not Reclaimed.SPENT)
            standing = self.stands.get(name)
            if outcome is Reclaimed.FREE and standing is not None:
                assert standing == digest
                assert EXPIRES[digest] < 0
                del self.stands[name]

    @invariant()
    def nothing_is_served_twice(self) -> None:
        assert max(self.served.values(), default=0) <= 1

    def same(self, first: Awaitable[object], second: Awaitable[object]) -> object:
        one, other = self.run(first), self.run(second)
        assert one == other
        return one

    def run(self, step: Awaitable[object]) -> object:
        async def answer() -> object:
            try:
                result = await step
            except RefusedError as error:
                return error.code
            return "ok" if result is None else result

        return self.runner.run(answer())

    def teardown(self) -> None:
        self.runner.run(self.server._pool.disconnect())
        self.runner.close()


def test_both_stores_agree_and_serve_a_token_once(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as redis:

        class Here(Steps):
            def __init__(self) -> None:
                super().__init__(redis)

        run_state_machine_as_test(
            Here,
            settings=settings(
                max_examples=40,
                stateful_step_count=20,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )

"""Stores on a real server: what they remember through crashes, and what they refuse to rely on.

Freezing is SIGSTOP, crashing SIGKILL.
"""

import asyncio
import datetime
import ipaddress
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.errors import RefusedError
from gateway.replay import SLOT, WINDOW
from gateway.spent import GRACE, RETIRED, TokenName
from gateway.store_address import StoreAddress, parse_store
from gateway.valkey import ValkeyReplayStore, ValkeySpentStore
from gateway.valkey_fitness import Trouble, judge
from gateway.valkey_server import ValkeyServer
from openpcc.protocol.payment import Reclaimed
from tests.fakes.redis_server import KEEPS, RedisServer

SERVICE = "demo.example"
TIMEOUT = 0.3
KEY, OTHER = b"k" * 32, b"o" * 32
ONE, TWO = b"1" * 32, b"2" * 32
SOON = int(time.time()) + 86400
PAST = int(time.time()) - 10 * GRACE
A, B, C = (TokenName(key_id=KEY, nonce=one * 32) for one in (b"a", b"b", b"c"))


class Gateway:
    """What one gateway holds of the server."""

    def __init__(
        self, redis: RedisServer, *, timeout: float = TIMEOUT, password: str | None = None
    ) -> None:
        self.server = ValkeyServer(
            parse_store("spent", redis.url),
            password=password,
            ca=None,
            timeout=timeout,
            clock=time.monotonic,
        )
        self.spent = ValkeySpentStore(self.server, service=SERVICE)
        self.replay = ValkeyReplayStore(self.server, service=SERVICE)


Play = Callable[..., Awaitable[None]]


def play(redis: RedisServer, script: Play, *, gateways: int = 1, timeout: float = TIMEOUT) -> None:
    """Run a script with some gateways that watch the server."""

    async def run() -> None:
        async with AsyncExitStack() as stack:
            held = [Gateway(redis, timeout=timeout) for _ in range(gateways)]
            for one in held:
                await stack.enter_async_context(one.server.watched())
            await script(*held)

    asyncio.run(run())


async def code(step: Awaitable[object]) -> str:
    try:
        await step
    except RefusedError as error:
        return error.code
    return "ok"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as running:
        yield running


def test_what_one_gateway_spent_is_spent_at_the_other(redis: RedisServer) -> None:
    async def script(first: Gateway, second: Gateway) -> None:
        assert await code(first.spent.admit([A, B], ONE, SOON)) == "ok"
        assert await code(second.spent.admit([B, C], TWO, SOON)) == "token-spent"
        assert await code(second.spent.admit([C], TWO, SOON)) == "ok"
        assert await code(second.spent.admit([A, B], ONE, SOON)) == "ok"
        assert await code(first.spent.begin([A, B], ONE)) == "ok"
        assert await code(second.spent.begin([A, B], ONE)) == "token-spent"

    play(redis, script, gateways=2)


def test_of_many_that_were_admitted_exactly_one_begins(redis: RedisServer) -> None:
    async def script(first: Gateway, second: Gateway) -> None:
        tokens = [
            TokenName(key_id=key, nonce=bytes([n]) * 32) for n in range(8) for key in (KEY, OTHER)
        ]
        both = (first, second) * 10
        admitted = await asyncio.gather(*(code(one.spent.admit(tokens, ONE, SOON)) for one in both))
        assert set(admitted) == {"ok"}
        begun = await asyncio.gather(*(code(one.spent.begin(tokens, ONE)) for one in both))
        assert sorted(begun) == ["ok"] + ["token-spent"] * 19

    play(redis, script, gateways=2, timeout=5)


def test_gives_back_by_the_later_of_two_clocks(redis: RedisServer) -> None:
    async def script(one: Gateway) -> None:
        assert await code(one.spent.admit([A], ONE, PAST)) == "ok"
        assert await code(one.spent.admit([B], ONE, SOON)) == "ok"
        assert await code(one.spent.admit([C], TWO, PAST)) == "ok"
        asked = [A, B, C]
        ahead = time.time() + 10**6  # this gateway's clock is wrong, the server's is not
        behind = time.time() - 10**6
        assert await one.spent.reclaim(asked, ONE, behind) == [
            Reclaimed.PENDING, Reclaimed.PENDING, Reclaimed.SPENT
        ]  # fmt: skip
        assert await one.spent.reclaim(asked, ONE, ahead) == [
            Reclaimed.FREE, Reclaimed.PENDING, Reclaimed.SPENT
        ]  # fmt: skip
        assert await code(one.spent.begin([A], ONE)) == "token-spent"

    play(redis, script)


def test_a_reclaim_that_meets_a_begin_leaves_one_of_them_with_the_token(redis: RedisServer) -> None:
    async def script(first: Gateway, second: Gateway) -> None:
        for number in range(40):
            name = TokenName(key_id=KEY, nonce=number.to_bytes(32, "big"))
            assert await code(first.spent.admit([name], ONE, PAST)) == "ok"
            steps = [first.spent.begin([name], ONE), second.spent.reclaim([name], ONE, time.time())]
            begun, back = await asyncio.gather(
                *(steps if number % 2 else steps[::-1]), return_exceptions=True
            )
            if not number % 2:
                begun, back = back, begun
            assert back in ([Reclaimed.FREE], [Reclaimed.SPENT])
            assert (begun is None) == (back == [Reclaimed.SPENT])

    play(redis, script, gateways=2, timeout=5)


def test_keys_that_are_long_unlisted_are_forgotten(redis: RedisServer) -> None:
    listed = f"openpcc:{{{SERVICE}}}:listed"
    other = TokenName(key_id=OTHER, nonce=bytes(32))

    async def script(one: Gateway) -> None:
        assert await code(one.spent.admit([A, other], ONE, SOON)) == "ok"
        await one.spent.retire([KEY, OTHER])
        await one.spent.retire([KEY])
        assert await code(one.spent.admit([other], TWO, SOON)) == "token-spent"
        redis.ask("HSET", listed, OTHER.hex(), str(int(time.time()) - RETIRED - 5))
        redis.ask("HSET", listed, KEY.hex(), str(int(time.time()) - RETIRED - 5))
        await one.spent.retire([KEY])
        assert await code(one.spent.admit([other], TWO, SOON)) == "ok"
        assert await code(one.spent.admit([A], TWO, SOON)) == "token-spent"
        assert OTHER.hex().encode() not in redis.ask("HGETALL", listed)

    play(redis, script)


def test_a_crash_and_a_restart_forget_nothing(redis: RedisServer) -> None:
    async def script(one: Gateway) -> None:
        assert await code(one.spent.admit([A], ONE, SOON)) == "ok"
        assert await code(one.spent.admit([B], TWO, SOON)) == "ok"
        assert await code(one.spent.begin([B], TWO)) == "ok"
        redis.kill()
        for step in (one.spent.admit([C], ONE, SOON), one.spent.begin([A], ONE)):
            assert await code(step) == "token-store"
        assert await code(one.spent.retire([KEY])) == "token-store"
        assert one.server.trouble is Trouble.UNREACHABLE
        redis.start()
        assert await code(one.spent.admit([A], TWO, SOON)) == "token-spent"
        assert await code(one.spent.begin([B], TWO)) == "token-spent"
        assert await code(one.spent.begin([A], ONE)) == "ok"
        await one.server.look()
        assert one.server.ready()

    play(redis, script)


def test_a_server_that_stood_still_does_nothing_late(redis: RedisServer) -> None:
    async def script(one: Gateway, other: Gateway) -> None:
        # Both scripts are known to the server, over two connections that stay.
        await asyncio.gather(*(one.spent.admit([A], ONE, SOON) for _ in range(2)))
        assert await code(one.spent.begin([C], ONE)) == "token-spent"
        redis.stop()
        refused = await asyncio.gather(
            code(one.spent.begin([A], ONE)), code(one.spent.admit([B], ONE, SOON))
        )
        assert set(refused) == {"token-store"}
        assert not one.server.ready()
        redis.go_on()
        await other.server.look()
        # The commands lay in the server's sockets. It has read them by now, and not acted on them.
        assert await code(other.spent.admit([B], TWO, SOON)) == "ok"
        assert await code(other.spent.begin([A], ONE)) == "ok"

    play(redis, script, gateways=2)


def test_steps_resume_when_the_clock_of_the_server_was_set(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(one: Gateway) -> None:
        assert await code(one.spent.admit([A], ONE, SOON)) == "ok"
        known = one.server._ahead
        assert known is not None
        for hour in (-3600, 3600):
            one.server._ahead = known + hour * 1_000_000  # as if the server's clock had been set
            assert await code(one.spent.admit([A], ONE, SOON)) == "ok"
            assert abs(one.server._ahead - known) < 10_000_000

    play(redis, script)


def test_a_caller_that_leaves_puts_no_connection_out_of_step(redis: RedisServer) -> None:
    left: list[bool] = []

    async def script(one: Gateway) -> None:
        for number in range(40):
            name = TokenName(key_id=KEY, nonce=number.to_bytes(32, "big"))
            task = asyncio.create_task(one.spent.admit([name], ONE, SOON))
            for _ in range(number % 8):
                await asyncio.sleep(0)
            left.append(task.cancel())
            await asyncio.wait([task])
            assert await one.spent.reclaim([A], ONE, time.time()) == [Reclaimed.FREE]
            assert await code(one.spent.admit([B], ONE, SOON)) == "ok"

    play(redis, script, timeout=5)
    assert sum(left) > 20


async def answer_to_another(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server whose answer to a script is one call old."""
    info = (
        b"role:master\r\nsecond_repl_offset:-1\r\ncluster_enabled:0\r\nmaxmemory_policy:noeviction\r\n"
        b"aof_enabled:1\r\naof_last_write_status:ok"
    )
    while data := await reader.read(1 << 16):
        for command in data.split(b"*")[1:]:
            if b"INFO" in command:
                writer.write(b"$%d\r\n%b\r\n" % (len(info), info))
            elif b"TIME" in command:
                writer.write(b"*2\r\n$1\r\n1\r\n$1\r\n0\r\n")
            else:
                writer.write(b"*3\r\n$8\r\nstranger\r\n$7\r\n1000000\r\n$4\r\ndone\r\n")
    writer.close()


def test_an_answer_to_another_call_is_no_answer(tmp_path: Path) -> None:
    async def run() -> None:
        path = tmp_path / "s"
        listening = await asyncio.start_unix_server(answer_to_another, path)
        redis = RedisServer(tmp_path)
        one = Gateway(redis)
        async with listening, one.server.watched():
            assert one.server.ready()
            assert await code(one.spent.admit([A], ONE, SOON)) == "token-store"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("settings", "trouble"),
    [
        (("--appendonly", "no"), Trouble.NO_FILE),
        ((*KEEPS, "--maxmemory-policy", "allkeys-lru"), Trouble.EVICTS),
        ((*KEEPS, "--maxmemory-policy", "volatile-ttl"), Trouble.EVICTS),
        ((*KEEPS, "--replicaof", "127.0.0.1 9"), Trouble.REPLICA),
        ((*KEEPS, "--cluster-enabled", "yes"), Trouble.CLUSTER),
        ((*KEEPS, "--requirepass", "a password of the server"), Trouble.REFUSED),
    ],
)
def test_a_server_that_may_forget_is_not_asked(
    tmp_path: Path, settings: tuple[str, ...], trouble: Trouble
) -> None:
    async def script(one: Gateway) -> None:
        assert not one.server.ready()
        assert one.server.trouble is trouble
        assert await code(one.spent.admit([A], ONE, SOON)) == "token-store"
        assert await code(one.replay.add(b"x" * 32)) == "busy"

    with RedisServer(tmp_path, *settings) as redis:
        play(redis, script)
        if trouble in (Trouble.NO_FILE, Trouble.EVICTS):
            assert redis.ask("DBSIZE") == b":0\r\n"


def test_a_password_opens_a_server_that_asks_for_one(tmp_path: Path) -> None:
    async def run() -> None:
        one = Gateway(locked, password="a-password-of-the-server")
        async with one.server.watched():
            assert await code(one.spent.admit([A], ONE, SOON)) == "ok"

    with RedisServer(tmp_path, *KEEPS, "--requirepass", "a-password-of-the-server") as locked:
        asyncio.run(run())


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that is its own root."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a store")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    pem, encoding = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    (folder / "tls.pem").write_bytes(made.public_bytes(encoding))
    (folder / "tls.key").write_bytes(key.private_bytes(encoding, pem, serialization.NoEncryption()))
    return folder / "tls.pem", folder / "tls.key"


def test_tls_is_the_named_servers_or_nothing(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tls = ("--tls-port", str(port), "--tls-cert-file", str(chain), "--tls-key-file", str(key),
           "--tls-auth-clients", "no", "--tls-ca-cert-file", str(chain))  # fmt: skip

    async def run() -> None:
        for host, ca, trouble in (
            ("127.0.0.1", chain, None),
            ("127.0.0.1", None, Trouble.UNREACHABLE),
            ("localhost", chain, Trouble.UNREACHABLE),
        ):
            server = ValkeyServer(
                StoreAddress(host=host, port=port, tls=True),
                password=None,
                ca=ca,
                timeout=5,
                clock=time.monotonic,
            )
            async with server.watched():
                assert server.trouble is trouble
                store = ValkeySpentStore(server, service=SERVICE)
                expected = "ok" if trouble is None else "token-store"
                assert await code(store.admit([A], ONE, SOON)) == expected

    with RedisServer(tmp_path, *KEEPS, *tls):
        asyncio.run(run())


def test_a_server_that_was_set_to_forget_while_it_ran_is_found_out(redis: RedisServer) -> None:
    async def script(one: Gateway) -> None:
        assert await code(one.spent.admit([A], ONE, SOON)) == "ok"
        redis.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
        await one.server.look()
        assert one.server.trouble is Trouble.EVICTS
        assert await code(one.spent.admit([A], ONE, SOON)) == "token-store"
        redis.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        await one.server.look()
        assert await code(one.spent.admit([A], ONE, SOON)) == "ok"

    play(redis, script)


def test_a_replica_that_was_made_the_primary_is_found_out(redis: RedisServer) -> None:
    """It may lack what the one before had taken: those tokens would pay again."""

    async def script(one: Gateway) -> None:
        assert await code(one.spent.admit([A], ONE, SOON)) == "ok"
        redis.ask("REPLICAOF", "127.0.0.1", "9")
        redis.ask("REPLICAOF", "NO", "ONE")
        await one.server.look()
        assert one.server.trouble is Trouble.PROMOTED
        assert await code(one.spent.admit([A], ONE, SOON)) == "token-store"

    play(redis, script)


def test_a_full_server_refuses_and_forgets_nothing(redis: RedisServer) -> None:
    async def script(one: Gateway) -> None:
        assert await code(one.spent.admit([A], ONE, SOON)) == "ok"
        redis.ask("CONFIG", "SET", "maxmemory", "1")
        assert await code(one.spent.admit([B, C], TWO, SOON)) == "token-store"
        for _ in range(2):  # by what it answers, and by what it says of itself
            assert one.server.trouble is Trouble.FULL
            await one.server.look()
        redis.ask("CONFIG", "SET", "maxmemory", "0")
        assert await code(one.spent.admit([A], TWO, SOON)) == "token-spent"
        assert await code(one.spent.admit([C], ONE, SOON)) == "ok"

    play(redis, script)


def test_an_outer_request_is_taken_once_by_all_gateways(redis: RedisServer) -> None:
    async def script(first: Gateway, second: Gateway) -> None:
        assert await code(first.replay.add(b"e" * 32)) == "ok"
        assert await code(second.replay.add(b"e" * 32)) == "replayed"
        assert await code(second.replay.add(b"f" * 32)) == "ok"
        left = redis.ask("TTL", f"openpcc:{{{SERVICE}}}:replay:{(b'e' * 32).hex()}")
        assert WINDOW < int(left[1:]) <= WINDOW + SLOT

    play(redis, script, gateways=2)


@pytest.mark.parametrize("info", [{}, {"role": "master"}, {"role": "master", "aof_enabled": "1"}])
def test_what_a_server_does_not_say_counts_as_wrong(info: dict[str, str]) -> None:
    assert judge(info) is not None

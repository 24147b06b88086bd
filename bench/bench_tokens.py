"""What tokens cost: to issue, to redeem, and in the path of a request.

    issuance       `openpcc-issuer`, batches of 64, on SQLite and on PostgreSQL; beside it the same
                   number of ordinary signatures by OpenSSL under a key of the same size, in turns
    redemption     judging tokens and proofs and entering them, in memory and in a real store, in
                   this process; beside it the same signatures verified, and nothing else
    request path   `bench_gateway`'s load through `openpcc-gateway`: admission open, and paid with
                   1, 4 and 16 tokens a request, spent in memory and in a real store

Rates are of one core: what a process did by its processor time. The store's is counted by itself.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import uvloop
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench import harness
from bench.bench_gateway import CONNECTIONS, SERVICE, K, Slice, load, posted
from bench.processes import Started, script, started
from gateway import keys
from gateway.admission import Terms
from gateway.publication import Publication, PublishedModel, PublishedNode, PublishedTokens
from gateway.spent import MemorySpentStore, SpentStore
from gateway.store_address import parse_store
from gateway.valkey import ValkeySpentStore
from gateway.valkey_server import ValkeyServer
from openpcc.cli.installed import find, run
from openpcc.protocol import bhttp, chunked_ohttp, messages
from openpcc.protocol.hpke import KEM_XWING
from openpcc.protocol.key_config import KeyConfig, parse_configs
from openpcc.protocol.payment import CarriedToken, token_fields
from openpcc.protocol.privacypass import (
    BATCH_REQUEST_MEDIA_TYPE,
    MAX_BATCH,
    IssuerDirectory,
    IssuerKey,
    PendingToken,
    TokenChallenge,
    encode_batch,
)
from openpcc.protocol.sealing import (
    NO_TOKENS,
    NodePrivateKey,
    holder_nonce,
    redemption_proof,
    seal_request,
    token_digest,
)
from tests.fakes.redis_server import RedisServer
from tests.transparency_log.server.postgres_server import running_postgres

ISSUER = "issuer.example"
OUTPUT = 256
CHALLENGE = TokenChallenge(issuer_name=ISSUER, origin_info=(SERVICE,)).digest

BATCHES = 8
"""Of a turn of issuance."""

COUNTS = (1, 4, 16)
"""Tokens that a request costs."""

ROUNDS = 7
REQUESTS = 200
"""Of a turn of the request path."""

PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA384()), salt_length=48)


@dataclass(frozen=True)
class Purse:
    """Makes tokens without an issuer: an ordinary signature is all that the last step leaves."""

    private: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )

    @property
    def key(self) -> IssuerKey:
        """The issuer's public key."""
        numbers = self.private.public_key().public_numbers()
        return IssuerKey(n=numbers.n, e=numbers.e)

    def tokens(self, count: int) -> list[tuple[bytes, Ed25519PrivateKey]]:
        """Make tokens with their holders' keys."""
        found = []
        for _ in range(count):
            holder = Ed25519PrivateKey.generate()
            nonce = holder_nonce(holder.public_key().public_bytes_raw())
            text = b"\0\2" + nonce + CHALLENGE + self.key.id
            found.append((text + self.private.sign(text, PSS, hashes.SHA384()), holder))
        return found

    def published(self) -> PublishedTokens:
        """What a publication says of them."""
        return PublishedTokens(issuer=ISSUER, output=OUTPUT, keys=(self.key.spki,))


# Issuance.


def issuance() -> None:
    """Measure issuers on two databases beside plain signatures."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openpcc-bench-")))
        postgres = stack.enter_context(running_postgres())
        databases = {"sqlite": 'kind = "sqlite"\npath = "issuer.db"'}
        (folder / "postgres").mkdir()
        (folder / "postgres/dsn").touch(mode=0o600)
        (folder / "postgres/dsn").write_text(postgres.new_schema())
        databases["postgres"] = 'kind = "postgres"\ndsn = "dsn"'
        ways: dict[str, Callable[[], Slice]] = {}
        for name, database in databases.items():
            ways[name] = selling(stack, folder / name, database)
        purse = Purse()
        ways["plain signatures"] = lambda: plain(purse, BATCHES * MAX_BATCH)
        slices = harness.interleave(ways, rounds=ROUNDS, warm_up=1)
    tokens = BATCHES * MAX_BATCH
    rates = {name: [tokens / one.processor for one in of] for name, of in slices.items()}
    title = "tokens issued, per second of one core"
    print(harness.report(title, rates, unit="tokens/s", scale=1, derived={"batch": MAX_BATCH}))
    waits = {name: [one.seconds / BATCHES for one in of] for name, of in slices.items()}
    print(harness.report("a batch of 64, from the wallet", waits, unit="ms", scale=1e3))


def selling(stack: ExitStack, folder: Path, database: str) -> Callable[[], Slice]:
    """Start an issuer; give what has some batches signed, one after the other."""
    (folder / "keys").mkdir(parents=True, mode=0o700)
    config = folder / "issuer.toml"
    config.write_text(
        f'name = "{ISSUER}"\nkeys = "keys"\nlisten = "127.0.0.1:0"\nquota = 10000000\n\n'
        f"[database]\n{database}\n"
    )
    run("openpcc-issuer", ["init", "--config", str(config)])
    run("openpcc-issuer", ["keys", "new", "--config", str(config)])
    credential = run("openpcc-issuer", ["account", "add", "bench", "--config", str(config)])
    program = stack.enter_context(started([str(find("openpcc-issuer")), "--config", str(config)]))
    client = stack.enter_context(httpx.Client(base_url=program.url, trust_env=False))
    answer = client.get("/.well-known/private-token-issuer-directory")
    key = IssuerDirectory.parse(answer.content).issuer_keys()[0]
    fields = {
        "authorization": f"Bearer {credential}",
        "content-type": BATCH_REQUEST_MEDIA_TYPE,
    }

    def sell() -> Slice:
        bodies = [asked(key) for _ in range(BATCHES)]
        before, began = harness.cpu_seconds(program.pid), time.perf_counter()
        for body in bodies:
            answer = client.post("/token-request", content=body, headers=fields)
            assert answer.status_code == 200, answer.text
        seconds = time.perf_counter() - began
        return Slice(seconds=seconds, processor=harness.cpu_seconds(program.pid) - before)

    return sell


def asked(key: IssuerKey) -> bytes:
    """Blind a batch."""
    nonces = (
        holder_nonce(Ed25519PrivateKey.generate().public_key().public_bytes_raw())
        for _ in range(MAX_BATCH)
    )
    pending = (
        PendingToken.begin(key=key, challenge_digest=CHALLENGE, nonce=nonce) for nonce in nonces
    )
    return encode_batch(one.request for one in pending)


def plain(purse: Purse, count: int) -> Slice:
    """Sign as often in the ordinary way."""
    before, began = time.process_time(), time.perf_counter()
    for _ in range(count):
        purse.private.sign(b"x" * 98, PSS, hashes.SHA384())
    seconds = time.perf_counter() - began
    return Slice(seconds=seconds, processor=time.process_time() - before)


# Redemption.


async def redemption() -> None:
    """Measure judging and entering, by the number of tokens of a request."""
    purse = Purse()
    with (
        tempfile.TemporaryDirectory(prefix="openpcc-bench-") as name,
        RedisServer(Path(name)) as redis,
    ):
        server = ValkeyServer(
            parse_store("spent", redis.url),
            password=None,
            ca=None,
            timeout=5.0,
            clock=time.monotonic,
        )
        async with server.watched():
            async with asyncio.timeout(10):
                while not server.ready():  # noqa: ASYNC110 - the server tells nobody
                    await asyncio.sleep(0.01)
            stores: dict[str, SpentStore | None] = {
                "signatures": None,
                "memory": MemorySpentStore(limit=1 << 20, clock=time.monotonic),
                "store": ValkeySpentStore(server, service=SERVICE),
            }
            await redeem_all(purse, stores)


async def redeem_all(purse: Purse, stores: dict[str, SpentStore | None]) -> None:
    """Take turns, and print."""
    terms = Terms.of(purse.published(), service=SERVICE)
    samples: dict[str, list[float]] = {}
    for turn in range(ROUNDS * 10 + 1):
        for count in COUNTS:
            for name, store in stores.items():
                digest = time.perf_counter_ns().to_bytes(32, "big")
                carried = [
                    CarriedToken(token=token, proof=redemption_proof(holder, digest))
                    for token, holder in purse.tokens(count)
                ]
                before = time.process_time()
                names = [terms.judge(one, digest) for one in carried]
                if store is not None:
                    await store.admit(names, digest, int(time.time()) + 120)
                    await store.begin(names, digest)
                if turn:
                    spent = time.process_time() - before
                    samples.setdefault(f"{name}, {count} tokens", []).append(spent)
    print(harness.report("redeeming a request's tokens", samples, unit="us", scale=1e6))


# The path of a request.


def request_path() -> None:
    """Measure the gateway with and without payment."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openpcc-bench-")))
        (folder / "redis").mkdir()
        redis = stack.enter_context(RedisServer(folder / "redis"))
        nodes = [NodePrivateKey.generate(kem_id=KEM_XWING, key_id=one) for one in range(K)]
        purse = Purse()
        ways: dict[str, Callable[[], Slice]] = {}
        for name, spent, counts in (
            ("open", None, (0,)),
            ("memory", "memory", COUNTS),
            ("store", redis.url, COUNTS),
        ):
            program, config = gateway(stack, folder / name, nodes, purse, spent)
            for count in counts:
                label = name if spent is None else f"{name}, {count} tokens"
                ways[label] = paying(program, config, nodes, purse, count)
        slices = harness.interleave(ways, rounds=ROUNDS, warm_up=1)
    rates = {name: [REQUESTS / one.seconds for one in of] for name, of in slices.items()}
    costs = {name: [one.processor / REQUESTS for one in of] for name, of in slices.items()}
    median = {name: statistics.median(of) * 1e6 for name, of in costs.items()}
    added = {f"{name}, added us": round(of - median["open"]) for name, of in median.items()}
    title = "requests through the gateway"
    print(harness.report(title, rates, unit="requests/s", scale=1))
    title = "the gateway's processor time of a request"
    print(harness.report(title, costs, unit="us", scale=1e6, derived=added))


def gateway(
    stack: ExitStack, folder: Path, nodes: list[NodePrivateKey], purse: Purse, spent: str | None
) -> tuple[Started, KeyConfig]:
    """Start a gateway with a far end of its own."""
    folder.mkdir()
    publication = folder / "publication.json"
    far_end = stack.enter_context(started(script("far_end.py", str(publication))))
    publication.write_bytes(
        Publication(
            service=SERVICE,
            index=6,
            status=4,
            sequence=2,
            not_after=int(time.time()) + 3600,
            models=(PublishedModel(name="demo", size=1),),
            nodes=(
                PublishedNode(url=far_end.url, keys=tuple(n.id for n in nodes), leaf=bytes(32)),
            ),
            tokens=None if spent is None else purse.published(),
        ).encode()
    )
    (folder / "keys").mkdir(mode=0o700)
    keys.generate(folder / "keys", now=int(time.time()))
    admission = "" if spent is None else f'admission = "tokens"\nspent = "{spent}"\n'
    config = folder / "gateway.toml"
    config.write_text(
        f'service = "{SERVICE}"\nlisten = "127.0.0.1:0"\n'
        f'ohttp_keys = ["keys/{keys.PRIVATE_NAME}"]\n'
        f'publisher = "{far_end.url}"\nlog = "{far_end.url}"\n{admission}'
    )
    found = stack.enter_context(started([str(find("openpcc-gateway")), "--config", str(config)]))
    time.sleep(3)  # until it has the publication
    answer = httpx.get(f"{found.url}/ohttp-keys", trust_env=False)
    return found, parse_configs(answer.content)[0]


def paying(
    program: Started, config: KeyConfig, nodes: list[NodePrivateKey], purse: Purse, count: int
) -> Callable[[], Slice]:
    """Give what sends requests that carry so many tokens, each made beforehand."""

    def turn() -> Slice:
        requests = [paid(config, nodes, purse.tokens(count)) for _ in range(REQUESTS)]
        before = harness.cpu_seconds(program.pid)
        seconds = uvloop.run(load(program.url, requests))
        return Slice(seconds=seconds, processor=harness.cpu_seconds(program.pid) - before)

    return turn


def paid(
    config: KeyConfig,
    nodes: list[NodePrivateKey],
    tokens: list[tuple[bytes, Ed25519PrivateKey]],
) -> bytes:
    """Seal a request, pay it and encapsulate it."""
    sealed = seal_request(
        [one.node_key for one in nodes],
        b"x" * 700,
        model="demo",
        expires=(int(time.time()) + 299) // 60 * 60,
        max_output=OUTPUT * len(tokens),
        token_digest=token_digest(one for one, _ in tokens) if tokens else NO_TOKENS,
    )
    carried = [
        CarriedToken(token=one, proof=redemption_proof(holder, sealed.request_digest))
        for one, holder in tokens
    ]
    request = bhttp.Request(
        method="POST",
        scheme="https",
        authority=SERVICE,
        path="/sealed",
        headers=(("content-type", messages.SEALED_REQUEST), *token_fields(carried)),
        content=sealed.body,
    )
    message = bhttp.encode_request(request, pad_to=messages.OUTER_PADDING)
    body, _ = chunked_ohttp.encapsulate(config, message)
    return posted("/", messages.OHTTP_REQUEST, body)


def main() -> None:
    """Measure all three."""
    print(f"{CONNECTIONS} connections in the request path")
    issuance()
    asyncio.run(redemption())
    request_path()


if __name__ == "__main__":
    main()

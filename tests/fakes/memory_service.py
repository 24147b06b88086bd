"""A whole service in memory: gateway, directory, log and attested nodes, each open to being broken.

`MemoryService` answers encapsulated requests as a gateway does. A test changes one part (`files`,
`hint`, `raw_keys`, `reply`) and looks at what the client makes of it. `MemoryCarrier` stands where
the client's `Carrier` stands, so that nothing touches a socket; `as_relay` is a script for a
`FarEnd`, where the sockets matter.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from attestation import attester
from attestation.evidence import (
    EvidenceBundle,
    FreshnessSection,
    KeysSection,
    SoftwareSection,
)
from node_image.agent import receipts
from node_image.agent.usage import TokenCounts
from openpcc.config import ClientConfig
from openpcc.directory import model_id
from openpcc.errors import GatewayError, TransportError
from openpcc.protocol import bhttp, chunked_ohttp, hpke, messages, sealing
from openpcc.protocol.messages import EMPTY_LEAF, DirectoryLeaf, machine_digest
from openpcc.protocol.ohttp import GatewayKey, encode_configs
from openpcc.protocol.sealing import NodePrivateKey
from tests.fakes.node import Exchange
from tests.fakes.world import ARGUMENTS, MODELS, NOW, World
from tests.transparency_log.memory_log import service_statement, status_statement
from transparency_log import merkle, prover, strict_json
from transparency_log.errors import NotFoundError
from transparency_log.service import Directory, Parameters, ServedModel
from transparency_log.tile import MAX_BUNDLE

SERVICE = "demo.example"
FRESH = ("content-type", "application/json")


@dataclass(frozen=True, kw_only=True)
class Node:
    """One attested machine of the service."""

    machine: bytes
    key: NodePrivateKey
    receipt_key: Ed25519PrivateKey
    bundle: bytes = field(repr=False)
    leaf: DirectoryLeaf


class MemoryService:
    """An honest service at `NOW`."""

    def __init__(self, folder: Path, *, nodes: int = 2) -> None:
        self.folder = folder
        self.world = World(folder / "machine")
        self.gateway_key = GatewayKey.generate(
            kem_id=hpke.KEM_X25519, key_id=1, algorithms=((1, 2),)
        )
        self.raw_keys = encode_configs([self.gateway_key.config])
        self.nodes = [self.node(number) for number in range(nodes)]
        self.files: dict[str, bytes] = {}
        """What is served instead of the honest file, by path; empty bytes are a 404."""
        self.asked: list[str] = []
        self.times: tuple[int, ...] = (NOW, NOW)
        self.last_receipt = ""
        self.sequence = -1
        self.status_index = len(self.world.log.entries) - 1
        self.status_sequence = 0
        self.hint = (0, 0)
        self.directories: dict[str, list[bytes]] = {}
        self.reply: Callable[[Node, sealing.Unwrapped, bytes], bytes] = self.honest_reply
        self.publish()

    def node(self, number: int) -> Node:
        """Start a machine: its keys, its evidence, its leaf."""
        machine = f"machine {number}".encode().ljust(32, b".")
        world = self.world
        home = self.folder / f"machine-{number}"
        world.vendor.machine(machine).save(home)
        world.attester = attester.open("simulated", home)
        world.node_key = NodePrivateKey.generate(kem_id=hpke.KEM_X25519, key_id=number)
        world.receipt_key = Ed25519PrivateKey.generate()
        bundle = world.bundle()
        return Node(
            machine=machine,
            key=world.node_key,
            receipt_key=world.receipt_key,
            bundle=bundle.encode(),
            leaf=replace(world.leaf(bundle), machine=machine_digest(machine)),
        )

    @property
    def config(self) -> ClientConfig:
        policy = replace(self.world.policy, kems=(hpke.KEM_X25519,))
        return ClientConfig(
            relays=("http://127.0.0.1:1",), policy=policy, state=self.folder / "state", model="demo"
        )

    def publish(
        self,
        listing: dict[str, list[Node | None]] | None = None,
        *,
        sequence: int | None = None,
        **changes: Any,
    ) -> int:
        """Log a service entry for these nodes by model; give its index."""
        listing = {"demo": list(self.nodes)} if listing is None else listing
        self.directories = {
            model: [EMPTY_LEAF if one is None else one.leaf.encode() for one in rows]
            for model, rows in listing.items()
        }
        self.sequence = self.sequence + 1 if sequence is None else sequence
        statement = replace(
            service_statement(self.sequence, not_before=NOW),
            models=tuple(
                ServedModel(name=model, directory=Directory(root=_root(rows), size=len(rows)))
                for model, rows in self.directories.items()
            ),
            **{
                "ohttp_keys": hashlib.sha256(self.raw_keys).digest(),
                "issuer_keys": (),
                "parameters": Parameters(candidates=2, pace=("latency", "paced")),
                **changes,
            },
        )
        self.world._add(statement, self.world.log.service)
        index = len(self.world.log.entries) - 1
        self.hint = (index, self.status_index)
        return index

    def set_status(self, releases: Iterable[bytes], *, issued: int = NOW - 30) -> bytes:
        """Log the next status; give the entry."""
        self.status_sequence += 1
        statement = replace(
            status_statement(self.status_sequence, issued=issued),
            releases=tuple(releases),
            floors=self.world.floors(),
        )
        self.world._add(statement, self.world.log.status)
        self.status_index = len(self.world.log.entries) - 1
        self.hint = (self.hint[0], self.status_index)
        return self.world.log.entries[-1]

    def submit(self, *entries: bytes) -> None:
        """Log any bytes, as anybody who may submit can."""
        self.world.log.entries += entries

    # As a gateway.

    def respond(self, body: bytes) -> bytes:
        """Answer one encapsulated request."""
        request, sealer = self.decapsulate(body)
        response = self.answer(request)
        return seal_outer(sealer, bhttp.encode_response(response))

    def decapsulate(self, body: bytes) -> tuple[bhttp.Request, chunked_ohttp.ResponseSealer]:
        size = chunked_ohttp.GatewayRequest.head_size(self.gateway_key)
        opened = chunked_ohttp.GatewayRequest.open(self.gateway_key, body[:size])
        pieces = [*opened.feed(body[size:]), *opened.finish()]
        return bhttp.decode_request(b"".join(pieces)), opened.seal_response()

    def answer(self, request: bhttp.Request) -> bhttp.Response:
        self.asked.append(request.path)
        if request.path == "/sealed":
            return self.sealed(request.content)
        if request.path == "/challenge":
            return self.challenged(messages.Challenge.parse(request.content))
        data = self.files.get(request.path)
        if data is None:
            data = self.file(request.path)
        return bhttp.Response(status=200 if data else 404, content=data)

    def file(self, path: str) -> bytes:
        kind, _, rest = path.removeprefix("/").partition("/")
        match kind:
            case "service":
                return self.hint_document()
            case "directory":
                model, _, number = rest.partition("/")
                return self.shard(model, int(number))
            case "bundle":
                found = {one.leaf.leaf_hash().hex(): one.bundle for one in self.nodes}
                return found.get(rest, b"")
            case "log":
                return self.log_file(rest)
            case _:
                return b""

    def hint_document(self, **changes: Any) -> bytes:
        index, status = self.hint
        found = {"version": 1, "service": SERVICE, "index": index, "status": status}
        return strict_json.dumps(found | changes)

    def log_file(self, path: str) -> bytes:
        if path == "checkpoint":
            return self.world.log.note(times=self.times)
        try:
            return self.world.log.fetch(path, MAX_BUNDLE)
        except NotFoundError:
            return b""

    def shard(self, model: str, number: int) -> bytes:
        found = {model_id(name): rows for name, rows in self.directories.items()}
        leaves = found.get(model, [])
        start, size = 16 * number, len(leaves)
        if start >= size:
            return b""
        end = min(start + 16, size)
        hashes = [merkle.leaf_hash(leaf) for leaf in leaves]
        proof = prover.subtree_consistency_proof(start, end, size, prover.memory_reader(hashes))
        return strict_json.dumps(
            {
                "version": 1,
                "sequence": self.sequence,
                "model": model,
                "shard": number,
                "size": size,
                "leaves": [strict_json.b64encode(leaf) for leaf in leaves[start:end]],
                "proof": [strict_json.b64encode(one) for one in proof],
            }
        )

    # As the node that a challenge is about.

    def challenged(self, challenge: messages.Challenge) -> bhttp.Response:
        for number, node in enumerate(self.nodes):
            if challenge.key_id in node.leaf.node_key_ids:
                return bhttp.Response(status=200, content=self.quoted(number, challenge.nonce))
        return refusal("unknown-key", 422)

    def quoted(self, number: int, nonce: bytes | None) -> bytes:
        """Quote a node's keys once more, as its agent does."""
        listed = EvidenceBundle.parse(self.nodes[number].bundle)
        machine = attester.open("simulated", self.folder / f"machine-{number}")
        machine.event_log(MODELS, ARGUMENTS)
        fresh = machine.collect(
            KeysSection.parse(listed.keys),
            FreshnessSection.parse(listed.freshness).checkpoint,
            SoftwareSection.parse(listed.software),
            nonce,
        )
        return fresh.with_endorsements(listed.endorsements).encode()

    # As the node that the gateway picks.

    def sealed(self, body: bytes) -> bhttp.Response:
        prefix = sealing.Prefix.parse(body)
        live = {one.key.id: one.key for one in self.nodes}
        chosen = prefix.select(live)
        node = next(one for one in self.nodes if one.key.id == chosen.id)
        unwrapped = prefix.unwrap(chosen)
        message = unwrapped.open_content(body)
        return bhttp.Response(status=200, content=self.reply(node, unwrapped, message))

    def honest_reply(self, node: Node, unwrapped: sealing.Unwrapped, message: bytes) -> bytes:
        return self.inner(node, unwrapped, message)

    def inner(
        self,
        node: Node,
        unwrapped: sealing.Unwrapped,
        message: bytes,
        *,
        status: int = 200,
        headers: tuple[tuple[str, str], ...] = (FRESH,),
        content: tuple[bytes, ...] = (b'{"hello":', b'"world"}'),
        receipt: bool = True,
        signer: Ed25519PrivateKey | None = None,
        **claims: Any,
    ) -> bytes:
        """Seal a reply as a node does; keywords break one thing of it."""
        sealer = unwrapped.seal_reply()
        encoder = bhttp.ResponseEncoder()
        digest = receipts.response_hasher(sealer.receipt_salt)
        pieces = [encoder.head(status, headers), *(encoder.content(one) for one in content)]
        digest.update(b"".join(pieces) + b"\x00")
        service, exchange = receipt_parts(self, node, unwrapped, sealer, message, digest.digest())
        for name, value in claims.items():
            if hasattr(service, name):
                service = replace(service, **{name: value})
            else:
                exchange = replace(exchange, **{name: value})
        value = receipts.sign(signer or node.receipt_key, service, exchange, issued=NOW)
        self.last_receipt = value
        trailers = ((messages.RECEIPT, value),) if receipt else ()
        records = [sealer.record(piece) for piece in pieces]
        return b"".join([sealer.head(), *records, sealer.record(encoder.end(trailers), final=True)])


def receipt_parts(
    service: MemoryService,
    node: Node,
    unwrapped: sealing.Unwrapped,
    sealer: Any,
    message: bytes,
    response: bytes,
) -> tuple[receipts.Service, receipts.Exchange]:
    """Give what an honest receipt says."""
    name, digest = MODELS[0]
    epoch = (service.world.not_before, service.world.not_after)
    said = receipts.Service(
        release=service.world.release,
        model=name,
        model_digest=digest,
        not_before=epoch[0],
        not_after=epoch[1],
        binding=node.leaf.binding,
        engine="embedded",
        parameters=bytes(32),
    )
    exchange = receipts.Exchange(
        request=receipts.request_hash(sealer.receipt_salt, message),
        response=response,
        request_digest=unwrapped.request_digest,
        engine_version="0.1.0",
        tokens=TokenCounts(prompt=3, completion=4),
    )
    return said, exchange


class MemoryCarrier:
    """The client's carrier without sockets."""

    def __init__(self, service: MemoryService) -> None:
        self.service = service
        self.closed = False
        self.broken = False

    def keys(self) -> bytes:
        self._require()
        return self.service.raw_keys

    @contextmanager
    def exchange(self, body: bytes) -> Iterator[Iterator[bytes]]:
        self._require()
        yield iter([self.service.respond(body)])

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        assert seconds > 0
        yield

    def close(self) -> None:
        self.closed = True

    def _require(self) -> None:
        if self.closed:
            raise TransportError("closed")
        if self.broken:
            raise GatewayError("upstream", 502)


def as_relay(service: MemoryService) -> Callable[[Exchange], Any]:
    """Answer as relay and gateway do, on real sockets."""

    async def script(exchange: Exchange) -> None:
        if exchange.got.path == "/ohttp-keys":
            fields = [("content-type", messages.OHTTP_KEYS)]
            return await exchange.answer(200, service.raw_keys, fields)
        data = service.respond(exchange.got.body)
        return await exchange.answer(200, data, [("content-type", messages.OHTTP_RESPONSE)])

    return script


def refusal(code: str, status: int) -> bhttp.Response:
    """Refuse inside the encapsulation."""
    return bhttp.Response(status=status, content=messages.encode_error(code, "no"))


def seal_outer(sealer: chunked_ohttp.ResponseSealer, message: bytes) -> bytes:
    """Encapsulate a whole response, in several chunks as a stream would have."""
    parts = [sealer.head()]
    size = min(max(len(message) // 5, 1), 16384)
    pieces = [message[at : at + size] for at in range(0, max(len(message), 1), size)]
    parts += [sealer.seal(piece) for piece in pieces[:-1]]
    return b"".join([*parts, sealer.seal(pieces[-1], final=True)])


def _root(leaves: list[bytes]) -> bytes:
    return merkle.tree_root([merkle.leaf_hash(leaf) for leaf in leaves])

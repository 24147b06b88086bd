"""A small world for the log's tests: keys, statements, and a log with its witnesses in memory."""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from transparency_log import prover
from transparency_log.checkpoint import Checkpoint
from transparency_log.cosignature import CosignatureSigner
from transparency_log.entry import EntrySigners, Signer, sign_entry
from transparency_log.errors import NotFoundError
from transparency_log.log_range import LogRange, verify_range
from transparency_log.merkle import leaf_hash, tree_root
from transparency_log.note import NoteSigner, format_note
from transparency_log.release import (
    Devices,
    Engine,
    Model,
    PlatformReference,
    Recipe,
    ReleaseStatement,
    Source,
)
from transparency_log.service import (
    Directory,
    Parameters,
    ServedModel,
    ServiceStatement,
    TokenTerms,
)
from transparency_log.status import Floor, Floors, StatusStatement
from transparency_log.tile import (
    TILE_WIDTH,
    TilePath,
    encode_bundle,
    parse_path,
)
from transparency_log.witness_policy import (
    LogPolicy,
    Witness,
    WitnessedCheckpoint,
    verify_checkpoint,
)

ORIGIN = "log.example/test"
NOW = 1_800_000_000


def key(number: int) -> Ed25519PrivateKey:
    """Give a private key of its own for each number."""
    return Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))


@dataclass
class MemoryLog:
    """A log, its witnesses and its entry signers, all in memory and honest."""

    entries: list[bytes] = field(default_factory=list)
    log: NoteSigner = field(default_factory=lambda: NoteSigner(name=ORIGIN, private_key=key(1)))
    witnesses: list[CosignatureSigner] = field(
        default_factory=lambda: [
            CosignatureSigner(name=f"witness-{number}.example", private_key=key(10 + number))
            for number in range(3)
        ]
    )
    release: Signer = field(default_factory=lambda: Signer(private_key=key(20)))
    status: Signer = field(default_factory=lambda: Signer(private_key=key(21)))
    service: Signer = field(default_factory=lambda: Signer(private_key=key(22)))

    @property
    def policy(self) -> LogPolicy:
        return LogPolicy(
            origin=ORIGIN,
            log_vkey=str(self.log.key),
            witnesses=tuple(
                Witness(name=one.name, operator=f"operator of {one.name}", vkey=str(one.key))
                for one in self.witnesses
            ),
            quorum=2,
        )

    def signers(self, signer: Signer) -> EntrySigners:
        return EntrySigners(keys=(signer.public_key,), threshold=1)

    @property
    def leaves(self) -> list[bytes]:
        return [leaf_hash(entry) for entry in self.entries]

    def text(self, size: int | None = None) -> bytes:
        leaves = self.leaves[:size]
        return Checkpoint(origin=ORIGIN, size=len(leaves), root=tree_root(leaves)).encode()

    def note(self, size: int | None = None, times: tuple[int, ...] = (NOW, NOW)) -> bytes:
        """Sign a checkpoint, cosigned by the first witnesses at the times given."""
        text = self.text(size)
        pairs = zip(self.witnesses, times, strict=False)
        lines = [witness.cosign(text, time) for witness, time in pairs]
        return format_note(text, [self.log.sign(text), *lines])

    def witnessed(self, size: int | None = None) -> WitnessedCheckpoint:
        return verify_checkpoint(self.note(size), self.policy)

    def range(self, start: int = 0) -> LogRange:
        return verify_range(
            self.witnessed(), start, self.entries[start:], prover.memory_reader(self.leaves)
        )

    def fetch(self, path: str, limit: int) -> bytes:
        """Serve the public files, as a `client.Fetch`."""
        data = self.note() if path == "checkpoint" else self._tile(parse_path(path))
        assert len(data) <= limit
        return data

    def _tile(self, path: TilePath) -> bytes:
        size, first = len(self.entries), path.index * TILE_WIDTH
        level = path.level or 0
        newest = min(TILE_WIDTH, (size >> (8 * level)) - first)
        if path.width > newest or (newest == TILE_WIDTH and path.width < newest):
            raise NotFoundError("no such tile, or it is full now")
        if path.level is None:
            return encode_bundle(self.entries[first : first + path.width])
        read = prover.memory_reader(self.leaves)
        return b"".join(read(8 * level, first + offset) for offset in range(path.width))


def release_statement() -> ReleaseStatement:
    """A release that has every member."""
    return ReleaseStatement(
        name="openpcc-node",
        version="0.1.0",
        image=bytes(range(32)),
        platforms={
            "simulated": PlatformReference(
                measurement=bytes(range(48)),
                registers={0: bytes(range(1, 49)), 11: bytes(48)},
                devices=Devices(count=1, kinds=("simulated-gpu",)),
            )
        },
        models=(Model(name="demo", digest=bytes(range(2, 34))),),
        engine=Engine(name="embedded", version="0.1.0", arguments=("--max-model-len", "1024")),
        source=Source(uri="https://example.org/openpcc", commit="0" * 40),
        recipe=Recipe(uri="node_image/build", sha256=bytes(range(3, 35))),
        expires=NOW + 30 * 86400,
    )


def status_statement(sequence: int = 0, log: str = ORIGIN, issued: int = NOW) -> StatusStatement:
    """A status that has every member."""
    return StatusStatement(
        log=log,
        sequence=sequence,
        previous=None if sequence == 0 else bytes(range(32)),
        issued=issued,
        releases=(bytes(range(4, 36)),),
        floors=Floors(
            crl={bytes(range(5, 37)): Floor(number=3, time=NOW - 9)},
            tcb_evaluation=17,
            minimum_tcb={"simulated": {"firmware": 1}},
        ),
    )


def service_statement(
    sequence: int = 0, service: str = "demo.example", not_before: int = NOW
) -> ServiceStatement:
    """A service entry that has every member."""
    return ServiceStatement(
        service=service,
        sequence=sequence,
        previous=None if sequence == 0 else bytes(range(32)),
        not_before=not_before,
        not_after=not_before + 1200,
        models=(ServedModel(name="demo", directory=Directory(root=bytes(32), size=2)),),
        ohttp_keys=bytes(range(6, 38)),
        issuer_keys=(bytes(range(7, 39)),),
        parameters=Parameters(
            candidates=2,
            tokens=TokenTerms(issuer="issuer.example", output=1024),
            pace=("latency", "paced"),
        ),
    )


def status_entry(
    log: MemoryLog, sequence: int = 0, *, origin: str = ORIGIN, issued: int = NOW
) -> bytes:
    """Sign a status entry."""
    return sign_entry(status_statement(sequence, origin, issued), [log.status])


def service_entry(log: MemoryLog, sequence: int = 0, not_before: int = NOW) -> bytes:
    """Sign a service entry."""
    return sign_entry(service_statement(sequence, not_before=not_before), [log.service])

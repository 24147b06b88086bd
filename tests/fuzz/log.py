"""What a log, a witness or whoever serves their files sends: C2SP's formats."""

from contextlib import suppress

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from tests.fuzz.target import Bytes, target
from tests.transparency_log.memory_log import NOW, MemoryLog, status_entry
from transparency_log import add_checkpoint, cosignature, note, tile, vkey
from transparency_log.checkpoint import parse_checkpoint, parse_decimal, parse_hash, parse_origin
from transparency_log.client import LogClient
from transparency_log.contradiction import judge_checkpoints, judge_entries
from transparency_log.cosignature import MLDSACosignatureSigner
from transparency_log.errors import LogError, MalformedError, UntrustedError
from transparency_log.merkle import leaf_hash
from transparency_log.proof import format_proof, parse_proof, verify_proof
from transparency_log.strict_json import b64encode
from transparency_log.witness_policy import verify_checkpoint

LOG = MemoryLog(entries=[bytes([number]) * number for number in range(40)])
ML_DSA = MLDSACosignatureSigner(
    name="pq.example", private_key=MLDSA44PrivateKey.from_seed_bytes(bytes(32))
)
LOGS = {LOG.policy.origin: LOG.policy.log_verifiers}
REFUSALS = (MalformedError, UntrustedError)


def notes() -> Bytes:
    text = LOG.text()
    yield from (LOG.note(), LOG.note(0, ()), LOG.note(7, (NOW,)))
    yield note.format_note(text, [LOG.log.sign(text), ML_DSA.cosign(text, NOW)])
    yield note.format_note(text + b"an extension line\n", [LOG.log.sign(text)])


def lines() -> Bytes:
    for one in notes():
        yield from (str(line).encode() for line in note.parse_note(one).signatures)


def keys() -> Bytes:
    return [str(one.key).encode() for one in (LOG.log, LOG.witnesses[0], ML_DSA)]


def proofs() -> Bytes:
    client = LogClient(LOG.policy, LOG.fetch)
    for index in (0, 17, 39):
        yield client.proof(client.checkpoint(), index, LOG.entries[index])
    yield format_proof(index=0, hashes=(), checkpoint=LOG.note(1))


def requests() -> Bytes:
    for old, size in ((0, 0), (0, 40), (7, 40), (40, 40)):
        note_of = note.format_note(LOG.text(size), [LOG.log.sign(LOG.text(size))])
        proof = (bytes(32),) * (3 if 0 < old < size else 0)
        yield add_checkpoint.AddCheckpointRequest(old_size=old, proof=proof, note=note_of).encode()


def paths() -> Bytes:
    names = ("tile/0/000", "tile/2/x001/234.p/7", "tile/entries/x999/999", "tile/63/000.p/255")
    return [name.encode() for name in names]


def bundles() -> Bytes:
    return [b"", *(tile.encode_bundle(LOG.entries[:width]) for width in (1, 2, 40)), bytes(64)]


def decimals() -> Bytes:
    return [b"0", b"7", b"%d" % (2**63 - 1), b"%d" % 2**63, b"07", b"+7", b"7\n"]


@target(note.parse_note, note.split_note, seeds=notes, refusals=REFUSALS, longest=2**13)
def signed_note(data: bytes) -> None:
    """Any bytes give a note that writes the same bytes, or the log's errors."""
    read = note.parse_note(data)
    assert note.format_note(read.unverified_text, read.signatures) == data
    with suppress(*REFUSALS):
        parse_checkpoint(read.unverified_text)


@target(note.parse_signature_line, cosignature.parse_cosignature, seeds=lines, refusals=REFUSALS)
def signature_line(data: bytes) -> None:
    """Any text gives a line that writes the same text, or the log's errors."""
    text = data.decode("utf-8", errors="replace")
    read = note.parse_signature_line(text)
    assert str(read) == text
    cosignature.parse_cosignature(read.signature)


@target(
    vkey.parse_vkey,
    cosignature.parse_verifier,
    cosignature.parse_log_verifier,
    seeds=keys,
    refusals=REFUSALS,
)
def verifier_key(data: bytes) -> None:
    """Any text gives a key that writes the same text, or the log's errors."""
    text = data.decode("utf-8", errors="surrogateescape")
    assert str(vkey.parse_vkey(text)) == text
    verifier = cosignature.parse_verifier(text)
    with suppress(*REFUSALS):
        verifier.verify(LOG.text(), bytes(72))
    cosignature.parse_log_verifier(text)


@target(parse_checkpoint, parse_origin, seeds=lambda: [LOG.text(), LOG.text(0)], refusals=REFUSALS)
def checkpoint_text(data: bytes) -> None:
    """Any bytes give a checkpoint that writes the same bytes, or the log's errors."""
    read = parse_checkpoint(data)
    assert (read.encode(), parse_origin(data)) == (data, read.origin)


@target(parse_decimal, seeds=decimals, refusals=REFUSALS, longest=32)
def decimal(data: bytes) -> None:
    """Any text gives a number of which it is the one spelling, or the log's errors."""
    text = data.decode("utf-8", errors="replace")
    assert str(parse_decimal(text)) == text


@target(parse_hash, seeds=lambda: [b64encode(bytes(32)).encode()], refusals=REFUSALS, longest=64)
def hash_text(data: bytes) -> None:
    """Any text gives a hash of which it is the one spelling, or the log's errors."""
    text = data.decode("utf-8", errors="replace")
    assert b64encode(parse_hash(text)) == text


@target(verify_checkpoint, judge_checkpoints, seeds=notes, refusals=(LogError,), longest=2**13)
def witnessed_checkpoint(data: bytes) -> None:
    """Any bytes give a checkpoint that a quorum saw, or the log's errors."""
    judge_checkpoints(data, LOG.note(), LOG.policy)
    assert verify_checkpoint(data, LOG.policy).note == data


@target(parse_proof, verify_proof, seeds=proofs, refusals=REFUSALS, longest=2**13)
def proof_file(data: bytes) -> None:
    """Any bytes give a proof file that writes the same bytes, or the log's errors."""
    read = parse_proof(data)
    assert data == format_proof(
        index=read.index, hashes=read.hashes, checkpoint=read.checkpoint, extra=read.extra
    )
    verify_proof(data, leaf_hash(read.extra or b""), LOG.policy)


@target(
    add_checkpoint.parse_request,
    add_checkpoint.read_request,
    add_checkpoint.decide,
    seeds=requests,
    refusals=REFUSALS,
    longest=2**13,
)
def witness_request(data: bytes) -> None:
    """Any bytes give a request that writes the same bytes and has an answer, or the errors."""
    request = add_checkpoint.read_request(data)
    if isinstance(request, add_checkpoint.Request):
        found = add_checkpoint.decide(
            request,
            logs=LOGS,
            state=add_checkpoint.WitnessState(),
            signers=[LOG.witnesses[0], ML_DSA],
            now=NOW,
        )
        assert found.status in (200, 400, 403, 404, 409, 422)
    assert add_checkpoint.parse_request(data).encode() == data


@target(add_checkpoint.parse_size_answer, seeds=lambda: [b"0\n", b"17\n"], refusals=REFUSALS)
def size_answer(data: bytes) -> None:
    """Any bytes give a size of which they are the one spelling, or the log's errors."""
    assert b"%d\n" % add_checkpoint.parse_size_answer(data) == data


@target(tile.parse_path, seeds=paths, refusals=REFUSALS, longest=128)
def tile_path(data: bytes) -> None:
    """Any text gives a tile's path that writes the same text, or the log's errors."""
    text = data.decode("utf-8", errors="replace")
    assert str(tile.parse_path(text)) == text


@target(tile.parse_bundle, tile.parse_hash_tile, seeds=bundles, refusals=REFUSALS)
def tile_bytes(data: bytes) -> None:
    """Any bytes give the entries or hashes that were asked for, or the log's errors."""
    with suppress(*REFUSALS):
        tile.parse_hash_tile(data, max(1, len(data) // 32))
    assert tile.encode_bundle(tile.parse_bundle(data, 2)) == data


@target(
    judge_entries,
    seeds=lambda: [status_entry(LOG), status_entry(LOG, 7)],
    refusals=REFUSALS,
    longest=2**13,
)
def kept_entry(data: bytes) -> None:
    """Any bytes give a judgement on two entries, or the log's errors."""
    judge_entries(
        data,
        status_entry(LOG),
        status_signers=LOG.signers(LOG.status),
        service_signers=LOG.signers(LOG.service),
    )

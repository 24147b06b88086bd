"""C2SP transparency logs: notes, keys, proofs, tiles and a witness's conversation (format 3.11)."""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.conformance.standard_cases.contract import (
    CaseFile,
    MismatchError,
    Row,
    RowData,
    failing,
    flipped,
    listed,
    require_equal,
    require_expect,
    require_keys,
    require_refusal,
    unhex,
)
from transparency_log import add_checkpoint, cosignature, merkle, note, proof, tile
from transparency_log.checkpoint import parse_checkpoint, parse_origin
from transparency_log.errors import LogError, MalformedKeyError, MalformedProofError

NOW = 1_700_000_000
"""The witness's clock; no vector depends on it."""


def case_file(name: str) -> CaseFile | None:
    """Give the reader of one case file."""
    return FILES.get(name)


def _note(row: RowData) -> None:
    require_keys(row, "note", "vkeys", "expect")
    data = row["note"].encode()
    verifiers = [cosignature.parse_verifier(vkey) for vkey in row["vkeys"]]
    unverified = note.parse_note(data)
    if row["expect"] == "valid":
        opened = note.open_note(data, verifiers)
        require_equal("text", unverified.unverified_text, opened.text)
        require_refusal(LogError, "changed text", lambda: _open(flipped(data), verifiers))
    elif str(row["expect"]).startswith("parses"):
        require_refusal(LogError, "note without a trusted key", lambda: _open(data, verifiers))
    else:
        raise MismatchError(f"unknown expect {row['expect']!r}")
    _note_values(row, unverified)


def _open(data: bytes, verifiers: list[note.Verifier]) -> None:
    note.open_note(data, verifiers)


def _note_values(row: RowData, unverified: note.UnverifiedNote) -> None:
    text = unverified.unverified_text
    if "size" in row:
        checkpoint = parse_checkpoint(text)
        require_equal("size", row["size"], checkpoint.size)
        if "root_hash" in row:
            require_equal("root_hash", row["root_hash"], b64encode(checkpoint.root).decode())
    if "origin" in row:
        require_equal("origin", row["origin"], parse_origin(text))
    if "origin_sha256_path" in row:
        digest = hashlib.sha256(parse_origin(text).encode()).hexdigest()
        require_equal("origin_sha256_path", row["origin_sha256_path"], digest)
    if "cosignature_timestamp" in row:
        require_equal("cosignature_timestamp", row["cosignature_timestamp"], _timestamp(unverified))
    if "signed_message" in row:
        message = cosignature.signed_message(text, _timestamp(unverified))
        require_equal("signed_message", row["signed_message"].encode(), message)


def _timestamp(unverified: note.UnverifiedNote) -> int:
    """Read the time of the last line that has the length of a cosignature."""
    for line in reversed(unverified.signatures):
        if len(line.signature) in (8 + cosignature.ED25519_SIZE, 8 + cosignature.ML_DSA_44_SIZE):
            return cosignature.parse_cosignature(line.signature).timestamp
    raise MismatchError("no line is a cosignature")


def _vkey(row: RowData) -> None:
    require_keys(row, "vkey", "expect")
    if row["expect"] == "valid":
        require_equal("vkey", row["vkey"], str(cosignature.parse_verifier(row["vkey"]).key))
    else:
        require_refusal(MalformedKeyError, "vkey", lambda: _parse_vkey(row["vkey"]))


def _parse_vkey(text: str) -> None:
    cosignature.parse_verifier(text)


def _proof(row: RowData) -> None:
    require_keys(row, "proof")
    data = row["proof"].encode()
    if require_expect(row, "parses", "rejected") == "rejected":
        require_refusal(MalformedProofError, "proof", lambda: _parse_proof(data))
        return
    require_keys(row, "index", "hashes", "checkpoint")
    found = proof.parse_proof(data)
    extra = b64decode(row["extra"]) if row.get("extra") is not None else None
    require_equal("index", row["index"], found.index)
    require_equal("hashes", tuple(b64decode(value) for value in row["hashes"]), found.hashes)
    require_equal("checkpoint", row["checkpoint"].encode(), found.checkpoint)
    require_equal("extra", extra, found.extra)
    written = proof.format_proof(
        index=found.index, hashes=found.hashes, checkpoint=found.checkpoint, extra=found.extra
    )
    require_equal("written again", data, written)


def _parse_proof(data: bytes) -> None:
    proof.parse_proof(data)


def _paths(document: Any, _folder: Path) -> Iterator[Row]:
    for number, row in enumerate(_list(document, "cases")):
        if isinstance(row, dict) and isinstance(row.get("path"), str):
            yield Row(id=row["path"], check=partial(_path, row))
        else:
            yield failing(f"row {number}", "unknown row shape: no path")


def _path(row: RowData) -> None:
    require_keys(row, "index")
    if ("level" in row) == (row.get("entries") is True):
        raise MismatchError("unknown row shape: expected one of level and entries")
    path = tile.TilePath(
        level=row.get("level"), index=row["index"], width=row.get("width", tile.TILE_WIDTH)
    )
    require_equal("path", row["path"], str(path))
    require_equal("parsed", path, tile.parse_path(row["path"]))


def _tiles(row: RowData) -> None:
    if "files" in row:
        require_keys(row, "checkpoints", "vkey", "origin")
        files = {path: unhex(data) for path, data in row["files"].items()}
        verifier = cosignature.parse_verifier(row["vkey"])
        for size, text in row["checkpoints"].items():
            _tree_of_size(int(size), text.encode(), verifier, row["origin"], files)
    else:
        require_keys(row, "tiles", "size", "root_hash")
        files = {path: unhex(data) for path, data in row["tiles"].items()}
        _tree(row["size"], _hash(row["root_hash"]), files)


def _hash(text: str) -> bytes:
    return unhex(text) if len(text) == 64 else b64decode(text)


def _tree_of_size(
    size: int, text: bytes, verifier: note.Verifier, origin: str, files: dict[str, bytes]
) -> None:
    checkpoint = parse_checkpoint(note.open_note(text, [verifier]).text)
    require_equal("origin", origin, checkpoint.origin)
    require_equal("size", size, checkpoint.size)
    _tree(size, checkpoint.root, files)
    for index in range(-(-size // tile.TILE_WIDTH)):
        path = tile.bundle_path(index, size)
        entries = tile.parse_bundle(files[str(path)], path.width)
        leaves = b"".join(merkle.leaf_hash(entry) for entry in entries)
        require_equal(str(path), files[str(tile.hash_tile_path(0, index, size))], leaves)


def _tree(size: int, root: bytes, files: dict[str, bytes]) -> None:
    """Check every tile above level 0 against the full tiles below, and the leaves to the root."""
    leaves: list[bytes] = []
    for path in tile.new_tiles(0, size):
        if path.level is None:
            continue
        hashes = tile.parse_hash_tile(files[str(path)], path.width)
        if path.level == 0:
            leaves.extend(hashes)
            continue
        first = path.index * tile.TILE_WIDTH
        for position, found in enumerate(hashes):
            below = tile.TilePath(level=path.level - 1, index=first + position)
            full = tile.parse_hash_tile(files[str(below)], tile.TILE_WIDTH)
            require_equal(str(path), merkle.tree_root(full), found)
    require_equal("root", root, merkle.tree_root(leaves))


def _witness(document: Any, _folder: Path) -> Iterator[Row]:
    requests = _list(document, "requests")
    verifier = cosignature.parse_log_verifier(document["log_vkey"])
    conversation = _Conversation({document.get("origin", verifier.key.name): [verifier]})
    for number, row in enumerate(requests):
        if isinstance(row, dict) and isinstance(row.get("id"), str):
            yield Row(id=row["id"], check=partial(conversation.take, row))
        else:
            yield failing(f"row {number}", "not an object with an id")


class _Conversation:
    """One fresh witness; keeps what it decided between the rows."""

    def __init__(self, logs: dict[str, list[note.Verifier]]) -> None:
        self._logs = logs
        key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
        self._signer = cosignature.CosignatureSigner(name="witness.example", private_key=key)
        self._state = add_checkpoint.WitnessState()

    def take(self, row: RowData) -> None:
        """Answer one request, and compare the answer with what the row says of it."""
        require_keys(row, "request_body", "status")
        request = add_checkpoint.read_request(row["request_body"].encode())
        if isinstance(request, add_checkpoint.Request):
            decision = add_checkpoint.decide(
                request, logs=self._logs, state=self._state, signers=[self._signer], now=NOW
            )
        else:
            decision = request
        self._state = decision.state or self._state
        require_equal("status", row["status"], decision.status)
        if "response_body" in row:
            require_equal("response_body", row["response_body"].encode(), decision.body)
        if decision.status == 200:
            self._check_cosignature(row["request_body"].encode(), decision.body)
        self._check_description(row.get("response"), decision.body)

    def _check_cosignature(self, body: bytes, answer: bytes) -> None:
        asked = note.parse_note(add_checkpoint.parse_request(body).note).unverified_text
        verifier = cosignature.CosignatureVerifier(key=self._signer.key)
        note.open_note(asked + b"\n" + answer, [verifier])

    def _check_description(self, response: object, body: bytes) -> None:
        match response:
            case None:
                pass
            case "one cosignature line":
                require_equal("lines", 1, len(body.splitlines()))
            case str() if response.startswith("body == "):
                expected = response.removeprefix("body == ")
                require_equal("body", expected.strip('"').replace("\\n", "\n"), body.decode())
            case str() if response.startswith("body contains "):
                pass  # our wording counts
            case _:
                raise MismatchError(f"unknown response {response!r}")


def _list(document: Any, key: str) -> list[Any]:
    if not isinstance(document, dict) or not isinstance(document.get(key), list):
        raise MismatchError(f"expected an object with a list {key!r}")
    found: list[Any] = document[key]
    return found


FILES = {
    "notes.json": listed(_note),
    "proof-format.json": listed(_proof),
    "tile-paths.json": CaseFile(rows=_paths),
    "tiles.json": listed(_tiles),
    "vkeys.json": listed(_vkey),
    "witness-add-checkpoint.json": CaseFile(rows=_witness),
}

"""sealing: our own format, written by a second implementation: every byte, and every refusal."""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openpcc.protocol import sealing
from openpcc.protocol.errors import (
    MalformedError,
    ProtocolError,
    TruncatedError,
    UnknownKeyError,
    UnsealableError,
    UnsupportedError,
    by_code,
)
from openpcc.protocol.hpke import Encapsulation
from openpcc.protocol.hpke.dhkem import DHKEM
from openpcc.protocol.sealing import content, records
from openpcc.protocol.sealing.keys import NodeKey, NodePrivateKey
from openpcc.protocol.sealing.reply import ReplySecret
from openpcc.protocol.sealing.request import SealedRequest, Terms, seal_with
from openpcc.protocol.sealing.unsealing import Prefix, Unwrapped
from tests.conformance.standard_cases.contract import (
    CaseFile,
    MismatchError,
    Row,
    RowData,
    require_equal,
    require_expect,
    require_keys,
    rows_of,
    unhex,
)

CASE_KEYS = (
    *("kem_id", "kdf_id", "aead_id", "candidates", "model", "expires", "max_output"),
    *("content_secret", "request_id", "tokens", "header", "request_digest", "request_prk"),
    *("request_key", "request_nonce", "request_message", "request_records", "sealed_request"),
    *("redemption", "serving_index", "response_nonce", "response_secret", "response_prk"),
    *("response_key", "response_nonce_base", "receipt_salt", "response_pieces"),
    *("response_records", "response_message", "sealed_response"),
)
CANDIDATE_KEYS = (
    *("private_key", "key_config", "key_id", "enc", "ephemeral_private_key", "shared_secret"),
)
REFUSALS = (UnsupportedError, MalformedError, TruncatedError, UnknownKeyError, UnsealableError)


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A case rebuilt: the client's request and the nodes' keys."""

    request: SealedRequest
    keys: tuple[NodePrivateKey, ...]

    def serving(self, row: RowData) -> NodePrivateKey:
        """Give the key of the candidate that serves."""
        return self.keys[row["serving_index"]]


def case_file(name: str) -> CaseFile | None:
    """Read `vectors.json`."""
    return CaseFile(rows=_rows) if name == "vectors.json" else None


def _rows(document: Any, _folder: Path) -> Iterable[Row]:
    if not isinstance(document, dict) or not {"cases", "refused"} & set(document):
        raise MismatchError("expected an object with cases and refused")
    cases = document.get("cases", [])
    by_id = {row["id"]: row for row in cases if isinstance(row, dict) and "id" in row}
    yield from rows_of(cases, _check_case)
    yield from rows_of(document.get("refused", []), functools.partial(_check_refused, by_id))


def _check_case(row: RowData) -> None:
    require_keys(row, *CASE_KEYS)
    sealed = _seal(row)
    _check_request(row, sealed.request)
    _check_redemption(row, sealed.request.request_digest)
    for index, key in enumerate(sealed.keys):
        unwrapped = _unwrap(unhex(row["sealed_request"]), key)
        require_equal("index", index, unwrapped.index)
        opened = unwrapped.open_content(unhex(row["sealed_request"]))
        require_equal("opened request", unhex(row["request_message"]), opened)
    _check_reply(row, sealed)


def _seal(row: RowData) -> Sealed:
    """Seal with the row's own secrets."""
    keys = tuple(_key(candidate) for candidate in row["candidates"])
    made = [
        _encapsulation(candidate, key)
        for candidate, key in zip(row["candidates"], keys, strict=True)
    ]
    terms = Terms(
        model=row["model"],
        expires=row["expires"],
        max_output=row["max_output"],
        token_digest=sealing.token_digest(unhex(token) for token in row["tokens"]),
    )
    request = seal_with(
        [key.node_key for key in keys],
        made,
        unhex(row["request_message"]),
        terms,
        content_secret=unhex(row["content_secret"]),
    )
    return Sealed(request=request, keys=keys)


def _key(candidate: RowData) -> NodePrivateKey:
    require_keys(candidate, *CANDIDATE_KEYS)
    node_key = NodeKey.parse(unhex(candidate["key_config"]))
    require_equal("key_id", unhex(candidate["key_id"]), node_key.id)
    return NodePrivateKey(node_key, unhex(candidate["private_key"]))


def _encapsulation(candidate: RowData, key: NodePrivateKey) -> Encapsulation:
    """Remake it from the ephemeral key; X-Wing's is listed, and must at least decapsulate."""
    enc = unhex(candidate["enc"])
    kem = key.node_key.suite.kem
    if isinstance(kem, DHKEM):
        ephemeral = kem.load_private(unhex(candidate["ephemeral_private_key"]))
        made = kem.encapsulate_with(ephemeral, key.node_key.public)
        require_equal("enc", enc, made.enc)
        return made
    secret = unhex(candidate["shared_secret"])
    require_equal("shared_secret", secret, key.private.decapsulate(enc))
    return Encapsulation(enc=enc, shared_secret=secret)


def _check_request(row: RowData, request: SealedRequest) -> None:
    suite = request.header.suite
    for name in ("kem_id", "kdf_id", "aead_id"):
        require_equal(name, row[name], getattr(suite, name))
    require_equal("request_id", unhex(row["request_id"]), request.header.request_id)
    require_equal("header", unhex(row["header"]), request.header.encode())
    require_equal("request_digest", unhex(row["request_digest"]), request.request_digest)
    keys = content.content_keys(suite, unhex(row["content_secret"]), request.request_digest)
    require_equal("request_prk", unhex(row["request_prk"]), keys.prk)
    require_equal("request_key", unhex(row["request_key"]), keys.key)
    require_equal("request_nonce", unhex(row["request_nonce"]), keys.nonce)
    message = unhex(row["request_message"])
    bucket = records.bucket_for(len(message), limit=sealing.MAX_REQUEST)
    made = records.request_records(message, bucket)
    require_equal("request_records", [unhex(record) for record in row["request_records"]], made)
    joined = b"".join(records.decode_record(record) for record in made)
    require_equal("joined records", message, joined)
    require_equal("sealed_request", unhex(row["sealed_request"]), request.body)


def _check_redemption(row: RowData, digest: bytes) -> None:
    for entry in row["redemption"]:
        require_keys(entry, "private_key", "token_nonce", "proof")
        private = Ed25519PrivateKey.from_private_bytes(unhex(entry["private_key"]))
        nonce = sealing.holder_nonce(private.public_key().public_bytes_raw())
        require_equal("token_nonce", unhex(entry["token_nonce"]), nonce)
        proof = sealing.redemption_proof(private, digest)
        require_equal("proof", unhex(entry["proof"]), proof)
        sealing.check_proof(proof, nonce=nonce, request_digest=digest)


def _check_reply(row: RowData, sealed: Sealed) -> None:
    unwrapped = _unwrap(unhex(row["sealed_request"]), sealed.serving(row))
    nonce = unhex(row["response_nonce"])
    for secret in (unwrapped._reply, sealed.request._replies[row["serving_index"]]):
        _check_reply_keys(row, secret, nonce)
    sealer = unwrapped.seal_reply_with(nonce)
    require_equal("receipt_salt", unhex(row["receipt_salt"]), sealer.receipt_salt)
    body = sealer.head() + b"".join(_reply_records(row, sealer))
    require_equal("sealed_response", unhex(row["sealed_response"]), body)
    pieces = [unhex(piece) for piece in row["response_pieces"]]
    require_equal("response_message", unhex(row["response_message"]), b"".join(pieces))
    for size in (len(body), 1):
        opener = sealed.request.open_reply()
        opened = _drain(opener, body, size)
        require_equal("opened pieces", [piece for piece in pieces if piece], opened)
        require_equal("index", row["serving_index"], opener.index)
        require_equal("salt of the client", sealer.receipt_salt, opener.receipt_salt)


def _check_reply_keys(row: RowData, secret: ReplySecret, nonce: bytes) -> None:
    require_equal("response_secret", unhex(row["response_secret"]), secret.secret)
    keys = secret.keys(nonce)
    require_equal("response_prk", unhex(row["response_prk"]), keys.prk)
    require_equal("response_key", unhex(row["response_key"]), keys.key)
    require_equal("response_nonce_base", unhex(row["response_nonce_base"]), keys.nonce)


def _reply_records(row: RowData, sealer: sealing.ReplySealer) -> Iterable[bytes]:
    """Seal each piece in the pace that its record shows, after comparing the record."""
    require_equal("records", len(row["response_pieces"]), len(row["response_records"]))
    last = len(row["response_pieces"]) - 1
    for number, (piece, record) in enumerate(
        zip(row["response_pieces"], row["response_records"], strict=True)
    ):
        data, expected = unhex(piece), unhex(record)
        require_equal("piece of the record", data, records.decode_record(expected))
        if [expected] == records.padded_records(data):
            yield sealer.record(data, final=number == last)
        elif expected == records.paced_record(data):
            yield sealer.paced_record(data, final=number == last)
        else:
            raise MismatchError("a response record is of neither pace")


def _check_refused(cases: Mapping[str, RowData], row: RowData) -> None:
    require_keys(row, "base", "part")
    code = require_expect(row, *(error.code for error in REFUSALS))
    base = cases[row["base"]]
    wire = _wire(row, base)
    sealed = _seal(base)
    for size in (max(len(wire), 1), 1009):
        if row["part"] == "request":
            found = _refusal_of_request(wire, sealed.serving(base))
        elif row["part"] == "response":
            found = _refusal_of_reply(wire, sealed.request, size)
        else:
            raise MismatchError(f"unknown part {row['part']!r}")
        require_equal("refusal", by_code(code).code, found)


def _wire(row: RowData, base: RowData) -> bytes:
    """Give the row's bytes, or the base's with a splice: offset, bytes removed, hex inserted."""
    if "bytes" in row:
        return unhex(row["bytes"])
    require_keys(row, "splice")
    offset, removed, inserted = row["splice"]
    wire = unhex(base["sealed_request" if row["part"] == "request" else "sealed_response"])
    return wire[:offset] + unhex(inserted) + wire[offset + removed :]


def _refusal_of_request(body: bytes, key: NodePrivateKey) -> str:
    try:
        _unwrap(body, key).open_content(body)
    except ProtocolError as error:
        return error.code
    raise MismatchError("the request opened")


def _refusal_of_reply(body: bytes, request: SealedRequest, size: int) -> str:
    opener = request.open_reply()
    try:
        _drain(opener, body, size)
    except ProtocolError as error:
        require_equal("complete", False, opener.complete)
        return error.code
    raise MismatchError("the reply opened")


def _unwrap(body: bytes, key: NodePrivateKey) -> Unwrapped:
    prefix = Prefix.parse(body)
    return prefix.unwrap(prefix.select({key.id: key}))


def _drain(opener: sealing.ReplyOpener, body: bytes, size: int) -> list[bytes]:
    pieces = [
        piece for at in range(0, len(body), size) for piece in opener.feed(body[at : at + size])
    ]
    pieces += opener.finish()
    require_equal("complete", True, opener.complete)
    return pieces

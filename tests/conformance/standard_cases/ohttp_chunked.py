"""ohttp-chunked: the draft's exchange chunk by chunk, and mutations of it."""

from collections.abc import Callable

from openpcc.protocol import bhttp, chunked_ohttp, ohttp, varint
from openpcc.protocol.chunked_ohttp import ClientRequest, GatewayRequest, ResponseOpener
from openpcc.protocol.errors import MalformedError, ProtocolError, TruncatedError, UnsealableError
from openpcc.protocol.hpke import AEAD_AES_128_GCM, KDF_HKDF_SHA256, KEM_X25519, PrivateKey, Suite
from openpcc.protocol.key_config import KeyConfig
from tests.conformance.standard_cases import ohttp_rows
from tests.conformance.standard_cases.contract import (
    CaseFile,
    MismatchError,
    RowData,
    listed,
    require_equal,
    require_expect,
    require_keys,
    require_refusal,
    unhex,
)

# The keys of the draft's example, which mutations are made from and do not repeat.
EXAMPLE_GATEWAY = "1c190d72acdbe4dbc69e680503bb781a932c70a12c8f3754434c67d8640d8698"
EXAMPLE_SECRET = "1d4484834ae36102a6ac42a5523454d9"
EXAMPLE_ENC = "8811eb457e100811c40a0aa71340a1b81d804bb986f736f2f566a7199761a032"

Open = Callable[[bytes], bytes]


def case_file(name: str) -> CaseFile | None:
    """Read `vectors.json` and `mutations.json`."""
    files = {"vectors.json": _check_exchange, "mutations.json": _check_mutation}
    return listed(files[name]) if name in files else None


def _check_exchange(row: RowData) -> None:
    require_expect(row, "pass")
    require_keys(row, *ohttp_rows.KEYS, "request_chunks", "response_chunks")
    ohttp_rows.check_texts(
        row,
        chunked_ohttp.LABELS,
        chunked_ohttp.REQUEST_MEDIA_TYPE,
        chunked_ohttp.RESPONSE_MEDIA_TYPE,
    )
    exchange = ohttp_rows.exchange(row, chunked_ohttp.LABELS)
    client = ClientRequest(exchange.header, exchange.made)
    wires = _check_chunks(row["request_chunks"], "seq", client.seal)
    request = client.head + b"".join(wires)
    require_equal("encapsulated_request", unhex(row["encapsulated_request"]), request)
    _check_message(row["request_chunks"], unhex(row["request_bhttp"]))
    bhttp.decode_request(unhex(row["request_bhttp"]))

    gateway = GatewayRequest.open(exchange.gateway, client.head)
    secret = ohttp.response_secret(exchange.header.suite, gateway._context, chunked_ohttp.LABELS)
    own = ohttp.response_secret(exchange.header.suite, client._context, chunked_ohttp.LABELS)
    ohttp_rows.check_response_keys(row, exchange, own, secret)
    sealer = gateway.seal_response_with(unhex(row["response_nonce"]))
    replies = _check_chunks(row["response_chunks"], "counter", sealer.seal)
    _check_nonces(row)
    response = sealer.head() + b"".join(replies)
    require_equal("encapsulated_response", unhex(row["encapsulated_response"]), response)
    _check_message(row["response_chunks"], unhex(row["response_bhttp"]))
    bhttp.decode_response(unhex(row["response_bhttp"]))

    def open_request(body: bytes) -> bytes:
        return _open_request(exchange.gateway, body)

    def open_response(body: bytes) -> bytes:
        return _drain(ResponseOpener(exchange.header.suite, exchange.made.enc, own), body)

    require_equal("opened request", unhex(row["request_bhttp"]), open_request(request))
    require_equal("opened response", unhex(row["response_bhttp"]), open_response(response))
    _check_broken(client.head, wires, open_request)
    _check_broken(sealer.head(), replies, open_response)


def _check_chunks(rows: list[RowData], number: str, seal: Callable[..., bytes]) -> list[bytes]:
    """Seal every listed chunk and compare its bytes; the last one, and no other, is final."""
    wires = []
    for position, chunk in enumerate(rows):
        require_keys(chunk, number, "plaintext", "aad", "wire")
        final = position == len(rows) - 1
        require_equal(number, chunk[number], position)
        require_equal("final", bool(chunk.get("final", False)), final)
        require_equal("aad", unhex(chunk["aad"]), b"final" if final else b"")
        wire = seal(unhex(chunk["plaintext"]), final=final)
        require_equal("wire", unhex(chunk["wire"]), wire)
        wires.append(wire)
    return wires


def _check_nonces(row: RowData) -> None:
    base = int(row["aead_nonce"], 16)
    for chunk in row["response_chunks"]:
        require_equal("nonce", int(chunk["nonce"], 16), base ^ chunk["counter"])


def _check_message(rows: list[RowData], message: bytes) -> None:
    joined = b"".join(unhex(chunk["plaintext"]) for chunk in rows)
    require_equal("joined plaintexts", message, joined)


def _check_broken(head: bytes, wires: list[bytes], open_body: Open) -> None:
    """Drop, swap and relabel chunks: each must end in the right error, never in a normal end."""
    body = head + b"".join(wires[:-1])
    require_refusal(TruncatedError, "without the last chunk", lambda: open_body(body))
    require_refusal(TruncatedError, "without any chunk", lambda: open_body(head))
    require_refusal(TruncatedError, "cut head", lambda: open_body(head[:-1]))
    if len(wires) > 2:
        swapped = head + b"".join([wires[1], wires[0], *wires[2:]])
        require_refusal(UnsealableError, "chunks swapped", lambda: open_body(swapped))
    if len(wires) > 1:
        as_final = head + b"".join(wires[:-2]) + b"\x00" + wires[-2][_prefix(wires[-2]) :]
        require_refusal(UnsealableError, "taken as final", lambda: open_body(as_final))
    sealed = wires[-1][1:]
    as_other = body + varint.encode(len(sealed)) + sealed
    require_refusal(
        (UnsealableError, MalformedError), "taken as non-final", lambda: open_body(as_other)
    )


def _prefix(wire: bytes) -> int:
    return 1 << (wire[0] >> 6)


def _check_mutation(row: RowData) -> None:
    require_keys(row, "direction", "wire")
    open_body = _example(row["direction"])
    wire = unhex(row["wire"])
    if require_expect(row, "accept", "reject") == "accept":
        require_keys(row, "plaintext")
        require_equal("plaintext", unhex(row["plaintext"]), open_body(wire))
    else:
        require_refusal(ProtocolError, "the mutation", lambda: open_body(wire))


def _example(direction: object) -> Open:
    """Give what opens a body with the keys of the draft's example."""
    suite = Suite(KEM_X25519, KDF_HKDF_SHA256, AEAD_AES_128_GCM)
    if direction == "response":
        secret, enc = bytes.fromhex(EXAMPLE_SECRET), bytes.fromhex(EXAMPLE_ENC)
        return lambda body: _drain(ResponseOpener(suite, enc, secret), body)
    if direction != "request":
        raise MismatchError(f"unknown direction {direction!r}")
    private = PrivateKey.load(KEM_X25519, bytes.fromhex(EXAMPLE_GATEWAY))
    config = KeyConfig(
        key_id=1,
        kem_id=KEM_X25519,
        public_key=private.public.raw,
        algorithms=((KDF_HKDF_SHA256, AEAD_AES_128_GCM),),
    )
    key = ohttp.GatewayKey(config=config, private=private)
    return lambda body: _open_request(key, body)


def _open_request(key: ohttp.GatewayKey, body: bytes) -> bytes:
    size = GatewayRequest.head_size(key)
    return _drain(GatewayRequest.open(key, body[:size]), body[size:])


def _drain(opener: ResponseOpener | GatewayRequest, body: bytes) -> bytes:
    """Open a whole body: all pieces, or an error."""
    pieces = [*opener.feed(body), *opener.finish()]
    if not opener.complete:
        raise MismatchError("ended without being complete")
    return b"".join(pieces)

"""Receipts: the node's signed word on what it served, checked offline, years later.

docs/formats.md section 5. A receipt is worth what the attested receipt key is worth: keep the
evidence bundle beside it. Its digests are salted, so that nobody without the salt can test a guess.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from attestation import strict_json
from openpcc.errors import ReceiptError

LABEL = b"openpcc receipt v1\x00"
REQUEST_LABEL = b"openpcc receipt request v1\x00"
RESPONSE_LABEL = b"openpcc receipt response v1\x00"
MAX_RECEIPT = 16384
"""Bytes of a receipt document; a genuine one has about 1500."""


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """A receipt whose signature was verified."""

    request: bytes
    response: bytes
    request_digest: bytes
    release: bytes
    model: str
    model_digest: bytes
    not_before: int
    not_after: int
    binding: bytes
    engine: str
    engine_version: str
    parameters: bytes
    prompt_tokens: int
    completion_tokens: int
    issued: int


def verify(field: str, key: bytes) -> Receipt:
    """Check the signature of the trailer field `openpcc-receipt` and read what it covers.

    Args:
        field: base64 of the receipt document.
        key: the attested Ed25519 receipt key, 32 bytes.

    Raises:
        ReceiptError: malformed, or not signed by that key.
    """
    try:
        body, signature = parse_document(strict_json.b64decode(field))
        Ed25519PublicKey.from_public_bytes(key).verify(signature, LABEL + body)
        return parse_body(body)
    except strict_json.StrictJSONError as error:
        raise ReceiptError(str(error)) from error
    except InvalidSignature as error:
        raise ReceiptError("the receipt is not signed by the attested receipt key") from error


def request_hash(salt: bytes, message: bytes) -> bytes:
    """Digest the Binary HTTP request that was sealed, with the reply's receipt salt."""
    return hashlib.sha256(REQUEST_LABEL + salt + message).digest()


def response_hasher(salt: bytes) -> "hashlib._Hash":
    """Begin the digest of the Binary HTTP response; it ends before the trailer section."""
    return hashlib.sha256(RESPONSE_LABEL + salt)


def check_exchange(
    receipt: Receipt, *, request_digest: bytes, request: bytes, response: bytes
) -> None:
    """Hold a receipt against the exchange it came with.

    Args:
        receipt: a verified receipt.
        request_digest: SHA-256 of the sealed request's prefix.
        request: see `request_hash`.
        response: see `response_hasher`.

    Raises:
        ReceiptError: it is a receipt of another exchange.
    """
    expected = {
        "request digest": (receipt.request_digest, request_digest),
        "request": (receipt.request, request),
        "response": (receipt.response, response),
    }
    for name, (found, wanted) in expected.items():
        if found != wanted:
            raise ReceiptError(f"the receipt's {name} is not that of this exchange")


def check_node(
    receipt: Receipt, *, release: bytes | None, binding: bytes, models: Sequence[str]
) -> None:
    """Hold a receipt against the evidence of the node that signed it.

    Args:
        receipt: a verified receipt.
        release: the release its evidence names.
        binding: the digest over the sections of its evidence.
        models: the models its evidence names.

    Raises:
        ReceiptError: it speaks of another release, evidence or model.
    """
    if receipt.release != release:
        raise ReceiptError("the receipt's release is not that of the node's evidence")
    if receipt.binding != binding:
        raise ReceiptError("the receipt's binding is not that of the node's evidence")
    if receipt.model not in models:
        raise ReceiptError("the receipt's model is none of the node's evidence")


def parse_document(data: bytes) -> tuple[bytes, bytes]:
    """Split a receipt document into the bytes that were signed and the signature, unverified.

    Raises:
        StrictJSONError: another spelling.
    """
    outer = strict_json.parse_object(data, limit=MAX_RECEIPT, name="receipt document")
    body = outer.data("receipt", limit=MAX_RECEIPT)
    signature = outer.data("signature", size=64)
    outer.end()
    return body, signature


def parse_body(body: bytes) -> Receipt:
    """Read what a receipt says; `verify` alone vouches for it.

    Raises:
        StrictJSONError: another spelling.
    """
    members = strict_json.parse_object(body, limit=MAX_RECEIPT, name="receipt")
    members.integer("version", low=1, high=1)
    model, epoch = members.child("model"), members.child("epoch")
    engine, tokens = members.child("engine"), members.child("tokens")
    receipt = Receipt(
        request=members.hex("request", size=32),
        response=members.hex("response", size=32),
        request_digest=members.hex("request_digest", size=32),
        release=members.hex("release", size=32),
        model=model.text("name"),
        model_digest=model.hex("digest", size=32),
        not_before=epoch.integer("not_before"),
        not_after=epoch.integer("not_after"),
        binding=members.hex("binding", size=64),
        engine=engine.text("name"),
        engine_version=engine.text("version"),
        parameters=members.hex("parameters", size=32),
        prompt_tokens=tokens.integer("prompt"),
        completion_tokens=tokens.integer("completion"),
        issued=members.integer("issued"),
    )
    for part in (model, epoch, engine, tokens, members):
        part.end()
    return receipt

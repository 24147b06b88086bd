"""Receipts: the node's signed word on what it served (docs/formats.md section 5).

Written here, read by `openpcc.receipts`. The digests are salted with a key of the reply, so nobody
but its two ends can test a guess of the prompt against a receipt.
"""

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from attestation.strict_json import b64encode, dumps
from node_image.agent.usage import TokenCounts

LABEL = b"openpcc receipt v1\x00"
REQUEST_LABEL = b"openpcc receipt request v1\x00"
RESPONSE_LABEL = b"openpcc receipt response v1\x00"


@dataclass(frozen=True, kw_only=True)
class Service:
    """What every receipt of an epoch says alike."""

    release: bytes
    model: str
    model_digest: bytes
    not_before: int
    not_after: int
    binding: bytes
    engine: str
    parameters: bytes


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """What one receipt says of one exchange; both digests are salted."""

    request: bytes
    response: bytes
    request_digest: bytes
    engine_version: str
    tokens: TokenCounts


def request_hash(salt: bytes, message: bytes) -> bytes:
    """Digest the Binary HTTP request that was sealed."""
    return hashlib.sha256(REQUEST_LABEL + salt + message).digest()


def response_hasher(salt: bytes) -> "hashlib._Hash":
    """Begin the digest of the Binary HTTP response; it ends before the trailer section."""
    return hashlib.sha256(RESPONSE_LABEL + salt)


def parameters_digest(arguments: tuple[str, ...]) -> bytes:
    """Digest the engine's argument list, each argument with its length."""
    digest = hashlib.sha256()
    for argument in arguments:
        text = argument.encode()
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.digest()


def sign(key: Ed25519PrivateKey, service: Service, exchange: Exchange, *, issued: int) -> str:
    """Write the value of the trailer field `openpcc-receipt`."""
    body = dumps(
        {
            "version": 1,
            "request": exchange.request.hex(),
            "response": exchange.response.hex(),
            "request_digest": exchange.request_digest.hex(),
            "release": service.release.hex(),
            "model": {"name": service.model, "digest": service.model_digest.hex()},
            "epoch": {"not_before": service.not_before, "not_after": service.not_after},
            "binding": service.binding.hex(),
            "engine": {"name": service.engine, "version": exchange.engine_version},
            "parameters": service.parameters.hex(),
            "tokens": {
                "prompt": exchange.tokens.prompt,
                "completion": exchange.tokens.completion,
            },
            "issued": issued,
        }
    )
    signature = key.sign(LABEL + body)
    return b64encode(dumps({"receipt": b64encode(body), "signature": b64encode(signature)}))

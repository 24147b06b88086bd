"""Holder binding of tokens: the proof that pays for one request (sealing sheet, Redemption).

And the one that asks the token of a request back (docs/formats.md, 11), under a label of its own,
so that neither can be used as the other.

token nonce = SHA-256("openpcc token holder v1" ‖ 00 ‖ pk)      pk: a fresh Ed25519 key per token
proof       = pk(32) ‖ Ed25519("openpcc redemption v1" ‖ 00 ‖ request_digest)(64)
reclaim     = pk(32) ‖ Ed25519("openpcc token reclaim v1" ‖ 00 ‖ request_digest)(64)
"""

import hashlib
from collections.abc import Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from openpcc.protocol.errors import MalformedError, UnsealableError

HOLDER_LABEL = b"openpcc token holder v1\x00"
REDEMPTION_LABEL = b"openpcc redemption v1\x00"
RECLAIM_LABEL = b"openpcc token reclaim v1\x00"

PUBLIC_SIZE = 32
PROOF_SIZE = 96
MAX_TOKENS = 64

NO_TOKENS = bytes(32)
"""The token digest of a request under open admission."""


def holder_nonce(public_key: bytes) -> bytes:
    """Give the nonce of a token that only this key's holder can spend."""
    return hashlib.sha256(HOLDER_LABEL + public_key).digest()


def redemption_proof(private: Ed25519PrivateKey, request_digest: bytes) -> bytes:
    """Sign one request with a token's key."""
    return _prove(private, REDEMPTION_LABEL + request_digest)


def reclaim_proof(private: Ed25519PrivateKey, request_digest: bytes) -> bytes:
    """Sign that a token's holder wants it back from one request."""
    return _prove(private, RECLAIM_LABEL + request_digest)


def check_proof(proof: bytes, *, nonce: bytes, request_digest: bytes) -> None:
    """Check that a proof pays for this request with the token of this nonce.

    Raises:
        MalformedError: not 96 bytes.
        UnsealableError: another token's key, or a signature over something else.
    """
    _check(proof, nonce, REDEMPTION_LABEL + request_digest)


def check_reclaim(proof: bytes, *, nonce: bytes, request_digest: bytes) -> None:
    """Check that the holder of the token of this nonce asks it back from this request.

    Raises:
        MalformedError: not 96 bytes.
        UnsealableError: another token's key, or a signature over something else.
    """
    _check(proof, nonce, RECLAIM_LABEL + request_digest)


def price(max_output: int, *, output: int) -> int:
    """Give the tokens that a request of this budget costs: its class is paid in full, no change.

    Args:
        max_output: most output tokens of the reply, a power of two (header).
        output: most of them that one token buys, a power of two (service entry, docs/formats.md).

    Raises:
        MalformedError: more than `MAX_TOKENS`, or open admission's budget of none.
    """
    count = max(1, max_output // output)
    if max_output == 0 or count > MAX_TOKENS:
        raise MalformedError(f"budget: expected a power of two up to {MAX_TOKENS * output}")
    return count


def token_digest(tokens: Iterable[bytes]) -> bytes:
    """Give the digest that binds the tokens, in order, into the header; zeros if there are none."""
    joined = b"".join(tokens)
    return hashlib.sha256(joined).digest() if joined else NO_TOKENS


def _prove(private: Ed25519PrivateKey, message: bytes) -> bytes:
    return private.public_key().public_bytes_raw() + private.sign(message)


def _check(proof: bytes, nonce: bytes, message: bytes) -> None:
    if len(proof) != PROOF_SIZE:
        raise MalformedError("redemption proof: expected 96 bytes")
    public, signature = proof[:PUBLIC_SIZE], proof[PUBLIC_SIZE:]
    if holder_nonce(public) != nonce:
        raise UnsealableError
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise UnsealableError from error

"""Issuance of tokens of type 0x0002 (RFC 9578, section 6), and our batches of it.

    TokenRequest   0002 ‖ truncated_token_key_id(1) ‖ blinded_msg(256)        259 bytes
    TokenResponse  blind_sig(256)

A batch is 1 to 64 TokenRequests back to back, all under one key, answered by as many TokenResponses
in the same order. A batch of one is exactly what the RFC has, and travels under its media types; a
longer one has ours (docs/formats.md, section 11). Every batch of a client should have the same
size, for the issuer sees it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from openpcc.protocol.errors import MalformedError, TooLargeError, UnsupportedError
from openpcc.protocol.privacypass.challenge import TOKEN_TYPE

REQUEST_MEDIA_TYPE = "application/private-token-request"
RESPONSE_MEDIA_TYPE = "application/private-token-response"
BATCH_REQUEST_MEDIA_TYPE = "application/vnd.openpcc.token-requests"
BATCH_RESPONSE_MEDIA_TYPE = "application/vnd.openpcc.token-responses"

BLINDED_SIZE = 256
REQUEST_SIZE = 2 + 1 + BLINDED_SIZE
RESPONSE_SIZE = 256

MAX_BATCH = 64
"""TokenRequests of a body: about 70 ms of signing, and as many tokens as one request may cost."""


@dataclass(frozen=True, kw_only=True)
class TokenRequest:
    """One blinded message, and the last byte of the id of the key that shall sign it."""

    truncated_key_id: int
    blinded: bytes

    def encode(self) -> bytes:
        """Write the request."""
        return TOKEN_TYPE.to_bytes(2, "big") + bytes([self.truncated_key_id]) + self.blinded

    @staticmethod
    def parse(data: bytes) -> "TokenRequest":
        """Read a request that fills `data`.

        Raises:
            UnsupportedError: another token type.
            MalformedError: another length.
        """
        if len(data) >= 2 and int.from_bytes(data[:2], "big") != TOKEN_TYPE:
            raise UnsupportedError("token request: expected token type 0x0002")
        if len(data) != REQUEST_SIZE:
            raise MalformedError(f"token request: expected {REQUEST_SIZE} bytes")
        return TokenRequest(truncated_key_id=data[2], blinded=data[3:])


def encode_batch(requests: Iterable[TokenRequest]) -> bytes:
    """Write the body of an issuance."""
    return b"".join(request.encode() for request in requests)


def parse_batch(body: bytes) -> tuple[TokenRequest, ...]:
    """Read the body of an issuance.

    Raises:
        TooLargeError: more than 64 requests.
        UnsupportedError: another token type.
        MalformedError: no whole number of requests, none, or not all of one key.
    """
    if len(body) > MAX_BATCH * REQUEST_SIZE:
        raise TooLargeError(f"token requests: at most {MAX_BATCH} are accepted")
    pieces = (body[at : at + REQUEST_SIZE] for at in range(0, len(body), REQUEST_SIZE))
    requests = tuple(TokenRequest.parse(piece) for piece in pieces)
    if len({request.truncated_key_id for request in requests}) != 1:
        raise MalformedError("token requests: expected one or more, all of one key")
    return requests


def encode_responses(signatures: Iterable[bytes]) -> bytes:
    """Write the answer to an issuance, in the order of the requests."""
    return b"".join(signatures)


def parse_responses(body: bytes, count: int) -> tuple[bytes, ...]:
    """Read the answer to an issuance of `count` requests.

    Raises:
        MalformedError: another length.
    """
    if not 1 <= count <= MAX_BATCH or len(body) != count * RESPONSE_SIZE:
        raise MalformedError(f"token responses: expected {count} of {RESPONSE_SIZE} bytes")
    return tuple(body[at : at + RESPONSE_SIZE] for at in range(0, len(body), RESPONSE_SIZE))

"""An issuer in memory, with the operator's own signing code, and open to being broken.

It keeps what an honest one keeps (which batches an account was charged for) and what only a test
knows: every blinded message it was ever asked to sign. `served` puts it behind a socket.
"""

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from openpcc.errors import IssuerError
from openpcc.protocol import messages, privacypass
from openpcc.protocol.privacypass import DirectoryKey, IssuerDirectory, IssuerKey
from tests.fakes import issuer_keys
from tests.fakes.issuer_keys import public as public_key
from tests.fakes.node import Exchange, FarEnd

NAME = "issuer.example"
CREDENTIAL = "a-key-of-this-account"


__all__ = ["CREDENTIAL", "NAME", "MemoryIssuer", "public_key", "served"]


class MemoryIssuer:
    """Answers as an issuer; `charged` is what it would bill."""

    def __init__(self, *numbers: int) -> None:
        self.keys = [issuer_keys.signer(number) for number in numbers or (0,)]
        self.charged: dict[bytes, int] = {}
        """Tokens charged for, by the digest of the batch."""
        self.asked: list[bytes] = []
        self.refusal: IssuerError | None = None
        self.break_signature = -1

    @property
    def tokens(self) -> int:
        return sum(self.charged.values())

    def directory(self) -> IssuerDirectory:
        keys = [IssuerKey(n=key.n, e=key.e) for key in self.keys]
        return IssuerDirectory(
            request_uri="/token-request",
            keys=tuple(DirectoryKey(token_type=2, token_key=key.spki) for key in keys),
        )

    def sign(self, body: bytes, count: int) -> tuple[bytes, ...]:
        self.asked.append(body)
        if self.refusal is not None:
            raise self.refusal
        requests = privacypass.parse_batch(body)
        assert len(requests) == count
        by_name = {IssuerKey(n=key.n, e=key.e).truncated_id: key for key in self.keys}
        key = by_name.get(requests[0].truncated_key_id)
        if key is None:
            raise IssuerError("unknown-token-key", 422, "no such key")
        self.charged[hashlib.sha256(body).digest()] = count
        signed = [key.blind_sign(request.blinded) for request in requests]
        if self.break_signature >= 0:
            signed[self.break_signature] = bytes(255) + b"\x02"
        return tuple(signed)


@contextmanager
def served(issuer: MemoryIssuer) -> Iterator[FarEnd]:
    """Put it behind a socket, as RFC 9578 and docs/formats.md, 11, say."""

    async def script(exchange: Exchange) -> None:
        if exchange.got.path == privacypass.DIRECTORY_PATH:
            kind = privacypass.DIRECTORY_MEDIA_TYPE
            return await exchange.answer(200, issuer.directory().encode(), [("content-type", kind)])
        if exchange.got.header("authorization") != f"Bearer {CREDENTIAL}":
            return await exchange.answer(401, messages.encode_error("account", "no"))
        body = exchange.got.body
        count = len(body) // privacypass.REQUEST_SIZE
        try:
            signed = await asyncio.to_thread(issuer.sign, body, count)
        except IssuerError as error:
            return await exchange.answer(error.status, messages.encode_error(error.code, "no"))
        kind = (
            privacypass.RESPONSE_MEDIA_TYPE
            if count == 1
            else "application/vnd.openpcc.token-responses"
        )
        data = privacypass.encode_responses(signed)
        return await exchange.answer(200, data, [("content-type", kind)])

    with FarEnd(script) as far:
        yield far

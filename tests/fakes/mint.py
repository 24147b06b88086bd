"""An issuer and a wallet in a few lines: tokens with their holders, and requests that they pay."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.publication import PublishedTokens
from gateway.rsa_private import PrivateKey
from gateway.spent import TokenName
from openpcc.protocol import bhttp, messages
from openpcc.protocol.payment import (
    RECLAIM_MEDIA_TYPE,
    CarriedToken,
    Reclaim,
    token_fields,
)
from openpcc.protocol.privacypass import IssuerKey, PendingToken, TokenChallenge
from openpcc.protocol.sealing import (
    NodeKey,
    SealedRequest,
    holder_nonce,
    reclaim_proof,
    redemption_proof,
    seal_request,
    token_digest,
)

ISSUER, ORIGIN = "issuer.example", "demo.example"
OUTPUT = 256


@dataclass(frozen=True, kw_only=True)
class HeldToken:
    """A token, and the key of whoever may spend it."""

    token: bytes = field(repr=False)
    holder: Ed25519PrivateKey = field(repr=False)

    @property
    def name(self) -> TokenName:
        return TokenName(key_id=self.token[66:98], nonce=self.token[2:34])

    def pays(self, digest: bytes) -> CarriedToken:
        return CarriedToken(token=self.token, proof=redemption_proof(self.holder, digest))

    def asks_back(self, digest: bytes) -> CarriedToken:
        return CarriedToken(token=self.token, proof=reclaim_proof(self.holder, digest))


class Mint:
    """An issuer's key that signs for everybody."""

    def __init__(self) -> None:
        self.private = PrivateKey.generate()
        self.key = IssuerKey(n=self.private.n, e=self.private.e)

    def token(self, *, origin: str = ORIGIN, issuer: str = ISSUER) -> HeldToken:
        holder = Ed25519PrivateKey.generate()
        challenge = TokenChallenge(issuer_name=issuer, origin_info=(origin,))
        pending = PendingToken.begin(
            key=self.key,
            challenge_digest=challenge.digest,
            nonce=holder_nonce(holder.public_key().public_bytes_raw()),
        )
        signature = self.private.blind_sign(pending.blinded)
        return HeldToken(token=pending.finalize(signature), holder=holder)

    def tokens(self, count: int) -> list[HeldToken]:
        return [self.token() for _ in range(count)]


def published(*mints: Mint, output: int = OUTPUT) -> PublishedTokens:
    return PublishedTokens(
        issuer=ISSUER, output=output, keys=tuple(mint.key.spki for mint in mints)
    )


def sealed_with(
    tokens: Sequence[HeldToken],
    *nodes: NodeKey,
    max_output: int | None = None,
    ahead: int = 120,
    content: bytes = b"hello",
) -> SealedRequest:
    """Seal a request whose header names these tokens, for as much as they buy."""
    return seal_request(
        nodes,
        content,
        model="demo",
        expires=(int(time.time()) + ahead + 59) // 60 * 60,
        max_output=OUTPUT * len(tokens) if max_output is None else max_output,
        token_digest=token_digest([one.token for one in tokens]),
    )


def paid_post(sealed: SealedRequest, carried: Sequence[CarriedToken]) -> bhttp.Request:
    """Make the request inside OHTTP."""
    return bhttp.Request(
        method="POST",
        scheme="https",
        authority=ORIGIN,
        path="/sealed",
        headers=(("content-type", messages.SEALED_REQUEST), *token_fields(carried)),
        content=sealed.body,
    )


def paid(tokens: Sequence[HeldToken], sealed: SealedRequest) -> bhttp.Request:
    """Pay a request honestly."""
    return paid_post(sealed, [one.pays(sealed.request_digest) for one in tokens])


def reclaim_post(digest: bytes, carried: Sequence[CarriedToken]) -> bhttp.Request:
    """Ask tokens back from a request."""
    return bhttp.Request(
        method="POST",
        scheme="https",
        authority=ORIGIN,
        path="/tokens",
        headers=(("content-type", RECLAIM_MEDIA_TYPE),),
        content=Reclaim(request_digest=digest, tokens=tuple(carried)).encode(),
    )

"""An issuer in memory: real keys, real signatures, no accounts and no network."""

import functools
import secrets

from gateway.rsa_private import PrivateKey
from openpcc.protocol.privacypass import IssuerKey, PendingToken, TokenChallenge

CHALLENGE = TokenChallenge(issuer_name="issuer.example", origin_info=("service.example",))


def signer(number: int = 0) -> PrivateKey:
    """Give one of the issuer's keys; the same number gives the same key while a test run lasts."""
    return _generated(number)


@functools.cache
def _generated(_number: int) -> PrivateKey:
    return PrivateKey.generate()


def public(number: int = 0) -> IssuerKey:
    """Give the public half of one of its keys."""
    return IssuerKey(n=signer(number).n, e=signer(number).e)


def begin(nonce: bytes | None = None, *, number: int = 0) -> PendingToken:
    """Start a token for `CHALLENGE`."""
    return PendingToken.begin(
        key=public(number),
        challenge_digest=CHALLENGE.digest,
        nonce=secrets.token_bytes(32) if nonce is None else nonce,
    )


def token(nonce: bytes | None = None, *, number: int = 0) -> bytes:
    """Issue a token for `CHALLENGE`, with all steps of issuance."""
    pending = begin(nonce, number=number)
    return pending.finalize(signer(number).blind_sign(pending.blinded))

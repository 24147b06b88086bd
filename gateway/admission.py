"""Judging what a request is paid with (docs/formats.md, 11; sealing sheet, Redemption). Pure.

1. count    as many tokens as the budget costs, all different
2. digest   the header names these tokens in this order, and the header is sealed
3. token    each one's type, challenge, key and authenticator
4. proof    each one's holder signed this request
5. spent    none has paid before: `spent`, which only sees what passed 1 to 4

So nobody can fill the set with garbage, or enter a token whose bytes were seen somewhere. Every
refusal of 1 to 4 leaves the tokens as they were.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from gateway.errors import RefusedError, refusal
from gateway.publication import PublishedTokens
from gateway.spent import TokenName
from openpcc.protocol.errors import (
    MalformedError,
    ProtocolError,
    TokenChallengeError,
    TokenForgedError,
    TokenKeyError,
    TokenTypeError,
    UnsealableError,
)
from openpcc.protocol.payment import CarriedToken
from openpcc.protocol.privacypass import IssuerKey, TokenChallenge, verify_token
from openpcc.protocol.sealing import Header, check_proof, check_reclaim, token_digest
from openpcc.protocol.sealing.redemption import price


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What one publication asks for. Made once for each, so that a request parses no key."""

    output: int
    keys: Mapping[bytes, IssuerKey] = field(repr=False)
    challenge_digest: bytes

    @classmethod
    def of(cls, tokens: PublishedTokens, *, service: str) -> "Terms":
        """Read the terms of a publication; the service is the origin.

        Raises:
            MalformedError: a key is none, or the names fit in no challenge.
        """
        keys = {key.id: key for key in map(IssuerKey.parse, tokens.keys)}
        challenge = TokenChallenge(issuer_name=tokens.issuer, origin_info=(service,))
        return cls(
            output=tokens.output,
            keys=MappingProxyType(keys),
            challenge_digest=challenge.digest,
        )

    def check_set(self, carried: Sequence[CarriedToken], header: Header) -> None:
        """Check that a request carries the tokens that it costs and names.

        Raises:
            RefusedError: `token-count`.
        """
        try:
            expected = price(header.max_output, output=self.output)
        except MalformedError as error:
            raise RefusedError("token-count") from error
        tokens = [one.token for one in carried]
        if len(tokens) != expected or token_digest(tokens) != header.token_digest:  # 1, 2
            raise RefusedError("token-count")

    def judge(self, one: CarriedToken, request_digest: bytes) -> TokenName:
        """Judge a token that pays for a request.

        Raises:
            RefusedError: `token-forged`, `token-key`, `token-origin`, `token-proof`,
                `unsupported`.
        """
        name = self._verify(one.token)  # 3
        try:
            check_proof(one.proof, nonce=name.nonce, request_digest=request_digest)  # 4
        except UnsealableError as error:
            raise RefusedError("token-proof") from error
        return name

    def judge_reclaim(self, one: CarriedToken, request_digest: bytes) -> TokenName:
        """Judge a token that its holder asks back from a request.

        Raises:
            RefusedError: see `judge`.
        """
        name = self._verify(one.token)
        try:
            check_reclaim(one.proof, nonce=name.nonce, request_digest=request_digest)
        except UnsealableError as error:
            raise RefusedError("token-proof") from error
        return name

    def _verify(self, token: bytes) -> TokenName:
        try:
            found = verify_token(token, keys=self.keys, challenge_digest=self.challenge_digest)
        except ProtocolError as error:
            raise _refused(error) from error
        return TokenName(key_id=found.key_id, nonce=found.nonce)


def check_different(names: Sequence[TokenName]) -> None:
    """Check that no token is there twice; an issuer may have signed one nonce twice.

    Raises:
        RefusedError: `token-count`.
    """
    if len(set(names)) != len(names):
        raise RefusedError("token-count")


def _refused(error: ProtocolError) -> RefusedError:
    match error:
        case TokenForgedError():
            return RefusedError("token-forged")
        case TokenKeyError():
            return RefusedError("token-key")
        case TokenChallengeError():
            return RefusedError("token-origin")
        case TokenTypeError():
            return RefusedError("unsupported")
        case _:
            return refusal(error)

"""The service in memory, with admission by tokens: it checks them as a gateway does.

The set of spent tokens is the gateway's own; the order of the checks is docs/formats.md, 11.
"""

from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from gateway.errors import RefusedError
from gateway.spent import MemorySpentStore, TokenName
from openpcc.protocol import bhttp, sealing
from openpcc.protocol.payment import (
    RECLAIM_MEDIA_TYPE,
    CarriedToken,
    Reclaim,
    Reclaimed,
    carried_tokens,
    encode_reclaimed,
)
from openpcc.protocol.privacypass import TokenChallenge, verify_token
from openpcc.protocol.sealing.redemption import price
from openpcc.tokens.terms import Terms
from tests.fakes.issuer import NAME, public_key
from tests.fakes.memory_service import SERVICE, MemoryService, refusal
from tests.fakes.world import NOW
from transparency_log.service import Parameters, TokenTerms

T = TypeVar("T")

OUTPUT = 1024
"""Output tokens that one token buys."""


def terms_of(*numbers: int) -> Terms:
    """Give the terms of an entry that lists these keys."""
    challenge = TokenChallenge(issuer_name=NAME, origin_info=(SERVICE,))
    return Terms(
        output=OUTPUT,
        keys=tuple(public_key(number).id for number in numbers),
        challenge_digest=challenge.digest,
    )


class PayingService(MemoryService):
    """An honest service that wants to be paid."""

    def __init__(self, folder: Path, *, nodes: int = 1, keys: tuple[int, ...] = (0,)) -> None:
        self.key_numbers = keys
        self.store = MemorySpentStore(limit=10**6, clock=lambda: 0.0)
        self.now = float(NOW)
        self.paid: list[tuple[CarriedToken, ...]] = []
        self.headers: list[sealing.Header] = []
        self.reclaims: list[Reclaim] = []
        self.refusing: list[str] = []
        """Codes that the next sealed requests are refused with, before anything is looked at."""
        self.failing: list[str] = []
        """Codes of failures behind admission: the tokens stand, and no reply begins."""
        self.claiming: Reclaimed | None = None
        """What it says of every token that is asked back, instead of what is so."""
        self.reclaimed: bytes | None = None
        """Its whole answer then."""
        super().__init__(folder, nodes=nodes)

    def publish(self, *args: Any, **changes: Any) -> int:
        terms = TokenTerms(issuer=NAME, output=OUTPUT)
        return super().publish(
            *args,
            **{
                "issuer_keys": tuple(public_key(number).id for number in self.key_numbers),
                "parameters": Parameters(candidates=1, pace=("latency",), tokens=terms),
                **changes,
            },
        )

    def answer(self, request: bhttp.Request) -> bhttp.Response:
        if request.path == "/tokens":
            return self.reclaim(request)
        if request.path != "/sealed":
            return super().answer(request)
        if self.refusing:
            return refusal(self.refusing.pop(0), 502)
        try:
            names, digest = self.admit(request)
            if self.failing:
                return refusal(self.failing.pop(0), 502)
            response = super().answer(request)
            _done(self.store.begin(names, digest))
        except RefusedError as error:
            return refusal(error.code, error.status)
        return response

    def admit(self, request: bhttp.Request) -> tuple[list[TokenName], bytes]:
        prefix = sealing.Prefix.parse(request.content)
        header, digest = prefix.header, prefix.request_digest
        carried = carried_tokens(request.headers)
        self.paid.append(carried)
        self.headers.append(header)
        if len(carried) != price(header.max_output, output=OUTPUT):
            raise RefusedError("token-count")
        if header.token_digest != sealing.token_digest(one.token for one in carried):
            raise RefusedError("token-count")
        names = []
        for one in carried:
            name = self.verify(one)
            sealing.check_proof(one.proof, nonce=name.nonce, request_digest=digest)
            names.append(name)
        _done(self.store.admit(names, digest, header.expires))
        return names, digest

    def verify(self, one: CarriedToken) -> TokenName:
        challenge = TokenChallenge(issuer_name=NAME, origin_info=(SERVICE,))
        keys = {public_key(number).id: public_key(number) for number in self.key_numbers}
        found = verify_token(one.token, keys=keys, challenge_digest=challenge.digest)
        return TokenName(key_id=found.key_id, nonce=found.nonce)

    def reclaim(self, request: bhttp.Request) -> bhttp.Response:
        assert ("content-type", RECLAIM_MEDIA_TYPE) in request.headers
        asked = Reclaim.parse(request.content)
        self.reclaims.append(asked)
        names = []
        for one in asked.tokens:
            name = self.verify(one)
            sealing.check_reclaim(one.proof, nonce=name.nonce, request_digest=asked.request_digest)
            names.append(name)
        outcomes = _done(self.store.reclaim(names, asked.request_digest, self.now))
        if self.claiming is not None:
            outcomes = [self.claiming] * len(names)
        answer = encode_reclaimed(outcomes) if self.reclaimed is None else self.reclaimed
        return bhttp.Response(status=200, content=answer)


def _done(step: Coroutine[Any, Any, T]) -> T:
    """Run a step of the set in memory, which never waits; a loop may run around this."""
    try:
        step.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise AssertionError("it waited")

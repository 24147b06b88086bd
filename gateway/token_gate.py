"""The way in of a sealed request: open to all, or by tokens.

A `Gate` lets a request in or refuses it, and is asked again when the reply begins: between the two
the request is at a node, and nothing of a reply has left. `OpenGate` costs two comparisons.

Signatures are judged on the event loop, some tokens at a time (`SLICE`): the library keeps the
interpreter's lock while it verifies, so a thread would not free the loop, only order its wait.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.admission import Terms, check_different
from gateway.errors import RefusedError
from gateway.replica import Replica
from gateway.spent import SpentStore, TokenName
from openpcc.protocol.bhttp import Fields
from openpcc.protocol.payment import (
    PAYMENT_FIELD,
    CarriedToken,
    Reclaim,
    carried_tokens,
    encode_reclaimed,
)
from openpcc.protocol.sealing import NO_TOKENS, Prefix, check_header

SLICE = 8
"""Tokens judged before the event loop gets its turn: 8 take 1.1 ms of processor time, 64 8.9 ms."""


class Payment(Protocol):
    """What a request that was let in paid with."""

    async def begin(self) -> None:
        """Take the payment; only then may the first byte of a reply go out.

        Raises:
            RefusedError: `token-spent`, `token-store`.
        """


class Gate(Protocol):
    """Lets sealed requests in."""

    async def admit(self, fields: Fields, prefix: Prefix) -> Payment:
        """Let a request in whose form, suite and expiry were checked.

        Raises:
            RefusedError: with a code about tokens, `malformed`, `not-ready`.
            ExpiredError: it has expired meanwhile.
        """
        ...

    async def reclaim(self, body: bytes) -> bytes:
        """Give back tokens of a request that came to nothing; the body of `POST /tokens`.

        Raises:
            RefusedError: as above.
            MalformedError: another form.
        """
        ...


class OpenGate:
    """Lets everybody in who brings no token."""

    def __init__(self, replica: Replica) -> None:
        """Be open as long as the publication says the same."""
        self._replica = replica

    async def admit(self, fields: Fields, prefix: Prefix) -> Payment:
        """See `Gate`."""
        self._replica.check_admission()
        if prefix.header.token_digest != NO_TOKENS or any(
            name == PAYMENT_FIELD for name, _ in fields
        ):
            raise RefusedError("malformed")
        return FREE

    async def reclaim(self, body: bytes) -> bytes:
        """See `Gate`; there is nothing to give back."""
        raise RefusedError("not-found")


class TokenGate:
    """Lets requests in that are paid for."""

    def __init__(self, replica: Replica, spent: SpentStore, clock: Callable[[], float]) -> None:
        """Judge by the publication's terms; `clock` gives Unix seconds."""
        self._replica = replica
        self._spent = spent
        self._clock = clock

    async def admit(self, fields: Fields, prefix: Prefix) -> Payment:
        """See `Gate`."""
        terms, carried = self._replica.terms, carried_tokens(fields)
        terms.check_set(carried, prefix.header)
        digest = prefix.request_digest
        names = await _in_slices(terms.judge, carried, digest)
        # Once more, and now: where this process stood still, the tokens may have been given back.
        check_header(prefix.header, self._clock())
        await self._spent.admit(names, digest, prefix.header.expires)
        return Tokens(spent=self._spent, names=tuple(names), digest=digest)

    async def reclaim(self, body: bytes) -> bytes:
        """See `Gate`."""
        terms: Terms = self._replica.terms
        asked = Reclaim.parse(body)
        names = await _in_slices(terms.judge_reclaim, asked.tokens, asked.request_digest)
        outcomes = await self._spent.reclaim(names, asked.request_digest, self._clock())
        return encode_reclaimed(outcomes)


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Tokens that stand in the spent set for a request."""

    spent: SpentStore
    names: tuple[TokenName, ...]
    digest: bytes

    async def begin(self) -> None:
        """See `Payment`."""
        await self.spent.begin(self.names, self.digest)


class _Free:
    """Nothing, where admission is open."""

    async def begin(self) -> None:
        """See `Payment`."""


FREE = _Free()


async def _in_slices(
    judge: Callable[[CarriedToken, bytes], TokenName],
    carried: Sequence[CarriedToken],
    digest: bytes,
) -> list[TokenName]:
    names = []
    for number, one in enumerate(carried):
        if number and number % SLICE == 0:
            await asyncio.sleep(0)
        names.append(judge(one, digest))
    check_different(names)
    return names

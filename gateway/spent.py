"""Which tokens have paid, and for what (docs/formats.md, 11).

A token stands in the set under (token key id, nonce), with the digest and the expiry of the request
it pays for, and with whether the reply to that request has begun:

    absent ── admit ──> standing ── begin ──> begun         begun is for good
       ^                   │
       └───── reclaim ─────┘   60 s after the request's expiry, by the token's holder

1. admit     all tokens of a request are entered, or none. Those that stand with the same digest
             are taken again: the same sealed bytes may be sent twice, at two gateways at once too
2. begin     all of them go from standing to begun, or none. The step is exclusive: of any number
             of gateways that were admitted with the same digest, exactly one passes
3. the first byte of a reply goes out only after 2, so at most one reply is given for a token
4. reclaim   forgets a token that stands, after the request's expiry; it never forgets a begun one.
             A gateway that comes to 2 later finds nothing and gives no reply

Each step is atomic. A store that does not answer, or whose answer is lost, is `token-store`, and
nothing is served: there is no second store behind it. `MemorySpentStore` is for one process, which
forgets at its end; `valkey.ValkeySpentStore` is shared.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import RefusedError
from openpcc.protocol.payment import Reclaimed

GRACE = 60
"""Seconds after a request's expiry before its tokens are given back: clocks of gateways differ."""

RETIRED = 7 * 24 * 3600
"""Seconds that the tokens of a key are remembered after no service entry lists it any more."""


@dataclass(frozen=True, kw_only=True, order=True)
class TokenName:
    """What one token is called in the set.

    Only tokens whose authenticator and proof were checked may get here: otherwise anybody could
    fill the set, or burn tokens of others whose nonce was seen.
    """

    key_id: bytes
    nonce: bytes


class SpentStore(Protocol):
    """The set of spent tokens; every method is atomic."""

    async def admit(self, tokens: Sequence[TokenName], digest: bytes, expires: int) -> None:
        """Enter the tokens of a request, all or none.

        Args:
            tokens: names, all different.
            digest: the request's.
            expires: the request's expiry, Unix seconds.

        Raises:
            RefusedError: `token-spent`: one stands for another request, or its reply has begun;
                `token-store`.
        """

    async def begin(self, tokens: Sequence[TokenName], digest: bytes) -> None:
        """Mark that the reply to a request begins now; for one caller alone.

        Raises:
            RefusedError: `token-spent`: it has begun elsewhere, or the tokens were given back;
                `token-store`.
        """

    async def reclaim(
        self, tokens: Sequence[TokenName], digest: bytes, now: float
    ) -> list[Reclaimed]:
        """Forget those tokens that stand for a request which came to nothing.

        Raises:
            RefusedError: `token-store`.
        """

    async def retire(self, listed: Iterable[bytes]) -> None:
        """Take note of the listed key ids; forget the tokens of keys that are long unlisted.

        Raises:
            RefusedError: `token-store`.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    digest: bytes
    expires: int
    begun: bool


class MemorySpentStore:
    """A set in this process; it ends with it, and then every token of a live key is unspent."""

    def __init__(self, *, limit: int, clock: Callable[[], float]) -> None:
        """Remember at most `limit` tokens; `clock` gives monotonic seconds."""
        self._limit = limit
        self._clock = clock
        self._sets: dict[bytes, dict[bytes, _Entry]] = {}
        self._listed: dict[bytes, float] = {}

    def __len__(self) -> int:
        """Count the tokens."""
        return sum(map(len, self._sets.values()))

    async def admit(self, tokens: Sequence[TokenName], digest: bytes, expires: int) -> None:
        """See `SpentStore`."""
        held = [self._get(token) for token in tokens]
        if any(one and (one.begun or one.digest != digest) for one in held):
            raise RefusedError("token-spent")
        fresh = [token for token, one in zip(tokens, held, strict=True) if one is None]
        if len(self) + len(fresh) > self._limit:
            raise RefusedError("token-store")
        self._put(fresh, _Entry(digest=digest, expires=expires, begun=False))

    async def begin(self, tokens: Sequence[TokenName], digest: bytes) -> None:
        """See `SpentStore`."""
        held = [self._get(token) for token in tokens]
        if not all(one and one.digest == digest and not one.begun for one in held):
            raise RefusedError("token-spent")
        expires = max((one.expires for one in held if one), default=0)
        self._put(tokens, _Entry(digest=digest, expires=expires, begun=True))

    async def reclaim(
        self, tokens: Sequence[TokenName], digest: bytes, now: float
    ) -> list[Reclaimed]:
        """See `SpentStore`."""
        return [self._reclaim(token, digest, now) for token in tokens]

    async def retire(self, listed: Iterable[bytes]) -> None:
        """See `SpentStore`."""
        now = self._clock()
        self._listed.update(dict.fromkeys((*self._sets.keys() - self._listed.keys(), *listed), now))
        for key_id in [key for key, seen in self._listed.items() if now - seen > RETIRED]:
            del self._listed[key_id]
            self._sets.pop(key_id, None)

    def _reclaim(self, token: TokenName, digest: bytes, now: float) -> Reclaimed:
        held = self._get(token)
        if held is None:
            return Reclaimed.FREE
        if held.begun or held.digest != digest:
            return Reclaimed.SPENT
        if now < held.expires + GRACE:
            return Reclaimed.PENDING
        del self._sets[token.key_id][token.nonce]
        return Reclaimed.FREE

    def _get(self, token: TokenName) -> _Entry | None:
        return self._sets.get(token.key_id, {}).get(token.nonce)

    def _put(self, tokens: Iterable[TokenName], entry: _Entry) -> None:
        for token in tokens:
            self._sets.setdefault(token.key_id, {})[token.nonce] = entry

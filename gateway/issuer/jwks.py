"""The key sets of identity providers: fetched within bounds, kept, and fetched anew for a new key.

kept      an hour; while the provider does not answer, a day
new kid   one fetch at once, if the last try is a minute ago: tokens that name keys at random
          make us ask no more often than that
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.config_file import read_bounded
from gateway.errors import ConfigurationError, UpstreamError
from gateway.issuer.errors import KeySetError, UnknownKidError
from gateway.issuer.id_tokens import MAX_KEY_SET, KeySet, Provider, parse_key_set, verify
from gateway.outbound import Outbound
from gateway.telemetry import log

FRESH = 3600.0
"""Seconds that a key set is used without asking again."""

STALE = 86_400.0
"""Seconds that a key set is used while its provider does not answer."""

PAUSE = 60.0
"""Seconds between two tries."""

FETCH_TIME = 5.0
"""Seconds that a provider may take."""

Fetch = Callable[[], Awaitable[bytes]]


class ProviderKeys:
    """One provider and what is known of its keys."""

    def __init__(
        self, provider: Provider, fetch: Fetch, clock: Callable[[], float], *, place: int
    ) -> None:
        """Take what fetches the key set, and a monotonic clock; `place` is for the log."""
        self.provider = provider
        self._fetch = fetch
        self._clock = clock
        self._place = place
        self._lock = asyncio.Lock()
        self._keys: KeySet = {}
        self._fetched = float("-inf")
        self._tried = float("-inf")

    async def subject(self, token: str, *, now: int) -> str:
        """Check an ID token of this provider; gives its subject.

        Raises:
            CredentialError: it is refused.
            KeySetError: nobody can tell: the provider's keys cannot be had.
        """
        await self._refresh(FRESH)
        try:
            return verify(token, self.provider, self._current(), now=now)
        except UnknownKidError:
            await self._refresh(PAUSE)
        try:
            return verify(token, self.provider, self._current(), now=now)
        except UnknownKidError as error:
            if self._tried > self._fetched:  # the key may be a new one, and nobody tells us
                raise KeySetError("the provider's keys cannot be had") from error
            raise

    def _current(self) -> KeySet:
        if self._clock() > self._fetched + STALE:
            raise KeySetError("the provider's keys cannot be had")
        return self._keys

    async def _refresh(self, age: float) -> None:
        """Fetch the key set if it is older than `age` and the last try is over for a while."""
        async with self._lock:
            now = self._clock()
            if now < self._fetched + age or now < self._tried + PAUSE:
                return
            self._tried = now
            try:
                self._keys = parse_key_set(await self._fetch())
                self._fetched = self._clock()
            except (UpstreamError, KeySetError):
                log("identity-keys-unavailable", index=self._place)


def over_http(outbound: Outbound, url: str) -> Fetch:
    """Fetch a key set from its address."""

    async def fetch() -> bytes:
        answer = await outbound.fetch("GET", url, limit=MAX_KEY_SET, within=FETCH_TIME)
        if answer.status != 200:
            raise KeySetError("the provider gave no key set")
        return answer.body

    return fetch


def from_file(path: Path) -> Fetch:
    """Read a key set from a file that the operator keeps up to date."""

    async def fetch() -> bytes:
        try:
            return await asyncio.to_thread(read_bounded, path, MAX_KEY_SET)
        except ConfigurationError as error:
            raise KeySetError("the file with the key set cannot be read") from error

    return fetch

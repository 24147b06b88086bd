"""Where nodes may be: a fixed list, and names in DNS. What is there, `discovery` sees.

    [[nodes]]  a URL
    [[dns]]    kind = "address": every address of a name is a node, all with one scheme and port
               kind = "srv": every SRV record of a name is a node, known by the record's target

A headless service of Kubernetes is such a name, of either kind. A place is known by a text that
lasts as long as the node is there: its URL, but for SRV the URL with the target's name in it, so
that a node may change its address. Over TLS such a node is held to that name.

DNS is believed for nothing but this, and never for absence: a question without an answer leaves the
list as it was, and whoever is no longer named is *leaving*: still looked at and routed to for as
long as clients may hold its keys, and listed no more.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import UpstreamError
from gateway.resolver import Address, Resolver, Target
from gateway.telemetry import log
from openpcc.protocol.messages import WINDOW

LEAVING = 3 * WINDOW
"""Seconds that a place which is no longer named is looked at: two windows in which clients may
hold its keys, and one for the listing that was under way."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a node is.

    Attributes:
        name: what it is known by.
        url: where it is reached.
        server_name: what its certificate has to name; empty: the URL's host.
    """

    name: str
    url: str
    server_name: str = ""


class Source(Protocol):
    """Something that names places."""

    async def find(self) -> tuple[Place, ...]:
        """Name them.

        Raises:
            UpstreamError: it cannot be said at present.
        """


@dataclass(frozen=True, kw_only=True)
class StaticSource:
    """The `[[nodes]]` of the configuration."""

    urls: tuple[str, ...]

    async def find(self) -> tuple[Place, ...]:
        """See `Source`."""
        return tuple(Place(name=url, url=url) for url in self.urls)


@dataclass(frozen=True, kw_only=True)
class AddressSource:
    """The addresses of a name."""

    resolver: Resolver
    name: str
    port: int

    async def find(self) -> tuple[Place, ...]:
        """See `Source`. Plain HTTP: one name for all says nothing about any of them."""
        found = await self.resolver.addresses(self.name)
        urls = [_url("http", one, self.port) for one in found]
        return tuple(Place(name=url, url=url) for url in urls)


class ServiceSource:
    """The SRV records of a name."""

    def __init__(self, *, resolver: Resolver, name: str, scheme: str, limit: int) -> None:
        """Look up at most `limit` targets."""
        self._resolver = resolver
        self._name = name
        self._scheme = scheme
        self._limit = limit
        self._known: dict[str, Place] = {}

    async def find(self) -> tuple[Place, ...]:
        """See `Source`. A target whose address cannot be found stays where it was."""
        targets = await self._resolver.targets(self._name)
        wanted = sorted(targets, key=lambda one: self._label(one) not in self._known)
        found = await asyncio.gather(*(self._place(one) for one in wanted[: self._limit]))
        self._known = {place.name: place for place in found if place is not None}
        if not self._known:
            raise UpstreamError("no target of a name has an address")
        return tuple(self._known.values())

    async def _place(self, target: Target) -> Place | None:
        name = self._label(target)
        known = self._known.get(name)
        try:
            found = await self._resolver.addresses(target.name)
        except UpstreamError:
            return known
        urls = [_url(self._scheme, one, target.port) for one in found]
        if known is not None and known.url in urls:
            return known
        secure = self._scheme == "https"
        return Place(name=name, url=urls[0], server_name=target.name if secure else "")

    def _label(self, target: Target) -> str:
        return f"{self._scheme}://{target.name}:{target.port}"


class Places:
    """All places of all sources."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        limit: int,
        within: float,
        clock: Callable[[], float],
    ) -> None:
        """Know at most `limit` places, asking for `within` seconds; `clock` is monotonic."""
        self._sources = sources
        self._limit = limit
        self._within = within
        self._clock = clock
        self._answers: list[tuple[Place, ...]] = [() for _ in sources]
        self._failing = [False for _ in sources]
        self._over = False
        self._left_at: dict[str, float] = {}
        self.named: dict[str, Place] = {}
        self.leaving: dict[str, Place] = {}

    async def refresh(self) -> None:
        """Ask every source. One that fails keeps its answer, and is logged once."""
        await asyncio.gather(*(self._ask(number) for number in range(len(self._sources))))
        before = {**self.leaving, **self.named}
        self.named = self._bounded(place for answer in self._answers for place in answer)
        self._keep_leaving(before)

    @property
    def answered(self) -> bool:
        """Say whether every source has named its places at least once."""
        return all(self._answers)

    async def _ask(self, number: int) -> None:
        try:
            async with asyncio.timeout(self._within):
                self._answers[number] = await self._sources[number].find()
            self._failing[number] = False
        except (UpstreamError, TimeoutError):
            if not self._failing[number]:
                log("names-not-resolved", source=number)
            self._failing[number] = True

    def _bounded(self, places: Iterable[Place]) -> dict[str, Place]:
        """Leave out repeated places and those over the limit; known ones have precedence."""
        every: dict[str, Place] = {}
        urls: set[str] = set()
        for place in places:
            if place.name not in every and place.url not in urls:
                every[place.name] = place
                urls.add(place.url)
        over = len(every) > self._limit
        if over and not self._over:
            log("places-over-limit", count=len(every))
        self._over = over
        kept = set(sorted(every, key=lambda name: name not in self.named)[: self._limit])
        return {name: place for name, place in every.items() if name in kept}

    def _keep_leaving(self, before: dict[str, Place]) -> None:
        """Keep what is no longer named for a while, the newest where they are many."""
        now = self._clock()
        urls = {place.url for place in self.named.values()}
        left = {
            name: place
            for name, place in before.items()
            if name not in self.named and place.url not in urls
        }
        times = {name: self._left_at.get(name, now) for name in left}
        newest = sorted(times, key=lambda name: -times[name])[: self._limit]
        self._left_at = {name: times[name] for name in newest if times[name] + LEAVING > now}
        self.leaving = {name: left[name] for name in self._left_at}


def _url(scheme: str, address: Address, port: int) -> str:
    host = f"[{address}]" if address.version == 6 else str(address)
    return f"{scheme}://{host}:{port}"

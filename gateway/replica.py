"""A gateway's copy of the publication, kept fresh by polling. Replicas read, they never sign."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.errors import RefusedError, UpstreamError
from gateway.outbound import Outbound
from gateway.publication import MAX_PUBLICATION, Publication
from gateway.routing import Routes
from gateway.telemetry import Telemetry, log

FETCH_TIME = 10.0
"""Seconds a publication may take to arrive."""


class Replica:
    """The newest publication and the routes in it."""

    def __init__(
        self,
        *,
        publisher: str,
        service: str,
        poll: float,
        outbound: Outbound,
        telemetry: Telemetry,
        clock: Callable[[], float],
    ) -> None:
        """Read from `publisher` every `poll` seconds; `clock` gives Unix seconds."""
        self._url = f"{publisher}/publication"
        self._service = service
        self._poll = poll
        self._outbound = outbound
        self._telemetry = telemetry
        self._clock = clock
        self._tag: str | None = None
        self._publication: Publication | None = None
        self.routes = Routes(by_key={})

    @property
    def publication(self) -> Publication:
        """Give the newest publication.

        Raises:
            RefusedError: `not-ready`; none came, or the last one has run out.
        """
        found = self._publication
        if found is None or found.not_after <= self._clock():
            raise RefusedError("not-ready")
        return found

    def ready(self) -> bool:
        """Say whether there is a publication that has not run out."""
        return self._publication is not None and self._publication.not_after > self._clock()

    @asynccontextmanager
    async def polling(self) -> AsyncIterator[None]:
        """Keep the copy fresh; what nobody foresaw ends the program with it."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._run())
            yield
            task.cancel()

    async def _run(self) -> None:
        reachable = True
        while True:
            try:
                await self.refresh()
                reachable = True
            except UpstreamError:
                if reachable:
                    log("publisher-unreachable")
                reachable = False
            await asyncio.sleep(self._poll)

    async def refresh(self) -> None:
        """Fetch the publication if it has changed.

        Raises:
            UpstreamError: the publisher did not answer, or for another service.
        """
        headers = {} if self._tag is None else {"if-none-match": self._tag}
        answer = await self._outbound.fetch(
            "GET", self._url, limit=MAX_PUBLICATION, within=FETCH_TIME, headers=headers
        )
        if answer.status == 304:
            return
        if answer.status != 200:
            raise UpstreamError("the publisher has no publication yet")
        publication = Publication.parse(answer.body)
        if publication.service != self._service:
            raise UpstreamError("the publisher serves another service")
        self._take(publication)
        self._tag = answer.headers.get("etag")

    def _take(self, publication: Publication) -> None:
        self._publication = publication
        self.routes = Routes.of(publication)
        self._telemetry.nodes.set(len(publication.nodes))
        self._telemetry.sequence.set(publication.sequence)
        log("publication", sequence=publication.sequence, count=len(publication.nodes))

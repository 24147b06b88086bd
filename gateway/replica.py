"""A gateway's copy of the publication, kept fresh by polling. Replicas read, they never sign.

The service entry names the digest of the publisher's OHTTP key file, and clients refuse any other.
So a gateway publishes the pair that the publisher has; one that has not got this pair is not ready.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.admission import Terms
from gateway.errors import RefusedError, UpstreamError
from gateway.outbound import Outbound
from gateway.publication import MAX_PUBLICATION, Publication
from gateway.routing import Routes
from gateway.telemetry import Telemetry, log
from openpcc.protocol.errors import ProtocolError

MAX_KEYS = 1 << 16
"""Bytes of the public OHTTP file."""

FETCH_TIME = 10.0
"""Seconds a publication may take to arrive."""


class Replica:
    """The newest publication and the routes in it."""

    def __init__(
        self,
        *,
        publisher: str,
        service: str,
        public_keys: tuple[bytes, ...],
        poll: float,
        outbound: Outbound,
        telemetry: Telemetry,
        clock: Callable[[], float],
        admission: str = "open",
    ) -> None:
        """Read from `publisher` every `poll` seconds; `clock` gives Unix seconds.

        `public_keys` are the public files of the pairs this gateway can open requests with;
        `admission` is how it lets requests in, "open" or "tokens".
        """
        self._by_tokens = admission == "tokens"
        self._terms: Terms | None = None
        self._admitting = True
        self._publisher = publisher
        self._service = service
        self._public_keys = public_keys
        self._keys: bytes | None = None
        self._agreed = False
        self._differing = b""
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
        if found is None or not self._current():
            raise RefusedError("not-ready")
        return found

    @property
    def ohttp_keys(self) -> bytes:
        """Give the public file of the pair that the publisher has; before it was asked the first's.

        While the publisher has a pair that is not ours, the last one that was.
        """
        return self._public_keys[0] if self._keys is None else self._keys

    def ready(self) -> bool:
        """Say whether there is a publication that has not run out, and its OHTTP keys are ours."""
        return self._agreed and self._admitting and self._current()

    @property
    def terms(self) -> Terms:
        """Give the terms of admission by tokens.

        Raises:
            RefusedError: `not-ready`; see `publication` and `check_admission`.
        """
        found = self._terms
        if found is None or not self._admitting or not self._current():
            raise RefusedError("not-ready")
        return found

    def check_admission(self) -> None:
        """Check that the publication lets requests in as this gateway does.

        Raises:
            RefusedError: `not-ready`; the one says tokens, the other open.
        """
        if not self._admitting:
            raise RefusedError("not-ready")

    def _current(self) -> bool:
        found = self._publication
        return found is not None and found.not_after > self._clock()

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
        """Fetch the publication if it has changed, and see which OHTTP keys are to be published.

        Raises:
            UpstreamError: the publisher did not answer, for another service, or with an entry
                before the one that is known and valid: a second publisher, or a stale copy.
        """
        if await self._refresh_publication() or not self._agreed:
            await self._compare_keys()

    async def _refresh_publication(self) -> bool:
        headers = {} if self._tag is None else {"if-none-match": self._tag}
        answer = await self._outbound.fetch(
            "GET",
            f"{self._publisher}/publication",
            limit=MAX_PUBLICATION,
            within=FETCH_TIME,
            headers=headers,
        )
        if answer.status == 304:
            return False
        if answer.status != 200:
            raise UpstreamError("the publisher has no publication yet")
        publication = Publication.parse(answer.body)
        if publication.service != self._service:
            raise UpstreamError("the publisher serves another service")
        known = self._publication
        if self._current() and known is not None and publication.sequence < known.sequence:
            raise UpstreamError("the publication is older than the one at hand")
        self._take(publication, _terms(publication))
        self._tag = answer.headers.get("etag")
        return True

    async def _compare_keys(self) -> None:
        answer = await self._outbound.fetch(
            "GET", f"{self._publisher}/ohttp-keys", limit=MAX_KEYS, within=FETCH_TIME
        )
        if answer.status != 200:
            raise UpstreamError("the publisher does not give its OHTTP keys")
        self._agreed = answer.body in self._public_keys
        if self._agreed:
            self._keys, self._differing = answer.body, b""
        elif answer.body != self._differing:
            self._differing = answer.body
            log("ohttp-keys-differ", code="not-ready")

    def _take(self, publication: Publication, terms: Terms | None) -> None:
        self._publication, self._terms = publication, terms
        self._admitting = (terms is not None) == self._by_tokens
        if not self._admitting:
            log("admission-differs", code="not-ready")
        self.routes = Routes.of(publication)
        self._telemetry.nodes.set(len(publication.nodes))
        self._telemetry.sequence.set(publication.sequence)
        log("publication", sequence=publication.sequence, count=len(publication.nodes))


def _terms(publication: Publication) -> Terms | None:
    """Read the terms of a publication.

    Raises:
        UpstreamError: a key is none.
    """
    if publication.tokens is None:
        return None
    try:
        return Terms.of(publication.tokens, service=publication.service)
    except ProtocolError as error:
        raise UpstreamError("the publisher gives token keys that are none") from error

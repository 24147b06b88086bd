"""Copies of public files, for clients that must not fetch them in the open.

The gateway vouches for none of them: directories, bundles and log files prove themselves to the
client. Paths are parsed, so nobody can make the gateway fetch anything else. What never changes is
kept within a bound; the log's checkpoint for a second; a directory until the next publication.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import RefusedError, UpstreamError
from gateway.outbound import Outbound
from openpcc.protocol import messages
from transparency_log.errors import MalformedTileError
from transparency_log.note import MAX_NOTE
from transparency_log.tile import MAX_BUNDLE, parse_path

MAX_SHARD = 1 << 16
"""Bytes of a shard: 16 leaves of at most 448 bytes and a proof, in base64."""

MAX_EVIDENCE = 4 << 20
"""Bytes of an evidence bundle (docs/formats.md, 3)."""

MAX_KEPT = 4 << 20
"""Bytes of the largest file that is kept."""

CHECKPOINT_LIFETIME = 1.0
"""Seconds a checkpoint is kept."""

LIFETIME = 600.0
"""Seconds a file that never changes is kept. It would do for ever; but a wrong copy that an origin
gave once (an error page with status 200) must not stay wrong until the next restart."""

DIRECTORY_LIFETIME = 30.0
"""Seconds a directory is kept, for the same reason."""

ENTRY = 512
"""Bytes counted for a copy beside its content: empty files are memory, too."""

_DIRECTORY = re.compile(r"/directory/[0-9a-f]{64}/(?:0|[1-9][0-9]{0,7})", re.ASCII)
_BUNDLE = re.compile(r"/bundle/[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class File:
    """A public file.

    Attributes:
        route: what it is counted as.
        key: what a copy of it is kept under.
        url: where it is.
        kind: its media type.
        limit: bytes it may have.
        lifetime: seconds that a copy holds.
    """

    route: str
    key: str
    url: str
    kind: str
    limit: int
    lifetime: float = LIFETIME


@dataclass(frozen=True, kw_only=True)
class Origins:
    """Where public files come from; `sequence` keeps directories of two windows apart."""

    publisher: str
    log: str

    def find(self, path: str, *, sequence: int) -> File:
        """Name the file of an inner path.

        Raises:
            RefusedError: `not-found`; there is no such path.
        """
        if _DIRECTORY.fullmatch(path):
            return File(
                route="directory",
                key=f"{sequence}{path}",
                url=f"{self.publisher}{path}",
                kind=messages.JSON,
                limit=MAX_SHARD,
                lifetime=DIRECTORY_LIFETIME,
            )
        if _BUNDLE.fullmatch(path):
            return File(
                route="bundle",
                key=path,
                url=f"{self.publisher}{path}",
                kind=messages.EVIDENCE,
                limit=MAX_EVIDENCE,
            )
        if path.startswith("/log/"):
            return self._log_file(path.removeprefix("/log/"))
        raise RefusedError("not-found")

    def _log_file(self, path: str) -> File:
        if path == "checkpoint":
            return self._log(path, messages.TEXT, MAX_NOTE, CHECKPOINT_LIFETIME)
        try:
            parse_path(path)
        except MalformedTileError as error:
            raise RefusedError("not-found") from error
        return self._log(path, messages.OCTETS, MAX_BUNDLE, LIFETIME)

    def _log(self, path: str, kind: str, limit: int, lifetime: float) -> File:
        url = f"{self.log}/{path}"
        return File(
            route="log", key=f"/log/{path}", url=url, kind=kind, limit=limit, lifetime=lifetime
        )


class Mirror:
    """Fetches files, keeps the newest used within a bound, and fetches none twice at a time."""

    def __init__(self, outbound: Outbound, *, max_cached: int, clock: Callable[[], float]) -> None:
        self._outbound = outbound
        self._max_cached = max_cached
        self._clock = clock
        self._kept: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._size = 0
        self._fetching: dict[str, asyncio.Future[bytes]] = {}

    async def get(self, file: File) -> bytes:
        """Give a file's bytes.

        Raises:
            RefusedError: `not-found` at its origin.
            UpstreamError: the origin did not answer.
        """
        data = self._lookup(file.key)
        if data is not None:
            return data
        fetching = self._fetching.get(file.key)
        if fetching is None:
            fetching = asyncio.ensure_future(self._fetch(file))
            self._fetching[file.key] = fetching
            fetching.add_done_callback(lambda done: self._fetched(file.key, done))
        return await asyncio.shield(fetching)  # one waiter's departure is not the others'

    def _fetched(self, key: str, done: asyncio.Future[bytes]) -> None:
        del self._fetching[key]
        if not done.cancelled():
            done.exception()  # all waiters may have left; an error is then nobody's

    async def _fetch(self, file: File) -> bytes:
        answer = await self._outbound.fetch("GET", file.url, limit=file.limit)
        if answer.status == 404:
            raise RefusedError("not-found")
        if answer.status != 200:
            raise UpstreamError("the origin of a public file refused it")
        self._keep(file.key, answer.body, self._clock() + file.lifetime)
        return answer.body

    def _lookup(self, key: str) -> bytes | None:
        data, expiry = self._kept.get(key, (None, 0.0))
        if data is None or expiry <= self._clock():
            return None
        self._kept.move_to_end(key)
        return data

    def _keep(self, key: str, data: bytes, expiry: float) -> None:
        if len(data) > min(MAX_KEPT, self._max_cached - ENTRY):
            return
        self._drop(key)
        self._kept[key] = (data, expiry)
        self._size += len(data) + ENTRY
        while self._size > self._max_cached:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: str) -> None:
        if key in self._kept:
            self._size -= len(self._kept.pop(key)[0]) + ENTRY

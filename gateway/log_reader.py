"""The publisher's view of the log: its newest checkpoint, and new entries in order.

The publisher proves nothing to itself here. The checkpoint goes to the nodes, whose evidence
clients check; the place of the newest status entry is a hint that clients do not trust. So tiles
are read as the log serves them, within limits, and only signatures on entries are checked.
"""

from dataclasses import dataclass

from gateway.errors import UpstreamError
from gateway.outbound import Answer, Outbound
from transparency_log.checkpoint import Checkpoint, parse_checkpoint
from transparency_log.errors import LogError
from transparency_log.note import MAX_NOTE, parse_note
from transparency_log.strict_json import StrictJSONError, parse_object
from transparency_log.tile import (
    MAX_BUNDLE,
    TILE_WIDTH,
    TilePath,
    bundle_path,
    parse_bundle,
)

MAX_ANSWER = 4096
"""Bytes of the log's answer to an entry."""

ADD_TIME = 60.0
"""Seconds: the log answers once witnesses have cosigned."""


@dataclass(frozen=True, kw_only=True)
class LogReader:
    """Reads one log and submits to it."""

    url: str
    outbound: Outbound
    token: str | None = None

    async def checkpoint(self) -> tuple[bytes, Checkpoint]:
        """Fetch the newest checkpoint: the note, and what it says.

        Raises:
            UpstreamError: the log did not answer, or with something else.
        """
        answer = await self.outbound.fetch("GET", f"{self.url}/checkpoint", limit=MAX_NOTE)
        if answer.status != 200:
            raise UpstreamError("the log has no checkpoint yet")
        try:
            return answer.body, parse_checkpoint(parse_note(answer.body).unverified_text)
        except LogError as error:
            raise UpstreamError(f"the log's checkpoint: {error}") from error

    async def entries(self, start: int, size: int) -> list[bytes]:
        """Fetch the entries from `start` to the end of its bundle, in a tree of `size`.

        Raises:
            UpstreamError: the log did not give them.
        """
        path = bundle_path(start // TILE_WIDTH, size)
        answer = await self._tile(path)
        if answer.status == 404 and path.width < TILE_WIDTH:  # it may have become full since
            answer = await self._tile(path.full())
            path_width = TILE_WIDTH
        else:
            path_width = path.width
        if answer.status != 200:
            raise UpstreamError("the log does not give an entry bundle")
        try:
            entries = parse_bundle(answer.body, path_width)
        except LogError as error:
            raise UpstreamError(f"the log's entry bundle: {error}") from error
        return entries[start % TILE_WIDTH : path.width]

    async def add(self, entry: bytes) -> tuple[int, bytes]:
        """Submit an entry; give its index and leaf hash. Repeating it is safe.

        Raises:
            UpstreamError: it was not taken, or it is not known whether it was.
        """
        headers = {"content-type": "application/json"}
        if self.token is not None:
            headers["authorization"] = f"Bearer {self.token}"
        answer = await self.outbound.fetch(
            "POST",
            f"{self.url}/add",
            limit=MAX_ANSWER,
            within=ADD_TIME,
            headers=headers,
            body=entry,
        )
        if answer.status != 200:
            raise UpstreamError(f"the log refused the entry with status {answer.status}")
        try:
            members = parse_object(answer.body, limit=MAX_ANSWER, name="answer of the log")
            index, leaf = members.integer("index"), members.hex("leaf_hash", size=32)
            members.end()
        except StrictJSONError as error:
            raise UpstreamError(str(error)) from error
        return index, leaf

    async def _tile(self, path: TilePath) -> Answer:
        return await self.outbound.fetch("GET", f"{self.url}/{path}", limit=MAX_BUNDLE)

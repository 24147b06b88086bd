"""The log's public files over HTTP, as C2SP tlog-tiles has it; a page of any site may read them.

    GET, HEAD  /checkpoint    text, kept for seconds; an `etag` spares sending it again
    GET, HEAD  /tile/…        bytes, kept for ever: tiles never change
    OPTIONS    both           what a browser asks before it sends `if-none-match`

What is not there is kept by no cache: it may be there in a second. Files of a folder are sent piece
by piece; those of another store are read whole, so that only so many bytes of them may be on their
way at a time. Whoever has many readers serves folder or bucket with a server made for it.
"""

import asyncio
import hashlib
from pathlib import Path

from transparency_log.errors import MalformedTileError, StorageError
from transparency_log.server.asgi import (
    TEXT_TYPE,
    Scope,
    Send,
    header,
    respond,
    respond_error,
    respond_file,
)
from transparency_log.server.storage import LogStorage
from transparency_log.tile import MAX_BUNDLE, TilePath, parse_path

Headers = tuple[tuple[bytes, bytes], ...]

ANY_ORIGIN: Headers = ((b"access-control-allow-origin", b"*"),)
"""The files are public, and reading them takes no credentials."""

CHECKPOINT_HEADERS: Headers = (
    (b"cache-control", b"max-age=5"),
    (b"access-control-expose-headers", b"etag"),
    *ANY_ORIGIN,
)
"""A checkpoint may be seconds old in a cache; readers look at its time anyway."""

TILE_HEADERS: Headers = ((b"cache-control", b"max-age=31536000, immutable"), *ANY_ORIGIN)
"""Tiles never change."""

ABSENT_HEADERS: Headers = ((b"cache-control", b"no-store"), *ANY_ORIGIN)
"""A tile that is not there today may be there tomorrow."""

PREFLIGHT_HEADERS: Headers = (
    (b"access-control-allow-methods", b"GET, HEAD"),
    (b"access-control-allow-headers", b"if-none-match"),
    (b"access-control-max-age", b"86400"),
    *ANY_ORIGIN,
)
"""What a browser is told before a request that is not simple."""

TILE_TYPE = "application/octet-stream"
"""Media type of tiles and bundles."""

MAX_UNDERWAY = 8 * MAX_BUNDLE
"""Bytes of files from a store other than a folder that may be on their way to readers."""


class PublicFiles:
    """Answers for the public files of one log."""

    def __init__(self, storage: LogStorage, folder: Path | None) -> None:
        """Serve from a log.

        Args:
            storage: of the log.
            folder: where its files lie; None if they lie in another kind of store.
        """
        self._storage = storage
        self._folder = folder
        self._underway = 0

    async def serve(self, scope: Scope, send: Send) -> None:
        """Answer a request for `/checkpoint` or below `/tile/`."""
        match scope["method"], scope["path"]:
            case "OPTIONS", _:
                await _respond_bare(send, 204, PREFLIGHT_HEADERS)
            case "GET" | "HEAD", "/checkpoint":
                await self._checkpoint(scope, send)
            case "GET" | "HEAD", path:
                await self._tile(path.removeprefix("/"), send)
            case _:
                await respond_error(
                    send, 405, "method", "another method belongs to this resource", ANY_ORIGIN
                )

    async def _checkpoint(self, scope: Scope, send: Send) -> None:
        note = self._storage.checkpoint
        if note is None:
            await self._absent(send, "no checkpoint is published yet")
            return
        tag = f'"{hashlib.sha256(note).hexdigest()}"'.encode()
        headers = ((b"etag", tag), *CHECKPOINT_HEADERS)
        if header(scope, b"if-none-match") == tag:
            await _respond_bare(send, 304, headers)
        else:
            await respond(send, 200, note, TEXT_TYPE, headers)

    async def _tile(self, text: str, send: Send) -> None:
        try:
            path = parse_path(text)  # the one spelling: no dots, no escapes
        except MalformedTileError:
            await self._absent(send, "not the path of a tile")
            return
        if self._folder is None:
            await self._from_store(path, send)
        elif not await respond_file(send, self._folder / str(path), TILE_TYPE, TILE_HEADERS):
            await self._absent(send, "no such tile")

    async def _from_store(self, path: TilePath, send: Send) -> None:
        if self._underway + MAX_BUNDLE > MAX_UNDERWAY:
            await self._busy(send)
            return
        self._underway += MAX_BUNDLE
        kept = MAX_BUNDLE
        try:
            data = await asyncio.to_thread(self._storage.read, path)
            self._underway -= MAX_BUNDLE - len(data)
            kept = len(data)
            await respond(send, 200, data, TILE_TYPE, TILE_HEADERS)
        except FileNotFoundError:
            await self._absent(send, "no such tile")
        except StorageError:
            await self._busy(send)
        finally:
            self._underway -= kept

    async def _absent(self, send: Send, message: str) -> None:
        await respond_error(send, 404, "not-found", message, ABSENT_HEADERS)

    async def _busy(self, send: Send) -> None:
        await respond_error(send, 503, "busy", "the store is busy; try again", ABSENT_HEADERS)


async def _respond_bare(send: Send, status: int, headers: Headers) -> None:
    """Answer with a status that has no content, and so no length of it (RFC 9110, 8.6)."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": b""})

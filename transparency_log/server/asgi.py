"""The few words of ASGI that both programs use: bounded bodies, whole answers, error documents."""

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from transparency_log.strict_json import dumps

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JSON_TYPE = "application/json"
"""Media type of the answers that are JSON."""

TEXT_TYPE = "text/plain; charset=utf-8"
"""Media type of notes and of `/metrics`."""

ERROR_TYPE = "application/vnd.openpcc.error+json"
"""Media type of an error document (docs/formats.md, 9)."""


PIECE = 1 << 16
"""Bytes of a file that are read at a time."""


class TooLargeError(Exception):
    """A body is longer than what its route accepts."""


class DisconnectedError(Exception):
    """The client went away before its request was complete."""


async def read_body(receive: Receive, limit: int) -> bytes:
    """Read a request's body.

    Raises:
        TooLargeError: more than `limit` bytes.
        DisconnectedError: the client went away.
    """
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise DisconnectedError
        body += message.get("body", b"")
        if len(body) > limit:
            raise TooLargeError
        more = message.get("more_body", False)
    return bytes(body)


async def respond(
    send: Send,
    status: int,
    body: bytes,
    content_type: str,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Send a whole answer."""
    fields = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def respond_file(
    send: Send,
    path: Path,
    content_type: str,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> bool:
    """Send a file piece by piece, as fast as the client reads; say whether there is one.

    A whole bundle in memory for each slow reader would be a way to fill it.
    """
    try:
        file = await asyncio.to_thread(path.open, "rb")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
    with file:
        left = os.fstat(file.fileno()).st_size
        length = (b"content-length", str(left).encode())
        fields = [(b"content-type", content_type.encode()), length, *headers]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        more = True
        while more:
            piece = await asyncio.to_thread(file.read, PIECE)
            left -= len(piece)
            more = bool(piece) and left > 0
            await send({"type": "http.response.body", "body": piece, "more_body": more})
    return True


async def respond_error(
    send: Send,
    status: int,
    code: str,
    message: str,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Send an error document; the connection closes, for its body may be unread."""
    body = dumps({"error": {"code": code, "message": message}})
    await respond(send, status, body, ERROR_TYPE, [(b"connection", b"close"), *headers])


def header(scope: Scope, name: bytes) -> bytes | None:
    """Give a request header that is there exactly once."""
    found = [value for key, value in scope["headers"] if key == name]
    return found[0] if len(found) == 1 else None


async def run_lifespan(
    receive: Receive,
    send: Send,
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
) -> None:
    """Answer the server's lifespan messages with `start` and `stop`."""
    await receive()
    await start()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await stop()
    await send({"type": "lifespan.shutdown.complete"})


async def respond_control(
    scope: Scope, send: Send, *, not_ready: str | None, metrics: Callable[[], bytes]
) -> None:
    """Answer /healthz, /readyz and /metrics.

    Args:
        scope: of a request on the control address.
        send: the answer's way.
        not_ready: says why; None means ready.
        metrics: gives all counters in the Prometheus text format.
    """
    match scope["method"], scope["path"]:
        case "GET", "/healthz":
            await respond(send, 200, b'{"status":"alive"}', JSON_TYPE)
        case "GET", "/readyz" if not_ready is None:
            await respond(send, 200, b'{"status":"ready"}', JSON_TYPE)
        case "GET", "/readyz":
            await respond_error(send, 503, "not-ready", not_ready or "")
        case "GET", "/metrics":
            await respond(send, 200, metrics(), TEXT_TYPE)
        case _:
            await respond_error(send, 404, "not-found", "no such resource")


def is_control(scope: Scope, port: int | None) -> bool:
    """Say whether a request came in on the control address."""
    server = scope.get("server")
    return port is not None and server is not None and server[1] == port

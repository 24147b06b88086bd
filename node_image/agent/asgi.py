"""The little of ASGI that the node needs: a bounded body, an answer, and who has left.

An answer that must not look complete is left without its last message; uvicorn then closes the
connection, and the gateway sees a chunked body without its end.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

from openpcc.protocol import messages
from openpcc.protocol.errors import TooLargeError, TruncatedError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

BODY_LIMIT = 60.0
"""Seconds a request body may take; a slower one would hold a place that others need."""


class CallerGoneError(Exception):
    """The connection was closed; there is nobody to answer."""


def header(scope: Scope, name: bytes) -> bytes | None:
    """Give a request header's value; None if it is absent or repeated."""
    found = [value for key, value in scope["headers"] if key == name]
    return found[0] if len(found) == 1 else None


async def read_body(scope: Scope, receive: Receive, *, limit: int) -> bytes:
    """Read a request body.

    Raises:
        CallerGoneError: the connection closed before its end.
        TooLargeError: longer than `limit`; nothing is read of a body that says so itself.
        TruncatedError: its end did not come in time.
    """
    said = header(scope, b"content-length")
    if said is not None and (len(said) > 18 or int(said) > limit):
        raise TooLargeError(f"at most {limit} bytes are taken")
    try:
        async with asyncio.timeout(BODY_LIMIT):
            return await _read(receive, limit)
    except TimeoutError as error:
        raise TruncatedError("the end of the request did not come in time") from error


async def _read(receive: Receive, limit: int) -> bytes:
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerGoneError
        part = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(part)
        if size > limit:
            raise TooLargeError(f"at most {limit} bytes are taken")
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def while_connected(work: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Do the work; cancel it as soon as the caller leaves. The body must have been read before.

    Raises:
        CallerGoneError: the caller left, and the work has been cancelled.
    """
    task = asyncio.create_task(work)
    watcher = asyncio.create_task(_gone(receive))
    watcher.add_done_callback(lambda _: task.cancel())
    try:
        await task
    except asyncio.CancelledError:
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            task.cancel()
            await asyncio.wait({task})
            raise
        raise CallerGoneError from None
    finally:
        watcher.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def respond(
    send: Send, status: int, content_type: str, body: bytes = b"", *more: Header
) -> None:
    """Send a whole answer."""
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def done(send: Send) -> None:
    """Send 204."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def refuse(send: Send, status: int, code: str, text: str) -> None:
    """Send an error document (docs/formats.md section 9)."""
    await respond(send, status, messages.ERROR, messages.encode_error(code, text))


class SealedBody:
    """The 200 answer whose body is a sealed reply; its head goes out with the first bytes."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._started = False

    async def write(self, data: bytes, *, last: bool = False) -> None:
        """Send bytes of the reply; return when there is room for more."""
        if not self._started:
            self._started = True
            headers = [
                (b"content-type", messages.SEALED_RESPONSE.encode()),
                (messages.INCREMENTAL[0].encode(), messages.INCREMENTAL[1].encode()),
            ]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})

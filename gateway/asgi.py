"""The little of ASGI that the data paths need: reading a bounded body, answering, and cutting.

A reply that must not look complete is left without its last message: the server then closes the
connection, and the client sees a chunked body without its end (`serving` relies on uvicorn for it).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from gateway.errors import ClientGoneError, RefusedError
from openpcc.protocol import messages

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

Headers = tuple[tuple[bytes, bytes], ...]

INCREMENTAL: Headers = ((messages.INCREMENTAL[0].encode(), messages.INCREMENTAL[1].encode()),)
"""Asks the hops on the way not to buffer."""


def header(scope: Scope, name: bytes) -> bytes | None:
    """Give a request header's value; None if it is absent or repeated."""
    found = [value for key, value in scope["headers"] if key == name]
    return found[0] if len(found) == 1 else None


def content_type(value: str) -> tuple[bytes, bytes]:
    """Make the header field."""
    return (b"content-type", value.encode())


async def body_parts(receive: Receive, limit: int) -> AsyncIterator[bytes]:
    """Give the parts of a request body as they come.

    Raises:
        ClientGoneError: the client left before the end.
        RefusedError: `too-large`.
    """
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise RefusedError("too-large")
        more = message.get("more_body", False)
        if part:
            yield part


async def gone(receive: Receive) -> None:
    """Return when the client has left. To be called after the body has been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


@asynccontextmanager
async def cancelled_by(departure: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Cancel the block as soon as `departure` returns.

    Raises:
        ClientGoneError: that has happened.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 -- an ASGI application always runs in a task
    watcher = asyncio.ensure_future(departure)
    inside = True

    def cancel(done: asyncio.Future[None]) -> None:
        if inside and not done.cancelled():
            task.cancel()

    watcher.add_done_callback(cancel)
    try:
        yield
    except asyncio.CancelledError:
        if watcher.done() and not watcher.cancelled() and task.uncancel() == 0:
            raise ClientGoneError from None
        raise
    finally:
        inside = False
        watcher.cancel()


async def start(send: Send, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Send status and headers."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def part(send: Send, data: bytes, *, last: bool = False) -> None:
    """Send a part of the body."""
    await send({"type": "http.response.body", "body": data, "more_body": not last})


async def respond(send: Send, status: int, kind: str, body: bytes, more: Headers = ()) -> None:
    """Send a whole answer."""
    length = (b"content-length", str(len(body)).encode())
    await start(send, status, (content_type(kind), length, *more))
    await part(send, body, last=True)


async def refuse(send: Send, error: RefusedError) -> None:
    """Send an error document."""
    await respond(send, error.status, messages.ERROR, messages.encode_error(error.code, error.text))

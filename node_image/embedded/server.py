"""The HTTP side: raw ASGI on a unix socket, bounded bodies, one flush per token.

Nothing of a request is logged. A client that goes away is noticed while its answer is made; its
generation ends at the next token.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from node_image.embedded import sse
from node_image.embedded.chat import ChatReply
from node_image.embedded.completions import CompletionReply
from node_image.embedded.documents import (
    Document,
    Reply,
    error_document,
    model_document,
    new_id,
    refusal_document,
)
from node_image.embedded.embeddings import EmbeddingRequest
from node_image.embedded.errors import BusyError, RequestError
from node_image.embedded.fields import parse_body
from node_image.embedded.llama import Llama
from node_image.embedded.options import Service
from node_image.embedded.responses import ResponsesReply
from node_image.embedded.scheduler import EngineStoppedError, Scheduler, Stream, failed

MAX_BODY = 4 * 2**20
"""Bytes of a request: far more text than the context holds, even as escaped JSON."""

MAX_WAITING_EMBEDDINGS = 8

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_REPLIES: dict[str, type[ChatReply] | type[CompletionReply] | type[ResponsesReply]] = {
    "/v1/chat/completions": ChatReply,
    "/v1/completions": CompletionReply,
    "/v1/responses": ResponsesReply,
}
_POSTS = frozenset({*_REPLIES, "/v1/embeddings"})
_STOPPED = error_document("The engine could not finish this answer.", "server_error", None, None)
_BUSY = error_document("The engine is busy; try again.", "server_error", None, "overloaded")


class _DisconnectError(Exception):
    """The client went away before its request was whole."""


class EngineApp:
    """The ASGI application of one loaded model."""

    def __init__(self, service: Service, scheduler: Scheduler, model: Llama) -> None:
        self._service, self._scheduler, self._model = service, scheduler, model
        self._started = int(service.clock())
        self._embedding = asyncio.Semaphore(1)
        self._embeddings = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            await self._answer(scope["method"], scope["path"], receive, send)
        except RequestError as error:
            await _send_json(send, error.status, refusal_document(error))
        except BusyError:
            await _send_json(send, 503, _BUSY, retry_after=True)
        except _DisconnectError:
            return

    async def _answer(self, method: str, path: str, receive: Receive, send: Send) -> None:
        if method == "GET":
            await _send_json(send, *self._get(path))
            return
        if path not in _POSTS:
            raise RequestError(f"Unknown path: {path[:80]}", code="unknown_url", status=404)
        if method != "POST":
            raise RequestError("This path takes POST.", code="method_not_allowed", status=405)
        body = await _read_body(receive)
        if path == "/v1/embeddings":
            await self._embed(body, send)
            return
        make = _REPLIES[path]
        # Off the loop: a schema may take tenths of a second to compile.
        reply: Reply = await asyncio.to_thread(lambda: make(parse_body(body), self._service))
        stream = self._scheduler.submit(reply.plans)
        write = _write_stream if reply.streaming else _write_document
        await _unless_gone(write(reply, stream, send), stream, receive)

    def _get(self, path: str) -> tuple[int, Document]:
        service = self._service
        model = model_document(service, self._started)
        if path == "/v1/models":
            return 200, {"object": "list", "data": [model]}
        if path == f"/v1/models/{service.model}":
            return 200, model
        if path.startswith("/v1/models/"):
            name = path.removeprefix("/v1/models/")[:80]
            raise RequestError(
                f"The model '{name}' does not exist here.", param="model",
                code="model_not_found", status=404,
            )  # fmt: skip
        if path == "/health":
            active, queued = self._scheduler.load
            state: Document = {"status": "ok", "active": active, "queued": queued}
            alive = self._scheduler.alive
            return (200, state) if alive else (503, state | {"status": "stopped"})
        if path in _POSTS:
            raise RequestError("This path takes POST.", code="method_not_allowed", status=405)
        raise RequestError(f"Unknown path: {path[:80]}", code="unknown_url", status=404)

    async def _embed(self, body: bytes, send: Send) -> None:
        width = self._model.shape.hidden
        request = EmbeddingRequest(parse_body(body), self._service, width=width)
        if self._embeddings >= MAX_WAITING_EMBEDDINGS:
            raise BusyError("too many embeddings wait")
        self._embeddings += 1
        try:
            async with self._embedding:
                document = await asyncio.to_thread(request.document, self._model)
        finally:
            self._embeddings -= 1
        await _send_json(send, 200, document)


async def _read_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _DisconnectError
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise RequestError(
                f"The body is larger than {MAX_BODY} bytes.", code="request_too_large", status=413
            )
        if not message.get("more_body", False):
            return bytes(body)


async def _unless_gone(answer: Awaitable[None], stream: Stream, receive: Receive) -> None:
    """Write the answer; give it up as soon as the client has gone."""
    writing = asyncio.ensure_future(answer)
    leaving = asyncio.ensure_future(_wait_until_gone(receive))
    try:
        await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not writing.done():
            writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
    finally:
        stream.abandon()
        writing.cancel()
        leaving.cancel()


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _write_document(reply: Reply, stream: Stream, send: Send) -> None:
    try:
        async for piece in stream.pieces():
            if failed(piece):
                await _send_json(send, 500, _STOPPED)
                return
            reply.take(piece)
    except EngineStoppedError:
        await _send_json(send, 503, _STOPPED)
        return
    await _send_json(send, 200, reply.document())


async def _write_stream(reply: Reply, stream: Stream, send: Send) -> None:
    await _send_head(
        send, 200, b"text/event-stream; charset=utf-8", [(b"cache-control", b"no-store")]
    )
    for event in reply.opening():
        await _send_part(send, event)
    try:
        async for piece in stream.pieces():
            if failed(piece):
                raise EngineStoppedError("a choice could not be finished")
            for event in reply.take(piece):
                await _send_part(send, event)
    except EngineStoppedError:
        # Clients raise on an event with `error`; the stream then closes without `[DONE]`.
        await _send_part(send, sse.event(_STOPPED), last=True)
        return
    for event in reply.closing():
        await _send_part(send, event)
    await _send_part(send, b"", last=True)


async def _send_head(send: Send, status: int, kind: bytes, more: list[tuple[bytes, bytes]]) -> None:
    headers = [(b"content-type", kind), (b"x-request-id", new_id("req_").encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _send_part(send: Send, data: bytes, *, last: bool = False) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": not last})


async def _send_json(
    send: Send, status: int, document: Document, *, retry_after: bool = False
) -> None:
    data = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    more = [(b"content-length", str(len(data)).encode())]
    if retry_after:
        more.append((b"retry-after", b"1"))
    await _send_head(send, status, b"application/json", more)
    await _send_part(send, data, last=True)

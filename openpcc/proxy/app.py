"""The ASGI application: admit, read, forward, stream back.

A request is read whole before it is sent (it is sealed as one message); a reply is passed on piece
by piece. A reply that is cut must not look complete: once its head is out, the application leaves
without the last message, the server closes the connection, and the client sees a chunked body
without its end. When the client leaves, the request is cancelled, here and at the node.

Nothing of a request is logged but the fixed texts below.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping
from typing import Any

from openpcc import answers, clock
from openpcc.answers import MAX_REQUEST, Answer, Asked, refusal
from openpcc.decision import SIMULATED
from openpcc.errors import OpenPCCError
from openpcc.protocol import messages
from openpcc.proxy import page, refusals
from openpcc.proxy.guard import Guard, NotAdmittedError
from openpcc.proxy.upstream import Answering, Upstream
from openpcc.reply import FORWARDED

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

HARDENING = (
    ("cache-control", "no-store"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
)
API_POLICY = ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
"""A reply is data: a browser that is led to one must neither run nor frame it."""

PAGE_CHALLENGE = ("www-authenticate", 'Basic realm="openpcc proxy", charset="UTF-8"')
API_CHALLENGE = ("www-authenticate", "Bearer")

log = logging.getLogger("openpcc.proxy")


class ClientGoneError(Exception):
    """The client left; there is nobody to answer."""


class ProxyApp:
    """Answers `GET /` with the page, the OpenAI routes through the upstream, the rest with 404."""

    def __init__(
        self, upstream: Upstream, guard: Guard, *, now: Callable[[], int] = clock.now
    ) -> None:
        self._upstream = upstream
        self._guard = guard
        self._now = now

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["http_version"] == "1.0":
            # HTTP/1.0 marks the end of a body by closing: a cut reply would look complete.
            await _answer(send, refusal(505, "http_version", "this proxy speaks HTTP/1.1"))
        elif scope["method"] == "GET" and scope["path"] == "/":
            await self._page(scope, send)
        else:
            await self._api(scope, receive, send)

    async def _page(self, scope: MutableMapping[str, Any], send: Send) -> None:
        try:
            self._guard.admit_to_page(scope["headers"])
        except NotAdmittedError as error:
            return await _turn_away(send, error, PAGE_CHALLENGE)
        stock = await asyncio.to_thread(self._upstream.stock)
        body = page.render(self._upstream.view(), now=self._now(), stock=stock)
        fields = [("content-type", "text/html; charset=utf-8"), *page.FIELDS, *HARDENING]
        return await _whole(send, 200, fields, body)

    async def _api(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        try:
            self._guard.admit_to_api(scope["headers"])
        except NotAdmittedError as error:
            return await _turn_away(send, error, API_CHALLENGE)
        method, target = scope["method"], _target(scope)
        known = (method, target) in messages.ALLOWED_PATHS
        if not known and not answers.asks_for_models(
            Asked(method=method, target=target, content=b"")
        ):
            text = f"{method} {target[:64]} is not served here"
            return await _answer(send, refusal(404, "path", text))
        try:
            content = await _content(receive)
            if content is None:
                text = f"the request has more than {MAX_REQUEST} bytes"
                return await _answer(send, refusal(413, "too-large", text))
            asked = Asked(method=method, target=target, content=content)
            return await _while_there(receive, self._forward(asked, send))
        except ClientGoneError:
            return None

    async def _forward(self, asked: Asked, send: Send) -> None:
        started = False
        try:
            async with self._upstream.send(asked) as answering:
                started = True
                await _start(send, answering.status, _fields(answering))
                async for piece in answering.content:
                    if piece:
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
        except OpenPCCError as error:
            if started:
                log.warning("a reply was cut (%s); its client was told so", type(error).__name__)
                return
            failure = refusals.explain(error)
            await _answer(send, failure.answer, failure.fields)
        else:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def _target(scope: MutableMapping[str, Any]) -> str:
    path, query = bytes(scope["raw_path"]), bytes(scope["query_string"])
    return (path + (b"?" + query if query else b"")).decode("latin-1")


def _fields(answering: Answering) -> list[tuple[str, str]]:
    fields = [field for field in answering.fields if field[0] in FORWARDED]
    node = answering.node
    if node is not None:
        fields.append(("openpcc-node", node.leaf_hash.hex()))
        simulated = node.report.simulated
        fields.append(("openpcc-platform", SIMULATED if simulated else node.report.platform))
    return [*fields, API_POLICY, *HARDENING]


async def _content(receive: Receive) -> bytes | None:
    """Read the request's content; None if it is more than is sent.

    Raises:
        ClientGoneError: the client left before its end.
    """
    content, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        content += message.get("body", b"")
        if len(content) > MAX_REQUEST:
            return None
        more = message.get("more_body", False)
    return bytes(content)


async def _while_there(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Run `work` until it ends or the client leaves, which cancels it.

    Raises:
        ClientGoneError: the client left.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_departure(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)
    if working.cancelled():
        raise ClientGoneError
    working.result()


async def _departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _turn_away(send: Send, error: NotAdmittedError, challenge: tuple[str, str]) -> None:
    fields = (challenge,) if error.status == 401 else ()
    await _answer(send, refusal(error.status, error.code, str(error)), fields)


async def _answer(send: Send, answer: Answer, fields: Iterable[tuple[str, str]] = ()) -> None:
    own = [("content-type", messages.JSON), API_POLICY, *HARDENING, *fields]
    await _whole(send, answer.status, own, answer.content)


async def _whole(send: Send, status: int, fields: list[tuple[str, str]], body: bytes) -> None:
    await _start(send, status, [*fields, ("content-length", str(len(body)))])
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _start(send: Send, status: int, fields: Iterable[tuple[str, str]]) -> None:
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    await send({"type": "http.response.start", "status": status, "headers": raw})

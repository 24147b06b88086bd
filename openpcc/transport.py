"""`Transport` and `AsyncTransport`: any `httpx` client, or the `openai` SDK, over verified nodes.

    client = httpx.Client(transport=openpcc.Transport("client.toml"), base_url="https://openpcc")
    client.post("/v1/chat/completions", json={"model": "demo", "messages": [...]})

One request there and back: choose nodes, seal, encapsulate, send, open. The choice and its reasons
are `openpcc.nodes`, the bytes are `openpcc.exchange`; here they meet the caller's HTTP library,
which may be `httpx` or its successor line `httpx2` (the `openai` SDK's): the answer is built with
the library that the request came from.

No request is sealed twice here: a second one would be the caller's to decide. What came to nothing
before any reply may be sent once more as it is, see `openpcc.repetition`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from functools import cache
from importlib import import_module
from os import PathLike
from types import ModuleType
from typing import cast

import httpx

from openpcc import answers, clock, paying, relays, repetition
from openpcc.answers import Answer, Asked, Options
from openpcc.carrier import AsyncCarrier, Carrier
from openpcc.config import ClientConfig
from openpcc.errors import GatewayError, TransportError, TruncatedReplyError
from openpcc.nodes import NodeBook
from openpcc.reply import Reply

Configuration = ClientConfig | str | PathLike[str] | None
"""A loaded configuration, the path of one, or None for the user's own."""


class Transport(httpx.BaseTransport):
    """The blocking transport. Safe to share between threads; close it when done."""

    def __init__(
        self, config: Configuration = None, *, pace: str | None = None, receipt: bool = True
    ) -> None:
        """Read the configuration; nothing is sent yet.

        Args:
            config: see `Configuration`.
            pace: `latency` (sizes padded, sent at once) or `paced` (one size, fixed ticks); None is
                the first that the service's logged entry lists, as for every other client.
            receipt: whether nodes sign a receipt for each reply.

        Raises:
            ConfigurationError: the configuration or policy is wrong.
        """
        self._options = Options(pace=pace, receipt=receipt)
        self.config = load(config)
        self.book = NodeBook(self.config)
        self.purse = paying.open_purse(self.config, self.book)
        if self.purse is not None:
            self.purse.start()
        self._carrier = Carrier(relays.of_process(self.config.relays), self.config.ca)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the answer's content streams as the node gives it.

        Raises:
            RefusedError, DirectoryError: no node may be trusted; nothing was sent.
            UnknownModelError, UnknownPaceError: the service does not offer it; nothing was sent.
            TokenError: the service asks for tokens, and they could not be spent.
            GatewayError, TransportError: not served, or not reached.
            TruncatedReplyError: the reply was cut, here or while its content is read.
        """
        asked = _asked(request, request.read())
        if answers.asks_for_models(asked):
            return _answer(
                request,
                answers.list_models(asked, self.book.models(clock.now()), created=clock.now()),
            )
        call = answers.prepare(asked, self._options, self.config.policy.service)
        if isinstance(call, Answer):
            return _answer(request, call)
        selection = self.book.candidates(call.model, clock.now())
        call = answers.paced(call, self._options, selection.paces)
        reply = paying.sealed(selection, call, self.purse)
        if isinstance(reply, Answer):
            return _answer(request, reply)
        with self.book.learning(), ExitStack() as stack:
            stack.callback(paying.settle, reply, self.purse)
            stack.callback(reply.close)
            content = self._content(reply, stack)
            return _response(request, reply, _sync_stream(request)(content, stack.pop_all()))

    def _content(self, reply: Reply, stack: ExitStack) -> Iterator[bytes]:
        """Send, once more if need be, until the status is known."""
        try:
            return self._try(reply, stack)
        except (GatewayError, TransportError) as error:
            if not repetition.may_repeat(reply, error, now=clock.now()):
                raise
        time.sleep(repetition.pause())
        reply.repeat()
        return self._try(reply, stack)

    def _try(self, reply: Reply, stack: ExitStack) -> Iterator[bytes]:
        with ExitStack() as trying:
            content = _content(reply, trying.enter_context(self._carrier.exchange(reply.body)))
            next(content)  # runs until the status is known
            stack.enter_context(trying.pop_all())
            return content

    def close(self) -> None:
        """Close every connection and stop the background verification."""
        if self.purse is not None:
            self.purse.close()
        self.book.close()
        self._carrier.close()


class AsyncTransport(httpx.AsyncBaseTransport):
    """The awaiting transport; same promises as `Transport`."""

    def __init__(
        self, config: Configuration = None, *, pace: str | None = None, receipt: bool = True
    ) -> None:
        """Read the configuration; nothing is sent yet. Arguments and errors as `Transport`."""
        self._options = Options(pace=pace, receipt=receipt)
        self.config = load(config)
        self.book = NodeBook(self.config)
        self.purse = paying.open_purse(self.config, self.book)
        if self.purse is not None:
            self.purse.start()
        self._carrier = AsyncCarrier(relays.of_process(self.config.relays), self.config.ca)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; as `Transport.handle_request`."""
        asked = _asked(request, await request.aread())
        if answers.asks_for_models(asked):
            models = await asyncio.to_thread(self.book.models, clock.now())
            return _answer(request, answers.list_models(asked, models, created=clock.now()))
        call = answers.prepare(asked, self._options, self.config.policy.service)
        if isinstance(call, Answer):
            return _answer(request, call)
        # Fetching and verifying nodes blocks; only a stale book leaves the event loop for it.
        selection = self.book.ready(call.model, clock.now())
        if selection is None:
            selection = await asyncio.to_thread(self.book.candidates, call.model, clock.now())
        call = answers.paced(call, self._options, selection.paces)
        if selection.service.parameters.tokens is None:
            reply = paying.sealed(selection, call, None)
        else:  # the wallet is a file
            reply = await asyncio.to_thread(paying.sealed, selection, call, self.purse)
        if isinstance(reply, Answer):
            return _answer(request, reply)
        with self.book.learning():
            async with AsyncExitStack() as stack:
                if reply.paid:
                    stack.push_async_callback(asyncio.to_thread, paying.settle, reply, self.purse)
                stack.callback(reply.close)
                content = await self._content(reply, stack)
                return _response(request, reply, _async_stream(request)(content, stack.pop_all()))

    async def _content(self, reply: Reply, stack: AsyncExitStack) -> AsyncIterator[bytes]:
        """Send, once more if need be, until the status is known."""
        try:
            return await self._try(reply, stack)
        except (GatewayError, TransportError) as error:
            if not repetition.may_repeat(reply, error, now=clock.now()):
                raise
        await asyncio.sleep(repetition.pause())
        reply.repeat()
        return await self._try(reply, stack)

    async def _try(self, reply: Reply, stack: AsyncExitStack) -> AsyncIterator[bytes]:
        async with AsyncExitStack() as trying:
            chunks = await trying.enter_async_context(self._carrier.exchange(reply.body))
            content = _acontent(reply, chunks)
            await anext(content)  # runs until the status is known
            await stack.enter_async_context(trying.pop_all())
            return content

    async def aclose(self) -> None:
        """Close every connection and stop the background verification."""
        if self.purse is not None:
            await asyncio.to_thread(self.purse.close)
        await asyncio.to_thread(self.book.close)  # waits for its thread
        await self._carrier.aclose()


def load(config: Configuration) -> ClientConfig:
    """Turn what a caller may pass into a configuration."""
    return config if isinstance(config, ClientConfig) else ClientConfig.load(config)


def _content(reply: Reply, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield content as it becomes authentic; the first piece is empty and says: status known."""
    try:
        for chunk in chunks:
            yield from reply.feed(chunk)
        yield from reply.finish()
    except TransportError as error:
        raise _broken(reply, error) from error


async def _acontent(reply: Reply, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """As `_content`, awaiting."""
    try:
        async for chunk in chunks:
            for piece in reply.feed(chunk):
                yield piece
        for piece in reply.finish():
            yield piece
    except TransportError as error:
        raise _broken(reply, error) from error


def _broken(reply: Reply, error: TransportError) -> TransportError | TruncatedReplyError:
    """Tell a connection lost before any reply from a reply that was cut."""
    if reply.status is None:
        return error
    return TruncatedReplyError("the connection was lost before the reply's end")


def _asked(request: httpx.Request, content: bytes) -> Asked:
    target = request.url.raw_path.decode("ascii")
    return Asked(method=request.method, target=target, content=content)


# The caller's library: `httpx`, or `httpx2`. Both build responses in the same way and insist on
# stream classes of their own, so these are made per library, once.


def _library(request: object) -> ModuleType:
    return import_module(type(request).__module__.partition(".")[0])


def _answer(request: httpx.Request, answer: Answer) -> httpx.Response:
    headers = [("content-type", "application/json")]
    response = _library(request).Response(answer.status, headers=headers, content=answer.content)
    return cast("httpx.Response", response)


def _response(request: httpx.Request, reply: Reply, stream: object) -> httpx.Response:
    response = _library(request).Response(
        reply.status,
        # As bytes: the library would refuse, or spell anew, what is not ASCII.
        headers=[
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers
        ],
        stream=stream,
        extensions={"openpcc": reply},
    )
    return cast("httpx.Response", response)


def _sync_stream(request: object) -> Callable[[Iterator[bytes], ExitStack], object]:
    return _stream_classes(_library(request))[0]


def _async_stream(request: object) -> Callable[[AsyncIterator[bytes], AsyncExitStack], object]:
    return _stream_classes(_library(request))[1]


@cache
def _stream_classes(library: ModuleType) -> tuple[type, type]:
    class SyncStream(library.SyncByteStream):  # type: ignore[misc, name-defined]
        def __init__(self, content: Iterator[bytes], stack: ExitStack) -> None:
            self._content, self._stack = content, stack

        def __iter__(self) -> Iterator[bytes]:
            yield from self._content

        def close(self) -> None:
            self._stack.close()

    class AsyncStream(library.AsyncByteStream):  # type: ignore[misc, name-defined]
        def __init__(self, content: AsyncIterator[bytes], stack: AsyncExitStack) -> None:
            self._content, self._stack = content, stack

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for piece in self._content:
                yield piece

        async def aclose(self) -> None:
            await self._stack.aclose()

    return SyncStream, AsyncStream

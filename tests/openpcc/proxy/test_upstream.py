import asyncio
from types import SimpleNamespace
from typing import cast

import httpx
import pytest

from openpcc.answers import Asked
from openpcc.errors import TruncatedReplyError
from openpcc.proxy.upstream import VerifiedUpstream
from openpcc.transport import AsyncTransport
from openpcc.trust import TrustedNode
from tests.fakes.book_views import book_view, good_node

ASKED = Asked(method="POST", target="/v1/chat/completions", content=b'{"model":"demo"}')


class Stream(httpx.AsyncByteStream):
    def __init__(self, *pieces: bytes, cut: bool = False) -> None:
        self.pieces, self.cut, self.closed = pieces, cut, False

    async def __aiter__(self):
        for piece in self.pieces:
            yield piece
        if self.cut:
            raise TruncatedReplyError("cut")

    async def aclose(self) -> None:
        self.closed = True


class TransportTwin:
    """Answers as `AsyncTransport` does, from memory."""

    def __init__(self, stream: Stream) -> None:
        self.config = SimpleNamespace(policy=SimpleNamespace(service="demo.example"))
        self.book = SimpleNamespace(view=lambda: book_view(good_node()))
        self.node = cast("TrustedNode", SimpleNamespace(leaf_hash=bytes(32)))
        self.stream = stream
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        reply = SimpleNamespace(node=self.node)
        return httpx.Response(
            200,
            headers=[("content-type", "text/event-stream")],
            stream=self.stream,
            extensions={"openpcc": reply},
        )


def upstream(twin: TransportTwin) -> VerifiedUpstream:
    return VerifiedUpstream(cast("AsyncTransport", twin))


def test_request_and_reply_pass_unchanged():
    async def main() -> None:
        twin = TransportTwin(Stream(b"a", b"b"))
        async with upstream(twin).send(ASKED) as answering:
            assert [piece async for piece in answering.content] == [b"a", b"b"]
            assert answering.fields == (("content-type", "text/event-stream"),)
            assert answering.node is twin.node
        (request,) = twin.requests
        assert request.read() == ASKED.content
        assert str(request.url) == "https://demo.example/v1/chat/completions"
        assert twin.stream.closed

    asyncio.run(main())


def test_an_answer_made_by_this_client_passes_too():
    class Local(TransportTwin):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, json={"object": "list", "data": []})

    async def main() -> None:
        async with upstream(Local(Stream())).send(ASKED) as answering:
            pieces = [piece async for piece in answering.content]
            assert b"".join(pieces) == b'{"object":"list","data":[]}'
            assert answering.node is None

    asyncio.run(main())


def test_leaving_early_closes_the_reply():
    async def main() -> None:
        twin = TransportTwin(Stream(b"a", b"b"))
        async with upstream(twin).send(ASKED) as answering:
            assert await anext(answering.content) == b"a"
        assert twin.stream.closed

    asyncio.run(main())


def test_a_cut_reply_is_an_error_and_closed():
    async def main() -> None:
        twin = TransportTwin(Stream(b"a", cut=True))
        with pytest.raises(TruncatedReplyError):
            async with upstream(twin).send(ASKED) as answering:
                assert [piece async for piece in answering.content]
        assert twin.stream.closed

    asyncio.run(main())


def test_the_view_is_the_books():
    assert upstream(TransportTwin(Stream())).view().service == "demo.example"

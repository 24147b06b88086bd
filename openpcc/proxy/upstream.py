"""The seam between the proxy and the verified transport."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import httpx

from openpcc.answers import Asked
from openpcc.errors import WalletError
from openpcc.transport import AsyncTransport

if TYPE_CHECKING:
    from openpcc.nodes import BookView
    from openpcc.trust import TrustedNode


@dataclass(frozen=True, kw_only=True)
class Answering:
    """A reply whose status is known and whose content is still coming."""

    status: int
    fields: tuple[tuple[str, str], ...]
    content: AsyncIterator[bytes]
    """Authenticated content. Ends normally only after the authenticated end of the reply."""
    node: "TrustedNode | None"
    """The node that answers; None where this client answered by itself (the model list)."""


class Upstream(Protocol):
    """What the application needs from below."""

    def view(self) -> "BookView":
        """Give the trust decision as it stands; no network."""
        ...

    def stock(self) -> str | None:
        """Say how many tokens can be spent; None: no request is paid with tokens. Reads a file."""
        ...

    def send(self, asked: Asked) -> AbstractAsyncContextManager[Answering]:
        """Send one request; leaving the context cancels what is still running.

        Raises:
            OpenPCCError: on entering, or while the content is read.
        """
        ...


class VerifiedUpstream:
    """`AsyncTransport` as the application wants it."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._base = f"https://{transport.config.policy.service}"

    def view(self) -> "BookView":
        """Give the trust decision as it stands; no network."""
        return self._transport.book.view()

    def stock(self) -> str | None:
        """Say how many tokens can be spent, see `Upstream.stock`."""
        purse = self._transport.purse
        if purse is None:
            return None
        try:
            counts = purse.counts()
        except WalletError as error:
            return str(error)
        stock = "0" if counts is None else str(counts.stock)
        return stock if purse.problem is None else f"{stock}; last purchase: {purse.problem}"

    @asynccontextmanager
    async def send(self, asked: Asked) -> AsyncIterator[Answering]:
        """Send one request, see `Upstream.send`."""
        request = httpx.Request(asked.method, self._base + asked.target, content=asked.content)
        response = await self._transport.handle_async_request(request)
        try:
            reply = response.extensions.get("openpcc")
            yield Answering(
                status=response.status_code,
                fields=tuple(
                    (name.decode("latin-1").lower(), value.decode("latin-1"))
                    for name, value in response.headers.raw
                ),
                content=_content(response),
                node=None if reply is None else reply.node,
            )
        finally:
            await response.aclose()


async def _content(response: httpx.Response) -> AsyncIterator[bytes]:
    """Read the stream itself: `aiter_raw` refuses an answer that this client made from memory."""
    async for piece in cast("httpx.AsyncByteStream", response.stream):
        yield piece

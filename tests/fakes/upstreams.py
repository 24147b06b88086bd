"""The proxy's upstream in memory: replies, refuses or breaks off as it is told, and remembers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import cast

from openpcc.answers import Asked
from openpcc.errors import OpenPCCError
from openpcc.nodes import BookView
from openpcc.proxy.upstream import Answering
from openpcc.trust import TrustedNode
from tests.fakes.book_views import book_view, good_node, report

Step = bytes | OpenPCCError | asyncio.Event
"""A piece of content, an error in its place, or something to wait for."""


class ScriptedUpstream:
    """Plays `steps` for every request.

    Attributes:
        asked: the requests that came.
        cancelled: set when a request was cancelled before its end.
    """

    def __init__(
        self,
        *steps: Step,
        refusal: OpenPCCError | None = None,
        fields: tuple[tuple[str, str], ...] = (("content-type", "application/json"),),
        view: BookView | None = None,
    ) -> None:
        self._steps = steps
        self._refusal = refusal
        self._fields = fields
        self._view = view or book_view(good_node())
        self.asked: list[Asked] = []
        self.cancelled = asyncio.Event()

    def view(self) -> BookView:
        return self._view

    def stock(self) -> str | None:
        return None

    @asynccontextmanager
    async def send(self, asked: Asked) -> AsyncIterator[Answering]:
        self.asked.append(asked)
        if self._refusal is not None:
            raise self._refusal
        node = cast("TrustedNode", SimpleNamespace(leaf_hash=bytes(32), report=report()))
        try:
            yield Answering(status=200, fields=self._fields, content=self._play(), node=node)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def _play(self) -> AsyncIterator[bytes]:
        for step in self._steps:
            if isinstance(step, bytes):
                yield step
            elif isinstance(step, OpenPCCError):
                raise step
            else:
                await step.wait()

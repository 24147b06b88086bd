"""One sealed reply: the inner response, its digest, its receipt, its end.

The inner response is Binary HTTP of indeterminate length. Status and fields are held back until the
first content, so that they cost no record of their own. The digest of the receipt covers all bytes
up to and including the end of the content, that is, everything before the trailer section.
"""

import json
from collections.abc import Callable

from node_image.agent.errors import EngineError, InnerRefusal
from node_image.agent.pace import Outlet
from node_image.agent.receipts import response_hasher
from openpcc.protocol import messages
from openpcc.protocol.bhttp import ResponseEncoder

EVENT_STREAM = "text/event-stream"

_TYPES = {400: "invalid_request_error", 404: "invalid_request_error"}


class Reply:
    """Writes one inner response into an outlet.

    Attributes:
        begun: content has been sent, so status and fields can no longer change.
    """

    def __init__(self, outlet: Outlet, *, salt: bytes) -> None:
        self._outlet = outlet
        self._encoder = ResponseEncoder()
        self._digest = response_hasher(salt)
        self._held = b""
        self._content_type = ""
        self.begun = False

    def head(self, status: int, content_type: str) -> None:
        """Write status and content type; until content follows, another head may replace it."""
        self._encoder = ResponseEncoder()
        self._content_type = content_type
        self._held = self._encoder.head(status, (("content-type", content_type),))

    async def content(self, data: bytes) -> None:
        """Write a piece of content; nothing happens for an empty one."""
        if data:
            self.begun = True
            await self._outlet.send(self._count(self._encoder.content(data)))

    async def end(self, receipt: Callable[[bytes], str | None]) -> None:
        """Write the end; `receipt` is given the digest and may give the trailer's value."""
        self._digest.update(self._held + b"\x00")  # the end of the content belongs to it
        value = receipt(self._digest.digest())
        trailers = () if value is None else ((messages.RECEIPT, value),)
        held, self._held = self._held, b""
        await self._outlet.end(held + self._encoder.end(trailers))

    async def refuse(self, refusal: InnerRefusal) -> None:
        """Write a whole error response."""
        self.head(refusal.status, messages.JSON)
        await self.content(error_object(refusal))
        await self.end(lambda _: None)

    async def break_off(self) -> None:
        """Tell a stream's reader that the engine failed; the final record is left out.

        An end that looked complete would make a cut answer pass for a whole one.
        """
        if self._content_type.startswith(EVENT_STREAM):
            await self.content(b"data: " + error_object(engine_failed()) + b"\n\n")
        await self._outlet.drain()

    def _count(self, data: bytes) -> bytes:
        data, self._held = self._held + data, b""
        self._digest.update(data)
        return data


class BrokenOffError(EngineError):
    """The engine failed in mid-reply; what was sent has no end."""


def engine_failed() -> InnerRefusal:
    """Name the engine's failure to the caller."""
    return InnerRefusal(
        code="engine", status=502, message="the engine failed; this sealed request is spent"
    )


def error_object(refusal: InnerRefusal) -> bytes:
    """Write the OpenAI error object."""
    error = {
        "message": refusal.message,
        "type": _TYPES.get(refusal.status, "server_error"),
        "param": refusal.param,
        "code": refusal.code,
    }
    return json.dumps({"error": error}, separators=(",", ":")).encode()

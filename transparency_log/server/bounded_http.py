"""HTTP connections that cannot be made to hold much or to last for ever.

uvicorn bounds neither a request's head nor the time a peer takes, and a reply nobody reads keeps
the work behind it alive. All servers of this distribution use this protocol in its place. It lives
with the log because that package is the one which every server may import.

    head    at most 32 KiB (fields counted as in RFC 9113, 6.5.2), whole within 20 s
    body    never silent for 30 s while we want it, whole within 300 s; framing is bounded as well
    reply   a peer that takes less than 16 KiB a minute of one that waits is cut off
    then    one request at a time; what comes during a reply is not read; idle ones are closed
    number  a third of the process's file descriptors; more connections are closed at once

Cutting a connection is all that happens here: the application sees `http.disconnect` as if the peer
had left, and stops its work. Nothing is logged; a peer could write as many lines as it likes.
"""

import asyncio
import resource
from enum import Enum, auto
from typing import Any, assert_never

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from transparency_log.server.asgi import ERROR_TYPE
from transparency_log.strict_json import dumps

FIELD_OVERHEAD = 32
"""Bytes counted for a field beside its name and value: a list of empty ones is memory, too."""


def most_connections(descriptors: int) -> int:
    """Leave a third of the descriptors to connections onwards, and a third to all else."""
    return 1 << 20 if descriptors == resource.RLIM_INFINITY else max(16, descriptors // 3)


class Phase(Enum):
    """What the peer is at."""

    IDLE = auto()
    """Nothing: between two requests."""
    HEAD = auto()
    """Sending a request's line and fields, or owing them: a new connection."""
    BODY = auto()
    """Sending a request's content and trailers."""
    ANSWER = auto()
    """Waiting for the rest of the reply; its request is whole."""


class _PipelinedError(Exception):
    """A request came before the reply to the one before it had ended."""


class _UpgradeError(Exception):
    """A request asks for another protocol."""


class _TooLargeError(Exception):
    """A request's head is over the limit."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. Times are seconds; a test may make a subclass with shorter ones."""

    head_bytes = 32 << 10
    """Several times what browsers send; our own clients send under 1 KiB."""
    head_time = 20.0
    body_silence = 30.0
    body_time = 300.0
    """A sealed request lives no longer than that (sealing sheet), so a longer upload is in vain."""
    linger_time = 10.0
    """How long a body is still taken, and dropped, once its request was refused."""
    write_time = 60.0
    write_step = 16 << 10
    """Bytes that a peer must take of a waiting reply in each `write_time`."""
    look_time = 5.0
    """Between two looks at the clock; every limit may be passed by that much."""
    connections_at_most = most_connections(resource.getrlimit(resource.RLIMIT_NOFILE)[0])

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._phase = Phase.HEAD
        self._since = self._heard = self.loop.time()
        self._fields = self._framing = 0
        self._fed = self._deaf = self._answered = False
        self._unsent: tuple[int, float] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to watch the connection."""
        super().connection_made(transport)
        if len(self.connections) > self.connections_at_most:
            transport.abort()
            return
        self._timer = self.loop.call_later(self.look_time, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, within the limits on size."""
        self._unset_keepalive_if_required()
        if self._deaf:
            return
        if self._phase is Phase.IDLE:
            self._enter(Phase.HEAD)
        self._heard, self._fed = self.loop.time(), False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._give_up(error.__context__)
        else:
            self._count_framing(len(data))

    def on_message_begin(self) -> None:
        """Begin a request.

        Raises:
            _PipelinedError: the reply before it has not ended.
        """
        if self._unanswered() is not None:
            raise _PipelinedError
        self._fields, self._answered = 0, False
        self._enter(Phase.HEAD)
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count a part of the request's target."""
        self._count_field(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a field; trailers go no further, the request's fields have been judged by then."""
        self._count_field(len(name) + len(value) + FIELD_OVERHEAD)
        if self._phase is Phase.HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the application.

        Raises:
            _UpgradeError: the parser would take the content for another protocol's.
        """
        if self.parser.should_upgrade():
            raise _UpgradeError
        self._enter(Phase.BODY)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take content."""
        self._fed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take the end of a request."""
        self._enter(Phase.IDLE if self._answered else Phase.ANSWER)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Note that the application is done with a request, whole or not."""
        self._answered = True
        self._enter(Phase.IDLE if self._phase is Phase.ANSWER else self._phase)
        super().on_response_complete()

    def _enter(self, phase: Phase) -> None:
        self._phase, self._since = phase, self.loop.time()

    def _count_field(self, size: int) -> None:
        self._fields += size
        if self._fields > self.head_bytes:
            raise _TooLargeError

    def _count_framing(self, size: int) -> None:
        """Count bytes that gave no content: the parser may hold all of them (one long field)."""
        waiting = self._phase is Phase.HEAD or (self._phase is Phase.BODY and not self._fed)
        self._framing = self._framing + size if waiting else 0
        if self._framing > self.head_bytes:
            self._refuse(413, "too-large", "the head of the request is over the limit")

    def _give_up(self, cause: BaseException | None) -> None:
        match cause:
            case _PipelinedError():
                self._deafen()
            case _TooLargeError():
                self._refuse(413, "too-large", "the head of the request is over the limit")
            case _UpgradeError():
                self._refuse(400, "unsupported", "nothing but HTTP/1.1 is spoken here")
            case _:
                self._refuse(400, "malformed", "not a request of HTTP/1.1")

    def _deafen(self) -> None:
        """Read no further, and close after the reply; the peer's departure is still noticed."""
        self._deaf = True
        if unanswered := self._unanswered():
            unanswered.keep_alive = False

    def _refuse(self, status: int, code: str, text: str) -> None:
        """Answer with an error document (docs/formats.md, 9), unless a reply is under way."""
        self._deaf = True
        unanswered = self._unanswered()
        if unanswered is not None and unanswered.response_started:
            self.transport.abort()
            return
        body = dumps({"error": {"code": code, "message": text}})
        head = (
            f"HTTP/1.1 {status} \r\ncontent-type: {ERROR_TYPE}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _unanswered(self) -> RequestResponseCycle | None:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        return None if cycle is None or cycle.response_complete else cycle

    def _look(self) -> None:
        now = self.loop.time()
        if self._peer_is_late(now) or self._reply_is_stuck(now):
            self.transport.abort()
            return
        self._timer = self.loop.call_later(self.look_time, self._look)

    def _peer_is_late(self, now: float) -> bool:
        if self.flow.read_paused:
            self._heard = now  # it is we who do not read
        age = now - self._since
        match self._phase:
            case Phase.IDLE:
                return age > self.timeout_keep_alive
            case Phase.HEAD:
                return age > self.head_time
            case Phase.BODY if self._answered:
                return age > self.linger_time
            case Phase.BODY:
                return age > self.body_time or now - self._heard > self.body_silence
            case Phase.ANSWER:
                return False
            case _:
                assert_never(self._phase)

    def _reply_is_stuck(self, now: float) -> bool:
        """Say whether the peer took too little of bytes that nothing is added to meanwhile."""
        unsent = self.transport.get_write_buffer_size()
        waits = self.flow.write_paused or self.transport.is_closing() or self._phase is Phase.IDLE
        if unsent == 0 or not waits:
            self._unsent = None
            return False
        if self._unsent is None or not 0 <= self._unsent[0] - unsent < self.write_step:
            self._unsent = unsent, now
        return now - self._unsent[1] > self.write_time

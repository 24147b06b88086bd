"""The Binary HTTP grammar as a generator that waits for bytes (RFC 9292, section 3).

    message = framing(varint) ‖ control ‖ fields ‖ content ‖ trailers ‖ zero bytes

The grammar is written once. It yields whenever it needs more than has arrived; the decoders around
it feed a stream or a whole message. `Events` come out in order; content comes as it arrives. What
follows the last byte sent may be missing where the standard allows truncation: that is decided only
when the end is known (`end`), since more bytes may still come.
"""

from collections.abc import Generator
from dataclasses import dataclass, field

from openpcc.protocol import varint
from openpcc.protocol.bhttp.message import (
    Fields,
    Informational,
    Limits,
    check_control,
    check_fields,
    check_status,
)
from openpcc.protocol.byte_queue import ByteQueue
from openpcc.protocol.errors import BHTTPError

KNOWN_REQUEST = 0
KNOWN_RESPONSE = 1
INDETERMINATE_REQUEST = 2
INDETERMINATE_RESPONSE = 3


@dataclass(frozen=True, kw_only=True)
class RequestHead:
    """Control data and headers of a request."""

    framing: int
    method: str
    scheme: str
    authority: str
    path: str
    headers: Fields


@dataclass(frozen=True, kw_only=True)
class Head:
    """Final status and headers of a response."""

    framing: int = KNOWN_RESPONSE
    status: int
    headers: Fields


@dataclass(frozen=True, kw_only=True)
class Content:
    """A piece of content; pieces follow no border of the message."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Trailers:
    """The fields after the content; none is an empty tuple."""

    fields: Fields


@dataclass(frozen=True, kw_only=True)
class End:
    """The message ended with so many bytes of padding."""

    padding: int


Event = RequestHead | Informational | Head | Content | Trailers | End
Steps = Generator[None, None, None]


class Reader:
    """Reads one message from bytes that arrive in pieces."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._queue = ByteQueue()
        self._fed = 0
        self._ended = False
        self.trailers_at: int | None = None
        """Offset of the first byte after the content; None until the content has ended."""
        self._events: list[Event] = []
        self._steps = self._message()
        self._error: BHTTPError | None = None

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes and give what they complete.

        Raises:
            BHTTPError: not a message; every later call raises it again.
        """
        self._fed += len(data)
        self._queue.append(data)
        return self._advance()

    def end(self) -> list[Event]:
        """Take the end of the message and give the last events.

        Raises:
            BHTTPError: the message may not end here.
        """
        self._ended = True
        return self._advance()

    def _advance(self) -> list[Event]:
        if self._error is not None:
            raise self._error
        try:
            next(self._steps, None)
        except BHTTPError as error:
            self._error = error
            raise
        events, self._events = self._events, []
        return events

    def _message(self) -> Steps:
        framing = yield from self._varint()
        if framing > INDETERMINATE_RESPONSE:
            raise BHTTPError("framing indicator: expected 0 to 3")
        known = framing in (KNOWN_REQUEST, KNOWN_RESPONSE)
        if framing in (KNOWN_REQUEST, INDETERMINATE_REQUEST):
            yield from self._request_head(framing, known=known)
        else:
            yield from self._response_head(framing, known=known)
        yield from self._content(known=known)
        self.trailers_at = self._fed - len(self._queue)
        trailers = yield from self._fields(known=known, trailers=True)
        self._events.append(Trailers(fields=trailers))
        yield from self._padding()

    def _request_head(self, framing: int, *, known: bool) -> Steps:
        method = yield from self._control()
        scheme = yield from self._control()
        authority = yield from self._control()
        path = yield from self._control()
        check_control(method, scheme, authority, path)
        headers = yield from self._fields(known=known)
        self._events.append(
            RequestHead(
                framing=framing,
                method=method,
                scheme=scheme,
                authority=authority,
                path=path,
                headers=headers,
            )
        )

    def _response_head(self, framing: int, *, known: bool) -> Steps:
        for _ in range(self._limits.informational + 1):
            status = yield from self._varint()
            if not 100 <= status <= 199:
                check_status(status)
                headers = yield from self._fields(known=known)
                self._events.append(Head(framing=framing, status=status, headers=headers))
                return
            headers = yield from self._fields(known=known)
            self._events.append(Informational(status=status, headers=headers))
        raise BHTTPError("informational responses: more than are accepted")

    def _content(self, *, known: bool) -> Steps:
        if (yield from self._is_end()):
            return
        left = self._limits.content
        while length := (yield from self._varint()):
            if length > left:
                raise BHTTPError("content: over the limit")
            left -= length
            yield from self._piece(length)
            if known:
                return

    def _piece(self, length: int) -> Steps:
        while length:
            yield from self._need(1)
            data = self._queue.take(min(length, len(self._queue)))
            length -= len(data)
            self._events.append(Content(data=data))

    def _fields(self, *, known: bool, trailers: bool = False) -> Generator[None, None, Fields]:
        if (yield from self._is_end()):
            return ()
        read = self._known_fields if known else self._indeterminate_fields
        fields = yield from read()
        check_fields(fields, trailers=trailers)
        return fields

    def _known_fields(self) -> Generator[None, None, Fields]:
        section = yield from self._bytes(self._limits.fields, "field section")
        lines: list[tuple[str, str]] = []
        offset = 0
        while offset < len(section):
            name, offset = _string(section, offset)
            value, offset = _string(section, offset)
            self._add(lines, name, value)
        return tuple(lines)

    def _indeterminate_fields(self) -> Generator[None, None, Fields]:
        lines: list[tuple[str, str]] = []
        left = self._limits.fields
        while size := (yield from self._varint()):
            name = yield from self._exactly(size, left, "field name")
            value = yield from self._bytes(left - len(name), "field value")
            left -= len(name) + len(value)
            self._add(lines, name.decode("latin-1"), value.decode("latin-1"))
        return tuple(lines)

    def _add(self, lines: list[tuple[str, str]], name: str, value: str) -> None:
        if len(lines) == self._limits.field_lines:
            raise BHTTPError("field section: more lines than are accepted")
        lines.append((name, value))

    def _padding(self) -> Steps:
        count = 0
        while not (yield from self._is_end()):
            padding = self._queue.take(len(self._queue))
            if padding.count(0) != len(padding):
                raise BHTTPError("padding: a byte is not zero")
            count += len(padding)
        self._events.append(End(padding=count))

    def _control(self) -> Generator[None, None, str]:
        data = yield from self._bytes(self._limits.control, "control data")
        return data.decode("latin-1")

    def _bytes(self, limit: int, name: str) -> Generator[None, None, bytes]:
        size = yield from self._varint()
        return (yield from self._exactly(size, limit, name))

    def _exactly(self, size: int, limit: int, name: str) -> Generator[None, None, bytes]:
        """Take so many bytes; the length is judged before one of them is kept."""
        if size > limit:
            raise BHTTPError(f"{name}: longer than is accepted")
        yield from self._need(size)
        return self._queue.take(size)

    def _varint(self) -> Generator[None, None, int]:
        yield from self._need(1)
        size = varint.size_of(self._queue.peek())
        yield from self._need(size)
        return varint.decode(self._queue.take(size))[0]

    def _need(self, size: int) -> Steps:
        while len(self._queue) < size:
            if self._ended:
                raise BHTTPError("the message ends inside a value")
            yield

    def _is_end(self) -> Generator[None, None, bool]:
        """Wait until there is another byte or the end is known."""
        while not len(self._queue):
            if self._ended:
                return True
            yield
        return False


def _string(section: bytes, offset: int) -> tuple[str, int]:
    """Read one length-prefixed text that lies inside the section."""
    found = varint.try_decode(section, offset)
    if found is None:
        raise BHTTPError("field section: ends inside a length")
    size, start = found
    if size > len(section) - start:
        raise BHTTPError("field section: a line runs over its end")
    return section[start : start + size].decode("latin-1"), start + size

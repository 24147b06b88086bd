"""Whole messages and streamed responses from bytes."""

from dataclasses import dataclass
from typing import assert_never

from openpcc.protocol.bhttp.message import LIMITS, Informational, Limits, Request, Response, lowered
from openpcc.protocol.bhttp.reader import Content, End, Event, Head, Reader, RequestHead, Trailers
from openpcc.protocol.errors import BHTTPError


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """A message as it was sent, with framing and padding; field names keep their case."""

    framing: int
    message: Request | Response
    padding: int


def parse(data: bytes, *, limits: Limits = LIMITS) -> Parsed:
    """Read a whole message of any of the four framings.

    Raises:
        BHTTPError: the bytes are not one message, or over a limit.
    """
    stream = Reader(limits)
    events = [*stream.feed(data), *stream.end()]
    match events:
        case [RequestHead() as head, *rest]:
            content, trailers, padding = _rest(rest)
            request = Request(
                method=head.method,
                scheme=head.scheme,
                authority=head.authority,
                path=head.path,
                headers=head.headers,
                content=content,
                trailers=trailers,
            )
            return Parsed(framing=head.framing, message=request, padding=padding)
        case _:
            return _response(events)


def decode_request(data: bytes, *, limits: Limits = LIMITS) -> Request:
    """Read a whole request; field names come in lower case.

    Raises:
        BHTTPError: the bytes are not one request, or over a limit.
    """
    message = parse(data, limits=limits).message
    if not isinstance(message, Request):
        raise BHTTPError("expected a request")
    return Request(
        method=message.method,
        scheme=message.scheme,
        authority=message.authority,
        path=message.path,
        headers=lowered(message.headers),
        content=message.content,
        trailers=lowered(message.trailers),
    )


def decode_response(data: bytes, *, limits: Limits = LIMITS) -> Response:
    """Read a whole response; field names come in lower case.

    Raises:
        BHTTPError: the bytes are not one response, or over a limit.
    """
    message = parse(data, limits=limits).message
    if not isinstance(message, Response):
        raise BHTTPError("expected a response")
    return Response(
        status=message.status,
        headers=lowered(message.headers),
        content=message.content,
        trailers=lowered(message.trailers),
        informational=tuple(
            Informational(status=before.status, headers=lowered(before.headers))
            for before in message.informational
        ),
    )


class ResponseDecoder:
    """Reads one response, known or indeterminate in length, as its bytes arrive.

    What was given before an error stays given: a caller marks it as partial.
    """

    def __init__(self, *, limits: Limits = LIMITS) -> None:
        self._reader = Reader(limits)

    @property
    def trailers_at(self) -> int | None:
        """Offset of the first byte after the content; None until the content has ended."""
        return self._reader.trailers_at

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes and give the events they complete.

        Raises:
            BHTTPError: the bytes are not a response; every later call raises it again.
        """
        return [_checked(event) for event in self._reader.feed(data)]

    def finish(self) -> list[Event]:
        """Take the end of the message and give the last events: `Trailers`, then `End`.

        Raises:
            BHTTPError: the message may not end here.
        """
        return [_checked(event) for event in self._reader.end()]


def _checked(event: Event) -> Event:
    """Give names in lower case, and refuse a request where a response is expected."""
    match event:
        case RequestHead():
            raise BHTTPError("expected a response")
        case Head():
            headers = lowered(event.headers)
            return Head(framing=event.framing, status=event.status, headers=headers)
        case Informational():
            return Informational(status=event.status, headers=lowered(event.headers))
        case Trailers():
            return Trailers(fields=lowered(event.fields))
        case Content() | End():
            return event
        case _:
            assert_never(event)


def _response(events: list[Event]) -> Parsed:
    informational = []
    for position, event in enumerate(events):
        if isinstance(event, Informational):
            informational.append(Informational(status=event.status, headers=event.headers))
        elif isinstance(event, Head):
            content, trailers, padding = _rest(events[position + 1 :])
            response = Response(
                status=event.status,
                headers=event.headers,
                content=content,
                trailers=trailers,
                informational=tuple(informational),
            )
            return Parsed(framing=event.framing, message=response, padding=padding)
    raise BHTTPError("the message has no head")


def _rest(events: list[Event]) -> tuple[bytes, tuple[tuple[str, str], ...], int]:
    """Collect what follows the head: content, trailers, padding."""
    content = [event.data for event in events if isinstance(event, Content)]
    match events[-2:]:
        case [Trailers(fields=fields), End(padding=padding)]:
            return b"".join(content), fields, padding
        case _:
            raise BHTTPError("the message has no end")

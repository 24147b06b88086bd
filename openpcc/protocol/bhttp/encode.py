"""Messages to bytes: known length when the message is whole, indeterminate when it streams."""

from openpcc.protocol import varint
from openpcc.protocol.bhttp import reader
from openpcc.protocol.bhttp.message import (
    Fields,
    Request,
    Response,
    check_control,
    check_fields,
    check_status,
    lowered,
    without_connection_fields,
)
from openpcc.protocol.errors import BHTTPError


def encode_request(request: Request, *, pad_to: int | None = None) -> bytes:
    """Write a request of known length; field names go out in lower case.

    Args:
        request: the message; fields about one connection are dropped.
        pad_to: fill up with zero bytes to the next multiple of this; None adds none.

    Raises:
        BHTTPError: a field or the control data cannot be sent.
    """
    control = (request.method, request.scheme, request.authority, request.path)
    check_control(*control)
    parts = [bytes([reader.KNOWN_REQUEST]), *(_text(part) for part in control)]
    parts += _body(request.headers, request.content, request.trailers)
    return _padded(b"".join(parts), pad_to)


def encode_response(response: Response, *, pad_to: int | None = None) -> bytes:
    """Write a response of known length; see `encode_request`."""
    parts = [bytes([reader.KNOWN_RESPONSE])]
    for before in response.informational:
        check_status(before.status, informational=True)
        parts += [varint.encode(before.status), _section(before.headers)]
    check_status(response.status)
    parts.append(varint.encode(response.status))
    parts += _body(response.headers, response.content, response.trailers)
    return _padded(b"".join(parts), pad_to)


class ResponseEncoder:
    """Writes one response of indeterminate length: informational*, head, content*, end."""

    def __init__(self) -> None:
        self._begun = self._headed = self._ended = False

    def informational(self, status: int, headers: Fields = ()) -> bytes:
        """Write a response of 100 to 199, before the head."""
        self._require(before_head=True)
        check_status(status, informational=True)
        return self._framing() + varint.encode(status) + _lines(headers) + b"\x00"

    def head(self, status: int, headers: Fields = ()) -> bytes:
        """Write final status and headers."""
        self._require(before_head=True)
        check_status(status)
        self._headed = True
        return self._framing() + varint.encode(status) + _lines(headers) + b"\x00"

    def content(self, data: bytes) -> bytes:
        """Write a piece of content; nothing for an empty one, which would end the content."""
        self._require(before_head=False)
        return varint.encode(len(data)) + data if data else b""

    def end(self, trailers: Fields = ()) -> bytes:
        """Write the end of the content, the trailers and their end."""
        self._require(before_head=False)
        self._ended = True
        return b"\x00" + _lines(trailers, trailers=True) + b"\x00"

    def _framing(self) -> bytes:
        begun, self._begun = self._begun, True
        return b"" if begun else bytes([reader.INDETERMINATE_RESPONSE])

    def _require(self, *, before_head: bool) -> None:
        if self._ended or self._headed == before_head:
            raise BHTTPError("a response is written in order: head, content, end")


def _body(headers: Fields, content: bytes, trailers: Fields) -> list[bytes]:
    return [
        _section(headers),
        varint.encode(len(content)),
        content,
        _section(trailers, trailers=True),
    ]


def _section(fields: Fields, *, trailers: bool = False) -> bytes:
    lines = _lines(fields, trailers=trailers)
    return varint.encode(len(lines)) + lines


def _lines(fields: Fields, *, trailers: bool = False) -> bytes:
    kept = lowered(without_connection_fields(fields))
    check_fields(kept, trailers=trailers)
    return b"".join(_text(name) + _text(value) for name, value in kept)


def _text(text: str) -> bytes:
    try:
        data = text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise BHTTPError("a text holds characters beyond Latin-1") from error
    return varint.encode(len(data)) + data


def _padded(data: bytes, pad_to: int | None) -> bytes:
    if pad_to is None:
        return data
    return data + bytes(-len(data) % pad_to)

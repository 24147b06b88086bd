"""Binary HTTP (RFC 9292): whole messages and streamed responses.

The modules, from below:

    message   messages as values, limits, what HTTP calls malformed
    reader    the grammar, once, for streams and whole messages
    decode    bytes to messages
    encode    messages to bytes
"""

from openpcc.protocol.bhttp.decode import (
    Parsed,
    ResponseDecoder,
    decode_request,
    decode_response,
    parse,
)
from openpcc.protocol.bhttp.encode import ResponseEncoder, encode_request, encode_response
from openpcc.protocol.bhttp.message import (
    LIMITS,
    MEDIA_TYPE,
    Fields,
    Informational,
    Limits,
    Request,
    Response,
    get,
)
from openpcc.protocol.bhttp.reader import Content, End, Event, Head, Trailers
from openpcc.protocol.errors import BHTTPError

__all__ = [
    "LIMITS",
    "MEDIA_TYPE",
    "BHTTPError",
    "Content",
    "End",
    "Event",
    "Fields",
    "Head",
    "Informational",
    "Limits",
    "Parsed",
    "Request",
    "Response",
    "ResponseDecoder",
    "ResponseEncoder",
    "Trailers",
    "decode_request",
    "decode_response",
    "encode_request",
    "encode_response",
    "get",
    "parse",
]

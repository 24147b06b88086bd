"""HTTP messages as values: what Binary HTTP carries (RFC 9292).

Field names and values are `str` (values decoded as Latin-1, so every byte survives). Messages that
we build or decode have lower-case names; only `parse` keeps the spelling that was sent.
"""

import re
from dataclasses import dataclass, field

from openpcc.protocol.errors import BHTTPError

MEDIA_TYPE = "message/bhttp"

Fields = tuple[tuple[str, str], ...]

CONNECTION_FIELDS = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"}
)
"""Fields about one connection; they are dropped when a message is built."""

FORBIDDEN_NAMES = frozenset({":method", ":scheme", ":authority", ":path", ":status"})
"""Pseudo-fields whose values travel in the control data (RFC 9292, section 3.6)."""

_NAME = re.compile(r":?[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_VALUE = re.compile(r"[\x00\r\n]|^[ \t]|[ \t]$")
_BAD_CONTROL = re.compile(r"[\x00-\x20\x7f]")


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request. `authority` may be empty; then the `host` field says it."""

    method: str
    scheme: str
    authority: str
    path: str
    headers: Fields = ()
    content: bytes = field(default=b"", repr=False)
    trailers: Fields = ()


@dataclass(frozen=True, kw_only=True)
class Informational:
    """A response of 100 to 199 before the final one."""

    status: int
    headers: Fields = ()


@dataclass(frozen=True, kw_only=True)
class Response:
    """One response with the informational ones before it."""

    status: int
    headers: Fields = ()
    content: bytes = field(default=b"", repr=False)
    trailers: Fields = ()
    informational: tuple[Informational, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a decoder takes. Sizes in bytes."""

    control: int = 16384
    """Each of method, scheme, authority and path: longer than any URL in use."""
    fields: int = 65536
    """One field section: holds 64 tokens of 624 characters each."""
    field_lines: int = 512
    informational: int = 16
    content: int = 64 << 20
    """The largest sealed request."""


LIMITS = Limits()


def get(fields: Fields, name: str) -> str | None:
    """Give a field's value: lines joined as HTTP joins them; None if there is no such line.

    `name` is lower case; names are compared without case.
    """
    found = [value for key, value in fields if key.lower() == name]
    if not found:
        return None
    return ("; " if name == "cookie" else ", ").join(found)


def lowered(fields: Fields) -> Fields:
    """Give the fields with lower-case names."""
    return tuple((name.lower(), value) for name, value in fields)


def without_connection_fields(fields: Fields) -> Fields:
    """Drop what is about one connection only."""
    return tuple(pair for pair in fields if pair[0].lower() not in CONNECTION_FIELDS)


def check_fields(fields: Fields, *, trailers: bool) -> None:
    """Refuse fields that HTTP calls malformed (RFC 9292, section 3.6; RFC 9113, section 8.2.1).

    Raises:
        BHTTPError: a name that is no token, a forbidden or late pseudo-field, a bad value.
    """
    regular = trailers
    for name, value in fields:
        if not _NAME.fullmatch(name) or name.lower() in FORBIDDEN_NAMES:
            raise BHTTPError("field name: not a token, or a pseudo-field of the control data")
        if name.startswith(":") and regular:
            raise BHTTPError("field name: a pseudo-field behind a regular field or in trailers")
        regular = regular or not name.startswith(":")
        if _BAD_VALUE.search(value):
            raise BHTTPError("field value: NUL, line break, or space at an end")


def check_control(method: str, *others: str) -> None:
    """Refuse control data with spaces or control characters, and an empty method."""
    if not _METHOD.fullmatch(method):
        raise BHTTPError("method: not a token")
    if any(_BAD_CONTROL.search(part) for part in others):
        raise BHTTPError("scheme, authority or path: a space or a control character")


def check_status(status: int, *, informational: bool = False) -> None:
    """Refuse a status outside its range."""
    low, high = (100, 199) if informational else (200, 599)
    if not low <= status <= high:
        raise BHTTPError(f"status: expected {low} to {high}")

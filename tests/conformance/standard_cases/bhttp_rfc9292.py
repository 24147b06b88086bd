"""bhttp-rfc9292: messages that parse to the listed values, and bytes that are no message."""

from typing import Any

from openpcc.protocol import bhttp
from openpcc.protocol.bhttp.reader import Reader
from openpcc.protocol.errors import BHTTPError
from tests.conformance.standard_cases.contract import (
    CaseFile,
    MismatchError,
    RowData,
    listed,
    require_equal,
    require_expect,
    require_keys,
    require_refusal,
    unhex,
)

COMMON = frozenset({"framing", "headers", "content", "trailers", "padding"})
REQUEST = COMMON | {"method", "scheme", "authority", "path"}
RESPONSE = COMMON | {"informational", "status"}


def case_file(name: str) -> CaseFile | None:
    """Read `vectors.json`."""
    return listed(_check) if name == "vectors.json" else None


def _check(row: RowData) -> None:
    require_keys(row, "hex")
    data = unhex(row["hex"])
    if require_expect(row, "valid", "invalid") == "invalid":
        require_refusal(BHTTPError, "the message", lambda: bhttp.parse(data))
        require_refusal(BHTTPError, "the message in single bytes", lambda: _byte_by_byte(data))
        return
    parsed = bhttp.parse(data)
    if "parsed" in row:
        _check_keys(row["parsed"], parsed.message)
        require_equal("parsed", dict(row["parsed"]), _as_row(parsed))
    require_equal("content in single bytes", parsed.message.content, _byte_by_byte(data))


def _check_keys(expected: RowData, message: bhttp.Request | bhttp.Response) -> None:
    shape = REQUEST if isinstance(message, bhttp.Request) else RESPONSE
    if set(expected) != shape:
        raise MismatchError("unknown row shape of parsed")


def _byte_by_byte(data: bytes) -> bytes:
    """Read a message as a stream of single bytes; give its content."""
    stream = Reader(bhttp.LIMITS)
    events = [event for byte in data for event in stream.feed(bytes([byte]))]
    events += stream.end()
    return b"".join(event.data for event in events if isinstance(event, bhttp.Content))


def _as_row(parsed: bhttp.Parsed) -> dict[str, Any]:
    message = parsed.message
    row: dict[str, Any] = {
        "framing": parsed.framing,
        "headers": _pairs(message.headers),
        "content": message.content.hex(),
        "trailers": _pairs(message.trailers),
        "padding": parsed.padding,
    }
    if isinstance(message, bhttp.Request):
        names = ("method", "scheme", "authority", "path")
        return row | {name: getattr(message, name) for name in names}
    before = [
        {"status": one.status, "headers": _pairs(one.headers)} for one in message.informational
    ]
    return row | {"informational": before, "status": message.status}


def _pairs(fields: bhttp.Fields) -> list[list[str]]:
    return [[name, value] for name, value in fields]

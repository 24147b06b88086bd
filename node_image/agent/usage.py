"""Token counts, read from what the engine says on its way to the caller.

A receipt names the counts, so a stream is asked to report them even where the caller did not ask.
The caller then must not notice: the `usage` members are taken out again, and the closing event that
carries nothing else is dropped. All other bytes pass as they are.
"""

import json
import re
from dataclasses import dataclass
from typing import Protocol, cast

from node_image.agent.errors import EngineError

MAX_EVENT = 4 * 2**20
"""Bytes of one server-sent event."""

MAX_DOCUMENT = 64 * 2**20
"""Bytes of a reply that is one document; embeddings of a large batch are the largest."""

_EVENT_END = re.compile(rb"\r?\n\r?\n")
"""Engines end lines with LF or CRLF; a lone CR, which the standard also allows, none of them
uses."""


@dataclass(frozen=True, kw_only=True)
class TokenCounts:
    """What the engine counted."""

    prompt: int
    completion: int


class UsageReader(Protocol):
    """Reads counts out of a reply that passes."""

    counts: TokenCounts | None
    """None as long as the engine has not said."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the engine's; give those for the caller."""
        ...

    def finish(self) -> bytes:
        """Take the end; give what is left for the caller."""
        ...


class StreamUsage:
    """Server-sent events."""

    def __init__(self, *, strip: bool) -> None:
        self.counts: TokenCounts | None = None
        self._strip = strip
        self._pending = b""

    def feed(self, data: bytes) -> bytes:
        """Pass every event that is complete.

        Raises:
            EngineError: an event exceeds `MAX_EVENT`.
        """
        data = self._pending + data if self._pending else data
        passed, start = [], 0
        for end in _EVENT_END.finditer(data, max(0, len(self._pending) - 3)):
            passed.append(self._event(data[start : end.end()]))
            start = end.end()
        self._pending = data[start:]
        if len(self._pending) > MAX_EVENT:
            raise EngineError(f"the engine wrote an event of more than {MAX_EVENT} bytes")
        return b"".join(passed)

    def finish(self) -> bytes:
        """Pass what came after the last complete event."""
        rest, self._pending = self._pending, b""
        return self._event(rest) if rest else b""

    def _event(self, event: bytes) -> bytes:
        if b'"usage"' not in event:  # inside a JSON text the quotes would be escaped
            return event
        document = _object(_event_data(event))
        if document is None:
            return event
        self.counts = _counts(document) or self.counts
        if not self._strip or "usage" not in document:
            return event
        if document.get("choices") == []:
            return b""
        del document["usage"]
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        return b"data: " + text.encode("utf-8", "surrogatepass") + b"\n\n"


class DocumentUsage:
    """One JSON document."""

    def __init__(self) -> None:
        self.counts: TokenCounts | None = None
        self._data = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Pass everything.

        Raises:
            EngineError: the document exceeds `MAX_DOCUMENT`.
        """
        self._data += data
        if len(self._data) > MAX_DOCUMENT:
            raise EngineError(f"the engine wrote more than {MAX_DOCUMENT} bytes")
        return data

    def finish(self) -> bytes:
        """Read the counts."""
        document = _object(bytes(self._data))
        self._data.clear()
        self.counts = None if document is None else _counts(document)
        return b""


def _event_data(event: bytes) -> bytes:
    lines = (line for line in event.splitlines() if line.startswith(b"data:"))
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines)


def _object(data: bytes) -> dict[str, object] | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _counts(document: dict[str, object]) -> TokenCounts | None:
    """Find the usage of a completion, a response, or the event that carries a response."""
    response = document.get("response")
    usage = document.get("usage") or (isinstance(response, dict) and response.get("usage"))
    if not isinstance(usage, dict):
        return None
    prompt = usage.get("prompt_tokens", usage.get("input_tokens"))
    completion = usage.get("completion_tokens", usage.get("output_tokens", 0))
    if not (_is_count(prompt) and _is_count(completion)):
        return None
    return TokenCounts(prompt=cast("int", prompt), completion=cast("int", completion))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53

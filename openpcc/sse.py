r"""Server-sent events, as bytes come in (WHATWG HTML, section 9.2, "Interpreting an event stream").

    data: {"choices":[{"delta":{"content":"Hel"}}]}\n
    \n
    data: [DONE]\n
    \n

Lines end with LF, CR or CRLF; any of these, and any UTF-8 character, may be cut by a read. An event
that was not closed by an empty line is never delivered. Pure: what the events mean is the caller's.
"""

import codecs
import re
from dataclasses import dataclass

from openpcc.errors import OpenPCCError

MAX_EVENT = 2**22
"""Characters of one event; a long tool call has some ten thousand."""

_LINE_END = re.compile("\r\n|\r|\n")


class MalformedStreamError(OpenPCCError):
    """The content is not a stream of events that anybody could want."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event: its type (`message` unless the stream names one) and its data lines, joined."""

    type: str
    data: str


class EventParser:
    """Feed it content as it arrives; it returns the events that have become complete."""

    def __init__(self) -> None:
        # "replace" and one leading BOM dropped: the document's own decoding, not our leniency.
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._after_cr = False
        self._line: list[str] = []
        self._size = 0
        self._type = ""
        self._data: list[str] = []

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes.

        Raises:
            MalformedStreamError: an event exceeds `MAX_EVENT`.
        """
        events = []
        for line in self._lines(self._decoder.decode(data)):
            if line:
                self._field(line)
            elif event := self._dispatch():
                events.append(event)
        return events

    def _lines(self, text: str) -> list[str]:
        if not text:
            return []
        # A CR ends its line at once; the LF that may follow in the next read belongs to it.
        if self._after_cr and text.startswith("\n"):
            text = text[1:]
        self._after_cr = text.endswith("\r")
        self._count(len(text))
        *lines, rest = _LINE_END.split(text)
        if lines:
            lines[0] = "".join([*self._line, lines[0]])
            self._line = []
        if rest:
            self._line.append(rest)
        return lines

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > MAX_EVENT:
            raise MalformedStreamError(f"an event exceeds {MAX_EVENT} characters")

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                self._data.append(value)
            case "event":
                self._type = value
            case _:
                pass  # a comment (empty name), `id`, `retry`, or a field to be ignored

    def _dispatch(self) -> Event | None:
        event = Event(type=self._type or "message", data="\n".join(self._data))
        empty = not self._data
        self._type, self._data, self._size = "", [], 0
        return None if empty else event

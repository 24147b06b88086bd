r"""Holds back the last event of a stream until the reply's authenticated end has come.

    data: {"choices":[…]}\n\n          given as it comes
    data: [DONE]\n\n                   given with the end

Callers of an OpenAI stream leave at `[DONE]`: the `openai` SDK closes the connection there. What is
sealed after it, the receipt and the final record, would never be read: a cut reply would pass for a
whole one, and in `paced` the closing would tell the network to the tick what the ticks up to the
final one hide. So nobody sees the last event before the end behind it has been checked.
"""

MARK = b"\ndata: [DONE]"
"""An event of its own: in the JSON of an event or a document a line end never stands bare."""

MAX_HELD = 4096
"""Bytes. Nothing belongs behind the last event; more than this is given as it comes."""


class LastEvent:
    """Content on its way to the caller."""

    def __init__(self) -> None:
        self._before = b"\n"
        """The byte given last."""
        self._held = b""
        self._found = False

    def feed(self, data: bytes) -> bytes:
        """Take content; give what may be seen by now."""
        if self._found:
            self._held += data
            return self._overflow()
        text = self._before + self._held + data
        at = text.find(MARK)
        self._found = at >= 0
        start = at + 1 if self._found else len(text) - _begun(text)
        self._before, self._held = text[start - 1 : start], text[start:]
        return text[1:start] + self._overflow()

    def finish(self) -> bytes:
        """Give the rest; to be called once the end is authentic."""
        held, self._held = self._held, b""
        return held

    def _overflow(self) -> bytes:
        return self.finish() if len(self._held) > MAX_HELD else b""


def _begun(text: bytes) -> int:
    """Count the bytes at the end that may begin the mark, without the line end before it.

    That one closes the event before, which must not wait.
    """
    longest = min(len(text), len(MARK) - 1)
    return next((n - 1 for n in range(longest, 1, -1) if text.endswith(MARK[:n])), 0)

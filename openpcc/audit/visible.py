"""Text from outside as text for a page: nothing in it becomes markup, moves or hides. Pure."""

import re
import unicodedata
from html import escape

MOST_MARKS = 3
"""Combining marks in a row that any script needs; towers of them would cover the lines around."""

_ODD = re.compile(r"[^ -~]")

_HIDDEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
"""What counts as printable and shows nothing: fillers, blanks, variation selectors."""


def html(text: str) -> str:
    """Escape a text for markup or an attribute, with what cannot be seen written out."""
    return escape(plain(text))


def plain(text: str) -> str:
    """Write out what a browser would obey or not show: controls, reordering, towers of marks.

    A right-to-left override becomes ⟨U+202E⟩.
    """
    if not _ODD.search(text):
        return text
    shown, marks = [], 0
    for char in text:
        marks = marks + 1 if unicodedata.category(char).startswith("M") else 0
        odd = not char.isprintable() or marks > MOST_MARKS or _HIDDEN.match(char)
        shown.append(f"⟨U+{ord(char):04X}⟩" if odd else char)
    return "".join(shown)

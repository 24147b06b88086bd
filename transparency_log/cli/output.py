"""What the commands print.

Texts of entries are by others: nothing in them may move the cursor, hide a line or reorder one,
least of all where somebody reads what they are about to sign.
"""

import json
import re
import sys
from collections.abc import Iterable

_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
"""C0, DEL, C1, what reorders text, breaks lines or shows nothing, and halves of pairs."""


def clean(text: str) -> str:
    """Write every character that a terminal would obey or hide as its number."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def note(text: str) -> None:
    """Print one line on standard error."""
    sys.stderr.write(f"{clean(text)}\n")
    sys.stderr.flush()


def notes(lines: Iterable[str]) -> None:
    """Print lines on standard error."""
    for line in lines:
        note(line)


def line(text: str) -> None:
    """Print one line on standard output."""
    sys.stdout.write(f"{clean(text)}\n")
    sys.stdout.flush()


def document(value: object) -> None:
    """Print one JSON object on standard output."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
    sys.stdout.flush()

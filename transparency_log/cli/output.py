"""What the commands print.

Texts of entries are by others: nothing in them may move the cursor, hide a line or reorder one,
least of all where somebody reads what they are about to sign.
"""

import json
import sys
from collections.abc import Iterable


def clean(text: str) -> str:
    """Write every character that is not printed, but obeyed or hidden, as its number."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


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

"""What the commands print: tables, lines, notes, JSON; drawn by `rich` where a person looks.

Text from elsewhere (a reply, a field of evidence) can carry control characters that move the
cursor, retitle the window or hide what stands above. So everything printed for people is cleaned.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""C0 but tab and line feed, DEL, C1, what reorders text or breaks lines unseen, and bytes of a path
that are no text."""

Row = Sequence[str]


def clean(text: str) -> str:
    """Replace what a terminal would obey instead of show."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def line(text: str = "") -> None:
    """Print a line on stdout, at once: whoever reads a pipe waits for it."""
    print(clean(text), flush=True)


def note(text: str) -> None:
    """Print a line on stderr; one line, whatever the text."""
    print(clean(text).replace("\n", " "), file=sys.stderr, flush=True)


def stream(text: str) -> None:
    """Print a piece of a reply at once; a file gets every character, a terminal no commands."""
    sys.stdout.write(clean(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def document(value: object) -> None:
    """Print one JSON object."""
    print(json.dumps(value, indent=2), flush=True)


def document_line(value: object) -> None:
    """Print one JSON object on one line, for programs that read on while this one runs."""
    print(json.dumps(value), flush=True)


def table(columns: Row, rows: Sequence[Row], *, title: str = "") -> None:
    """Print a table."""
    cells = [[clean(cell).replace("\n", " ") for cell in row] for row in rows]
    if sys.stdout.isatty() and find_spec("rich") is not None:
        _rich_table(columns, cells, title)
        return
    if title:
        line(title)
    for text in plain_table(columns, cells):
        print(text, flush=True)


def plain_table(columns: Row, rows: Sequence[Row]) -> list[str]:
    """Lay out a table as text, columns as wide as their widest cell."""
    every = [columns, *rows]
    widths = [max(len(row[i]) for row in every) for i in range(len(columns))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in every
    ]


def _rich_table(columns: Row, rows: Sequence[Row], title: str) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title or None, title_justify="left", box=SIMPLE)
    for column in columns:
        drawn.add_column(column, overflow="fold")  # a path that is cut cannot be used
    for row in rows:  # Text, not markup: a cell cannot style itself
        drawn.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
    Console(highlight=False).print(drawn)


STYLES = {
    "PASS": "green",
    "FAIL": "bold red",
    "SKIP": "yellow",
    "verified": "green",
    "refused": "bold red",
    "expired": "yellow",
}


def add_common(parser: argparse.ArgumentParser) -> None:
    """Declare the options that every command has."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="PATH",
        help="client configuration (default: $OPENPCC_CONFIG, else the user's own)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")

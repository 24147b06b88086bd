"""Facts of an audit in words: times as times, lists and objects as lines. Pure, bounded."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from openpcc.audit.report import Section

TIMES = frozenset(
    {"at", "expires", "issued", "not_after", "not_before", "since", "until", "witnessed"}
    | {"checkpoint_time_seconds"}
)
"""Names of facts that are times, Unix seconds."""

MOST_FACTS = 64
"""Facts of a section that are shown."""

MOST_LINES = 32
"""Lines of a fact that are shown."""

MOST_LETTERS = 500
"""Characters of a line."""


def rows(section: Section) -> Iterator[tuple[str, list[str]]]:
    """Give the facts of a section: a name, and one line or more."""
    for name, value in list(section.facts.items())[:MOST_FACTS]:
        yield name.replace("_", " "), lines(name, value)
    if len(section.facts) > MOST_FACTS:
        yield f"{len(section.facts) - MOST_FACTS} more", ["in the JSON report"]


def lines(name: str, value: object) -> list[str]:
    """Write a fact: a list of objects has a line for each, an object one for each member."""
    told: list[str]
    match value:
        case list() if any(isinstance(one, Mapping) for one in value):
            told = [_cut(_inline(name, one)) for one in value[:MOST_LINES]]
        case Mapping() if value:
            told = [
                _cut(f"{key}: {_inline(key, one)}") for key, one in [*value.items()][:MOST_LINES]
            ]
        case _:
            return [_cut(_inline(name, value))]
    left = len(value) - len(told)
    return [*told, f"{left} more in the JSON report"] if left else told


def moment(seconds: int) -> str:
    """Write a time."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return str(seconds)  # a year of more than four digits


def _inline(name: str, value: object) -> str:
    """Write a value on one line."""
    match value:
        case bool():
            return "yes" if value else "no"
        case None:
            return "none"
        case int() if name in TIMES:
            return moment(value)
        case str() | int():
            return str(value)
        case Mapping():
            told = (f"{_words(key)} {_inline(key, one)}" for key, one in value.items())
            return ", ".join(told) or "none"
        case Sequence() if all(isinstance(one, str | int) for one in value):
            return ", ".join(map(str, value)) or "none"
    return json.dumps(value, ensure_ascii=False)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _cut(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}…"

"""Writes YAML that people read: mappings and lists, texts of several lines as blocks, else JSON.

What is not a text of several lines is written as JSON has it, which is YAML.
"""

import json
import re
from collections.abc import Iterator, Mapping

_PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)\Z)[a-z][a-z0-9_-]*", re.ASCII | re.I)
"""Keys that stand without quotes: some words are something else than texts."""

_BLOCK = re.compile(r"(?:[\x20-\x7e]+\n)(?:[\x20-\x7e]*\n)*[\x20-\x7e]+\n", re.ASCII)
"""Texts that a literal block holds: printable lines, the first and last not empty, no space before
the first."""


def write(values: Mapping[str, object], *, comment: str = "") -> str:
    """Give the text of a file; `comment` becomes its first lines."""
    lines = [f"# {line}".rstrip() for line in comment.splitlines()]
    return "\n".join([*lines, *_mapping(values, "")]) + "\n"


def _mapping(values: Mapping[str, object], indent: str) -> Iterator[str]:
    for key, value in values.items():
        name = key if _PLAIN.fullmatch(key) else _value(key)
        yield from _entry(f"{indent}{name}:", value, indent)


def _entry(head: str, value: object, indent: str) -> Iterator[str]:
    match value:
        case Mapping() if value:
            yield head
            yield from _mapping(value, f"{indent}  ")
        case str() if _BLOCK.fullmatch(value) and not value.startswith(" "):
            yield f"{head} |"
            yield from (f"{indent}  {line}".rstrip() for line in value.splitlines())
        case _:
            yield f"{head} {_value(value)}"


def _value(value: object) -> str:
    match value:
        case list():
            return f"[{', '.join(map(_value, value))}]"
        case str():
            return f'"{"".join(map(_character, value))}"'
        case _:
            return json.dumps(value)


def _character(one: str) -> str:
    # JSON writes what lies above U+FFFF as two surrogates, which YAML takes for two characters.
    return f"\\U{ord(one):08x}" if ord(one) > 0xFFFF else json.dumps(one)[1:-1]

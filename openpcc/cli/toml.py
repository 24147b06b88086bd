"""Writes TOML: tables as Python has them, in their order, one spelling for each value.

A value of None is left out, as a setting that is left out. Comments can stand at the top alone.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

Table = Mapping[str, object]

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def write(table: Table, *, comment: str = "") -> str:
    """Give the text of a file; `comment` becomes its first lines."""
    lines = [f"# {line}".rstrip() for line in comment.splitlines()]
    return "\n".join([*lines, *_lines(table, ())]).lstrip("\n") + "\n"


def _lines(table: Table, path: tuple[str, ...]) -> Iterator[str]:
    """Give values before tables: what stands behind a header belongs to it."""
    given = {key: value for key, value in table.items() if value is not None}
    for key, value in given.items():
        if not _is_table(value) and not _are_tables(value):
            yield f"{_key(key)} = {_value(value)}"
    for key, value in given.items():
        name = (*path, _key(key))
        for header, one in _tables(value, ".".join(name)):
            # A table of tables alone needs no header of its own.
            if not header.startswith("[[") and one and all(map(_is_table, one.values())):
                yield from _lines(one, name)
            else:
                yield from ("", header, *_lines(one, name))


def _tables(value: object, name: str) -> Iterator[tuple[str, Table]]:
    if isinstance(value, Mapping):
        yield f"[{name}]", value
    elif _are_tables(value) and isinstance(value, Sequence):
        for one in value:
            yield f"[[{name}]]", one


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _are_tables(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(map(_is_table, value))


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _text(value)
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case Mapping():
            inside = ", ".join(f"{_key(str(key))} = {_value(one)}" for key, one in value.items())
            return f"{{ {inside} }}" if inside else "{}"
        case _:
            raise TypeError(f"TOML has no {type(value).__name__}")


def _text(text: str) -> str:
    # JSON's spelling of a text, but for DEL, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)

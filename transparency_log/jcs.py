"""Canonical JSON (RFC 8785): one byte string for every value.

Nothing of ours is signed over JSON that was written anew; this serves documents of others that
are. To verify one, first compare the received bytes with their canonical form.

- Members are sorted by their names as UTF-16 code units (section 3.2.3).
- Numbers are doubles, printed as ECMAScript prints them (section 3.2.2.3).
- Strings escape what they must and nothing else (section 3.2.2.2).
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Never

from transparency_log.errors import MalformedError
from transparency_log.strict_json import MAX_INTEGER

MAX_DEPTH = 64
"""Nesting accepted; deeper input could exhaust the stack."""

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f"} | {
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}


class JCSError(MalformedError):
    """Not JSON, or a value that has no canonical form."""


def canonicalize(text: bytes) -> bytes:
    """Give the canonical form of a JSON text.

    Raises:
        JCSError: not JSON, a repeated member, a lone surrogate, an infinite number, or an integer
            that a double would not be printed as.
    """
    return encode(_parse(text))


def encode(value: object) -> bytes:
    """Give the canonical form of a value made of dict, list, str, int, float, bool and None.

    Raises:
        JCSError: a value without canonical form.
    """
    try:
        return "".join(_write(value, 0)).encode()
    except UnicodeEncodeError as error:
        raise JCSError("a string has a lone surrogate") from error


def _parse(text: bytes) -> object:
    try:
        return json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_constant=lambda name: _refuse(f"{name} is not JSON"),
        )
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise JCSError("not a JSON text") from error


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise JCSError("a member is repeated")
    return members


def _integer(text: str) -> int | float:
    """Read an integer; a large one only if a double would be printed just so."""
    if len(text) <= 17 and abs(int(text)) <= MAX_INTEGER:
        return int(text)
    value = float(text)
    if number(value) != text:
        raise JCSError("an integer that no double holds exactly must be a string")
    return value


def _write(value: object, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise JCSError(f"nested deeper than {MAX_DEPTH}")
    match value:
        case None:
            yield "null"
        case bool():
            yield "true" if value else "false"
        case str():
            yield _string(value)
        case int() if abs(value) <= MAX_INTEGER:
            yield str(value)
        case float():
            yield number(value)
        case list():
            yield from _joined("[", ((_write(item, depth + 1)) for item in value), "]")
        case dict() if all(isinstance(name, str) for name in value):
            names = sorted(value, key=lambda name: name.encode("utf-16-be"))
            yield from _joined("{", (_member(name, value[name], depth) for name in names), "}")
        case _:
            raise JCSError(f"a {type(value).__name__} has no canonical form")


def _member(name: str, value: object, depth: int) -> Iterator[str]:
    yield f"{_string(name)}:"
    yield from _write(value, depth + 1)


def _joined(opening: str, items: Iterator[Iterator[str]], closing: str) -> Iterator[str]:
    yield opening
    for position, item in enumerate(items):
        if position:
            yield ","
        yield from item
    yield closing


def _string(text: str) -> str:
    escaped = re.sub(
        r'["\\\x00-\x1f]', lambda found: _ESCAPES.get(found[0], f"\\u{ord(found[0]):04x}"), text
    )
    return f'"{escaped}"'


def number(value: float) -> str:
    """Print a double as ECMAScript's Number::toString does.

    Raises:
        JCSError: NaN or infinite.
    """
    if not math.isfinite(value):
        raise JCSError("a number is not finite")
    if value == 0:
        return "0"
    sign, digits, point = _shortest(value)
    if 0 < point <= 21:
        if len(digits) <= point:
            return f"{sign}{digits.ljust(point, '0')}"
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{point - 1:+d}"


def _shortest(value: float) -> tuple[str, str, int]:
    """Give sign, the fewest digits that read back as `value`, and where the point stands."""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or "0") - (len(whole + fraction) - len(digits))
    return ("-" if value < 0 else ""), digits.rstrip("0"), point


def _refuse(text: str) -> Never:
    raise JCSError(text)

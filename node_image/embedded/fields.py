"""Read the members of a JSON request, with errors as OpenAI words them.

A member is read once by a typed getter; `end` refuses what nobody read. A member that is absent
and one that is `null` mean the same.
"""

import json
import math
from collections.abc import Sequence
from typing import Any, Never

from node_image.embedded.errors import RequestError

MAX_DEPTH = 64
"""Levels of nesting: more than any schema has, and far from what recursion could not bear."""


def refuse(message: str, param: str | None, code: str = "invalid_value") -> Never:
    """Refuse a member."""
    raise RequestError(message, param=param, code=code)


def parse_body(data: bytes) -> "Fields":
    """The object of a request body.

    Raises:
        RequestError: not one JSON object with distinct names.
    """

    def distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise ValueError("a name is repeated")
        return members

    def no_constant(name: str) -> Never:
        raise ValueError(f"{name} is not JSON")

    try:
        text = data.decode()
        value = json.loads(text, object_pairs_hook=distinct, parse_constant=no_constant)
        if "\\u" in text:  # an escape can smuggle in half a surrogate pair, which is no Unicode
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise RequestError("The body is not valid JSON.", code="invalid_json") from error
    if not isinstance(value, dict):
        raise RequestError("The body is not a JSON object.", code="invalid_json")
    _check_depth(value)
    return Fields(value)


def _check_depth(value: object) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        inner = [one.values() if isinstance(one, dict) else one for one in level]
        level = [child for one in inner for child in one if isinstance(child, dict | list)]
        if not level:
            return
    raise RequestError(f"The body is nested deeper than {MAX_DEPTH} levels.", code="invalid_json")


class Fields:
    """Members of one object of a request."""

    def __init__(self, members: dict[str, object], path: str = "") -> None:
        self._members = {name: value for name, value in members.items() if value is not None}
        self._path = path

    def _name(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def peek(self, name: str) -> object:
        """A member that is read again later."""
        return self._members.get(name)

    def value(self, name: str) -> object:
        """A member of any type, or None."""
        return self._members.pop(name, None)

    def text(self, name: str, *, limit: int = 2**20) -> str | None:
        """A string."""
        value = self.value(name)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > limit:
            refuse(f"{self._name(name)} must be a string.", self._name(name), "invalid_type")
        return value

    def needed_text(self, name: str, *, limit: int = 2**20) -> str:
        """A string that must be there."""
        value = self.text(name, limit=limit)
        if value is None:
            refuse(
                f"Missing required parameter: '{self._name(name)}'.",
                self._name(name),
                "missing_required_parameter",
            )
        return value

    def word(self, name: str, allowed: Sequence[str]) -> str | None:
        """One of some words."""
        value = self.text(name)
        if value is not None and value not in allowed:
            words = ", ".join(f"'{word}'" for word in allowed)
            refuse(f"{self._name(name)} must be one of {words}.", self._name(name))
        return value

    def number(self, name: str, low: float, high: float) -> float | None:
        """A number within bounds."""
        value = self.value(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            refuse(f"{self._name(name)} must be a number.", self._name(name), "invalid_type")
        if not (low <= value <= high and math.isfinite(value)):
            refuse(f"{self._name(name)} must be from {low} to {high}.", self._name(name))
        return float(value)

    def integer(self, name: str, low: int, high: int) -> int | None:
        """An integer within bounds."""
        value = self.value(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            refuse(f"{self._name(name)} must be an integer.", self._name(name), "invalid_type")
        if not low <= value <= high:
            refuse(f"{self._name(name)} must be from {low} to {high}.", self._name(name))
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean."""
        value = self.value(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            refuse(f"{self._name(name)} must be a boolean.", self._name(name), "invalid_type")
        return value

    def array(self, name: str, *, limit: int) -> list[object] | None:
        """An array of bounded length."""
        value = self.value(name)
        if value is None:
            return None
        if not isinstance(value, list):
            refuse(f"{self._name(name)} must be an array.", self._name(name), "invalid_type")
        if len(value) > limit:
            refuse(f"{self._name(name)} has more than {limit} items.", self._name(name))
        return value

    def objects(self, name: str, *, limit: int) -> "list[Fields] | None":
        """An array of objects."""
        items = self.array(name, limit=limit)
        if items is None:
            return None
        return [
            as_fields(item, f"{self._name(name)}[{number}]") for number, item in enumerate(items)
        ]

    def child(self, name: str) -> "Fields | None":
        """An object, to be read in its turn."""
        value = self.value(name)
        return None if value is None else as_fields(value, self._name(name))

    def raw_object(self, name: str) -> dict[str, object] | None:
        """An object that is passed on as it is, such as a JSON Schema."""
        value = self.value(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            refuse(f"{self._name(name)} must be an object.", self._name(name), "invalid_type")
        return value

    def ignore(self, *names: str) -> None:
        """Members that are known, harmless, and of no effect here."""
        for name in names:
            self._members.pop(name, None)

    def refuse_if_set(self, reason: str, *names: str) -> None:
        """Members that ask for what cannot be done; `false` and empty ask for nothing."""
        for name in names:
            if self._members.pop(name, None) not in (None, False, [], {}):
                refuse(f"{self._name(name)}: {reason}", self._name(name), "unsupported_parameter")

    def end(self) -> None:
        """Refuse what nobody read."""
        for name in self._members:
            path = self._name(name)[:80]
            refuse(f"Unrecognized request argument supplied: {path}", path, "unknown_parameter")


def as_fields(value: object, path: str) -> Fields:
    """The members of a value that must be an object."""
    if not isinstance(value, dict):
        refuse(f"{path} must be an object.", path, "invalid_type")
    return Fields(value, path)

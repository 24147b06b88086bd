"""JSON with one spelling per value: the reader of every document of ours in this package.

A document is parsed once into `Members`, whose typed getters name what was wrong, and closed with
`end()`, which refuses members nobody asked for. Repeated members, floats, NaN, non-canonical base64
and anything over the limit are refused. The file stands in `attestation` and in `transparency_log`:
the two grounds of trust import nothing of ours, and a test holds the copies equal.
"""

import base64
import binascii
import json
import re
from typing import Never, cast

MAX_DEPTH = 16
"""Nesting no document of ours comes near; deeper input could exhaust the stack."""

MAX_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader keeps exact."""


_SURROGATE = re.compile("[\ud800-\udfff]")
"""JSON can spell what no UTF-8 can; such a text could not be hashed, shown or written again."""

_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""How half a pair must be spelled, as UTF-8 has no bytes for it."""

_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""A whole string, which hides the brackets in it. A string without an end goes to the end, so that
nothing is read twice."""

_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))
"""Every other byte."""


class StrictJSONError(ValueError):
    """The bytes are not the accepted spelling of a document. The text names member and cause."""


def b64encode(data: bytes) -> str:
    """Write bytes as padded standard base64."""
    return base64.b64encode(data).decode("ascii")


def b64decode(text: str) -> bytes:
    """Read canonical padded standard base64.

    Raises:
        StrictJSONError: other alphabet, missing padding, stray characters or non-zero spare bits.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise StrictJSONError("not base64") from error
    if b64encode(data) != text:
        raise StrictJSONError("not canonical base64")
    return data


def dumps(value: object) -> bytes:
    """Write a document: UTF-8, no spaces, members in the order given."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def parse_object(data: bytes, *, limit: int, name: str) -> "Members":
    """Read one JSON object.

    Args:
        data: the whole document.
        limit: most bytes accepted.
        name: what the document is called in errors.

    Raises:
        StrictJSONError: see the class.
    """
    if len(data) > limit:
        raise StrictJSONError(f"{name}: {len(data)} bytes, at most {limit} are accepted")
    _refuse_deep(data, name)
    halves = _HALF.search(data) is not None
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=lambda pairs: _object(pairs, name, halves=halves),
            parse_float=lambda text: _refuse(f"{name}: {text[:32]} is not an integer"),
            parse_int=lambda text: _integer(text, name),
            parse_constant=lambda text: _refuse(f"{name}: {text} is not JSON"),
        )
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise StrictJSONError(f"{name}: not a JSON document") from error
    if not isinstance(value, dict):
        raise StrictJSONError(f"{name}: expected an object")
    return Members(cast("dict[str, object]", value), name)


class Members:
    """The members of one object, taken one by one; `end()` refuses what is left."""

    def __init__(self, members: dict[str, object], name: str) -> None:
        self._members = dict(members)
        self.name = name

    def __contains__(self, key: str) -> bool:
        """Say whether an optional member is there (and not yet taken)."""
        return key in self._members

    def text(self, key: str, *, limit: int = 1024) -> str:
        """Take a string of at most `limit` characters."""
        value = self._take(key)
        if not isinstance(value, str):
            self._wrong(key, "a string")
        if len(value) > limit:
            self._wrong(key, f"at most {limit} characters")
        return value

    def choice(self, key: str, allowed: frozenset[str]) -> str:
        """Take a string that is one of `allowed`."""
        value = self.text(key)
        if value not in allowed:
            self._wrong(key, "one of " + ", ".join(sorted(allowed)))
        return value

    def integer(self, key: str, *, low: int = 0, high: int = MAX_INTEGER) -> int:
        """Take an integer of low..high."""
        value = self._take(key)
        if not isinstance(value, int) or isinstance(value, bool):
            self._wrong(key, "an integer")
        if not low <= value <= high:
            self._wrong(key, f"an integer of {low}..{high}")
        return value

    def boolean(self, key: str) -> bool:
        """Take true or false."""
        value = self._take(key)
        if not isinstance(value, bool):
            self._wrong(key, "true or false")
        return value

    def data(self, key: str, *, size: int | None = None, limit: int = 2**20) -> bytes:
        """Take bytes written as canonical base64: exactly `size`, or at most `limit`."""
        text = self.text(key, limit=4 * ((size if size is not None else limit) // 3 + 1))
        try:
            value = b64decode(text)
        except StrictJSONError as error:
            raise StrictJSONError(f"{self.name}.{key}: {error}") from error
        return self._sized(key, value, size, limit)

    def hex(self, key: str, *, size: int) -> bytes:
        """Take `size` bytes written as lower-case hex."""
        text = self.text(key, limit=2 * size)
        if not re.fullmatch(rf"[0-9a-f]{{{2 * size}}}", text, re.ASCII):
            self._wrong(key, f"{2 * size} lower-case hex digits")
        return bytes.fromhex(text)

    def integer_or_null(self, key: str) -> int | None:
        """Take an integer, or null."""
        if self._members.get(key, "") is None:
            self._take(key)
            return None
        return self.integer(key)

    def text_or_null(self, key: str, *, limit: int = 1024) -> str | None:
        """Take a string, or null."""
        if self._members.get(key, "") is None:
            self._take(key)
            return None
        return self.text(key, limit=limit)

    def hex_or_null(self, key: str, *, size: int) -> bytes | None:
        """Take `size` bytes of hex, or null."""
        if self._members.get(key, "") is None:
            self._take(key)
            return None
        return self.hex(key, size=size)

    def child(self, key: str) -> "Members":
        """Take an object."""
        value = self._take(key)
        if not isinstance(value, dict):
            self._wrong(key, "an object")
        return Members(cast("dict[str, object]", value), f"{self.name}.{key}")

    def child_or_null(self, key: str) -> "Members | None":
        """Take an object, or null."""
        if self._members.get(key, "") is None:
            self._take(key)
            return None
        return self.child(key)

    def children(self, key: str, *, limit: int) -> "list[Members]":
        """Take a list of at most `limit` objects."""
        found = []
        for index, value in enumerate(self._items(key, limit)):
            if not isinstance(value, dict):
                self._wrong(f"{key}[{index}]", "an object")
            members = cast("dict[str, object]", value)
            found.append(Members(members, f"{self.name}.{key}[{index}]"))
        return found

    def texts(self, key: str, *, limit: int, length: int = 1024) -> list[str]:
        """Take a list of at most `limit` strings of at most `length` characters."""
        found = []
        for index, value in enumerate(self._items(key, limit)):
            if not isinstance(value, str) or len(value) > length:
                self._wrong(f"{key}[{index}]", f"a string of at most {length} characters")
            found.append(value)
        return found

    def names(self) -> list[str]:
        """List the members not yet taken, for objects whose names are data."""
        return list(self._members)

    def end(self) -> None:
        """Refuse every member that was not taken."""
        if self._members:
            raise StrictJSONError(f"{self.name}: unknown member {sorted(self._members)[0][:64]!r}")

    def _take(self, key: str) -> object:
        if key not in self._members:
            raise StrictJSONError(f"{self.name}: member {key!r} is missing")
        return self._members.pop(key)

    def _items(self, key: str, limit: int) -> list[object]:
        value = self._take(key)
        if not isinstance(value, list):
            self._wrong(key, "a list")
        if len(value) > limit:
            self._wrong(key, f"at most {limit} items")
        return value

    def _sized(self, key: str, value: bytes, size: int | None, limit: int) -> bytes:
        if size is not None and len(value) != size:
            self._wrong(key, f"{size} bytes of base64")
        if len(value) > limit:
            self._wrong(key, f"at most {limit} bytes of base64")
        return value

    def _wrong(self, key: str, expected: str) -> Never:
        raise StrictJSONError(f"{self.name}.{key}: expected {expected}")


def _object(pairs: list[tuple[str, object]], name: str, *, halves: bool) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        _refuse(f"{name}: a member is repeated")
    for value in (*members, *members.values()) if halves else ():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and _SURROGATE.search(text):
                _refuse(f"{name}: a text holds half a surrogate pair")
    return members


def _integer(text: str, name: str) -> int:
    if len(text) > 17 or text == "-0":
        _refuse(f"{name}: {text[:32]} is out of range")
    return int(text)


def _refuse_deep(data: bytes, name: str) -> None:
    """Count brackets outside strings before the recursive reader sees them."""
    depth = 0
    for bracket in _outside(data).translate(None, _NO_BRACKET):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            _refuse(f"{name}: nested deeper than {MAX_DEPTH}")


def _outside(data: bytes) -> bytes:
    """Give what stands outside strings. Where nothing is escaped, every other quote ends one."""
    if b"\\" in data:
        return _TEXT.sub(b"", data)
    return b"".join(data.split(b'"')[::2])


def _refuse(text: str) -> Never:
    raise StrictJSONError(text)

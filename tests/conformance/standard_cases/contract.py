"""What a checker of one standard gives to the runner, and the words checkers share.

A checker is a module of this folder with one public function:

    def case_file(name: str) -> CaseFile | None

It says how the case file `name` (as the index spells it, for instance `vectors.json`) is read, or
None if the standard has no such file. `CaseFile.rows` takes the decoded JSON and the set's folder
and gives the rows in order. A `Row` has an id and a `check` without arguments: it returns when the
row passed, raises `NotApplicableError` where the format page allows that, and any other exception
when the row failed. A row whose shape, `expect`, `type`, `result` or `format` is not described is
still a row: its check fails. Files that a row refers to (relative to the set folder) are listed in
its `names`. An ordered conversation keeps its state in the closures: checks run once, in order.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RowData = Mapping[str, Any]
Check = Callable[[], None]
Action = Callable[[], object]


class NotApplicableError(Exception):
    """The format page says that this row does not apply here; the text is the reason."""


class MismatchError(Exception):
    """The row does not hold: a value differs, or something opened that must not."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One case: its id in the file, its check, and the paths it names relative to the set."""

    id: str
    check: Check
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CaseFile:
    """How one case file becomes rows."""

    rows: Callable[[Any, Path], Iterable[Row]]


def listed(check: Callable[[RowData], None]) -> CaseFile:
    """Read a list of objects with an `id` each; `check` gets the object."""
    return CaseFile(rows=lambda document, _folder: rows_of(document, check))


def not_applicable(reason: str) -> CaseFile:
    """Read a list of objects of which none applies."""

    def check(_row: RowData) -> None:
        raise NotApplicableError(reason)

    return listed(check)


def rows_of(document: object, check: Callable[[RowData], None]) -> list[Row]:
    """Pair every object of a list with the check."""
    if not isinstance(document, list):
        raise MismatchError("expected a list of rows")
    return [_row(number, value, check) for number, value in enumerate(document)]


def _row(number: int, value: object, check: Callable[[RowData], None]) -> Row:
    if not isinstance(value, dict) or not isinstance(value.get("id"), str):
        return failing(f"row {number}", "not an object with an id")
    return Row(id=value["id"], check=functools.partial(check, value))


def failing(name: str, reason: str) -> Row:
    """Make a row that fails for a reason found while reading the file."""

    def check() -> None:
        raise MismatchError(reason)

    return Row(id=name, check=check)


def require_keys(row: RowData, *keys: str) -> None:
    """Fail a row that lacks a key of its shape."""
    if missing := [key for key in keys if key not in row]:
        raise MismatchError(f"unknown row shape: no {', '.join(missing)}")


def require_expect(row: RowData, *allowed: str) -> str:
    """Give the row's `expect`, which must be one of the described values."""
    expect = row.get("expect")
    if expect not in allowed:
        raise MismatchError(f"unknown expect {expect!r}")
    return str(expect)


def require_equal(name: str, expected: object, actual: object) -> None:
    """Fail unless the value found is the value listed."""
    if actual != expected:
        raise MismatchError(f"{name}: expected {_short(expected)}, found {_short(actual)}")


def require_refusal(
    error: type[Exception] | tuple[type[Exception], ...], name: str, action: Action
) -> None:
    """Fail unless `action` ends in `error`; any other exception passes through and fails too."""
    try:
        action()
    except error:
        return
    raise MismatchError(f"{name}: accepted")


def unhex(text: object) -> bytes:
    """Read lower-case hex."""
    if not isinstance(text, str) or text != text.lower():
        raise MismatchError("not a lower-case hex text")
    return bytes.fromhex(text)


def flipped(data: bytes, index: int = 0) -> bytes:
    """Change the lowest bit of one byte (of an empty value: add a byte)."""
    if not data:
        return b"\x01"
    changed = bytearray(data)
    changed[index] ^= 1
    return bytes(changed)


def _short(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 64 else f"{text[:64]}... ({len(text)} characters)"

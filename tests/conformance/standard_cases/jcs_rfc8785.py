"""Canonical JSON: objects and the printing of doubles (format 3.12)."""

import functools
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.conformance.standard_cases.contract import (
    CaseFile,
    MismatchError,
    Row,
    RowData,
    failing,
    listed,
    require_equal,
    require_expect,
    require_keys,
    require_refusal,
    unhex,
)
from transparency_log import jcs


def case_file(name: str) -> CaseFile | None:
    """Give the reader of one case file."""
    return {"objects.json": listed(_object), "numbers.json": CaseFile(rows=_numbers)}.get(name)


def _object(row: RowData) -> None:
    require_keys(row, "input", "output", "output_hex")
    require_expect(row, "pass")
    found = jcs.canonicalize(row["input"].encode())
    require_equal("output", row["output"], found.decode())
    require_equal("output_hex", row["output_hex"], found.hex())


def _numbers(document: Any, _folder: Path) -> Iterator[Row]:
    if not isinstance(document, list):
        raise MismatchError("expected a list of rows")
    for position, row in enumerate(document):
        if isinstance(row, dict) and isinstance(row.get("ieee754"), str):
            yield Row(id=row["ieee754"], check=functools.partial(_number, row))
        else:
            yield failing(f"row {position}", "unknown row shape: no ieee754")


def _number(row: RowData) -> None:
    require_keys(row, "expect")
    (value,) = struct.unpack(">d", unhex(row["ieee754"]))
    if row["expect"] == "invalid":
        require_refusal(jcs.JCSError, "number", lambda: jcs.encode(value))
    else:
        require_equal("text", row["expect"], jcs.encode(value).decode())

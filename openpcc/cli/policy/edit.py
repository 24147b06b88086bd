"""Changing keys in the text of a policy file, so that its comments and its other lines stay.

Pure, and not trusted: whoever writes the text reads it again and compares the policy it makes with
the one that was meant. A file laid out in another way than docs/formats.md, 6, does not pass that.
"""

import json
import re
from collections.abc import Iterable, Iterator

from transparency_log.rotation import RoleKeys

_HEADER = re.compile(r"(?m)^(?=\[)")
"""Where a table begins."""

KEY = r"(?m)^key\s*=.*$"
KEYS = r"(?ms)^keys\s*=\s*\[.*?\]"
THRESHOLD = r"(?m)^threshold\s*=.*$"
OVERLAP = r"(?ms)^overlap_keys\s*=\s*\[.*?\][^\n]*\n"


def with_rotated(text: str, index: int, issued: int) -> str:
    """Say which announcement was applied last."""
    head, *tables = _HEADER.split(text)
    head = re.sub(r"(?m)^rotated(?:_issued)?\s*=.*\n", "", head)
    lines = f"rotated = {index}\nrotated_issued = {issued}\n"
    head = re.sub(r"(?m)^version\s*=.*\n", rf"\g<0>{lines}", head)
    return "".join((head, *tables))


def with_signers(text: str, kind: str, keys: RoleKeys) -> str:
    """Put the signers of a kind of entries in the place of those that are there."""
    rows = "".join(f"  {_quoted(key)},\n" for key in keys.keys)
    values = {KEYS: f"keys = [\n{rows}]", THRESHOLD: f"threshold = {keys.threshold}"}
    return "".join(
        _replaced(table, values) if _is(table, f"signers.{kind}") else table
        for table in _HEADER.split(text)
    )


def with_log_keys(text: str, keys: RoleKeys) -> str:
    """Put the log's keys in the place of those that are there: the first, and those beside it."""
    first, *more = keys.keys
    line = f"key = {_quoted(first)}"
    if more:
        line += f"\noverlap_keys = [{', '.join(map(_quoted, more))}]"
    return "".join(
        _replaced(table, {OVERLAP: "", KEY: line}) if _is(table, "log") else table
        for table in _HEADER.split(text)
    )


def with_witness_keys(text: str, name: str, keys: RoleKeys) -> str:
    """Put a table for each key of a witness in the place of its first one."""
    return "".join(_witnesses(_HEADER.split(text), name, keys))


def _witnesses(tables: Iterable[str], name: str, keys: RoleKeys) -> Iterator[str]:
    found = False
    for table in tables:
        named = re.search(rf"(?m)^name\s*=\s*{re.escape(_quoted(name))}\s*(#.*)?$", table)
        if not _is(table, "log.witnesses") or named is None:
            yield table
        elif not found:
            found = True
            end = "" if table.endswith("\n") else "\n"
            yield from (_replaced(table, {KEY: f"key = {_quoted(key)}"}) + end for key in keys.keys)


def _is(table: str, name: str) -> bool:
    return re.match(rf"\[\[?\s*{re.escape(name)}\s*\]", table) is not None


def _replaced(table: str, values: dict[str, str]) -> str:
    for pattern, value in values.items():
        table = re.sub(pattern, lambda _: value, table)  # noqa: B023 - used at once
    return table


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)

"""One set folder of a standard: its index, its files, its rows.

Whatever the format page does not describe becomes a failing case here: a file the index names but
the standard does not have, a wrong number of rows, a missing file, a file that nothing names.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.conformance.report import Case, Outcome
from tests.conformance.set_folder import describe, failed, inside, missing, normal, unnamed
from tests.conformance.standard_cases.contract import CaseFile, NotApplicableError, Row

NAMING_KEYS = ("sha256", "certificates", "crls", "ocsp", "collateral", "other_files")
"""Keys of an index, beside `files`, that name files of the set."""


def check_set(folder: Path, index: Mapping[str, Any], checker: ModuleType) -> Iterator[Case]:
    """Run every row of every case file, then look for files that nothing named."""
    entries = index.get("files")
    if not isinstance(entries, list) or not entries:
        yield failed(folder, "INDEX.json", "no list of files")
        return
    named = {"INDEX.json", *_named_by(index)}
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("file"), str):
            yield failed(folder, f"files[{number}]", "not an object that names a file")
            continue
        named.add(normal(entry["file"]))
        yield from _check_file(folder, entry, checker, several=len(entries) > 1, named=named)
    yield from _check_named(folder, named)


def no_checker(folder: Path, standard: str) -> Case:
    """Report a set whose standard is in the table but not built yet."""
    return failed(folder, "INDEX.json", f"no checker yet for {standard}")


def unknown_standard(folder: Path, standard: object) -> Case:
    """Report a set whose standard is not described."""
    return failed(folder, "INDEX.json", f"unknown standard {standard!r}")


def _check_file(
    folder: Path, entry: Mapping[str, Any], checker: ModuleType, *, several: bool, named: set[str]
) -> Iterator[Case]:
    name = entry["file"]
    if not inside(folder, name):
        return  # reported with the other files that are named and missing
    try:
        rows = list(_rows(folder, name, checker))
        found: int | None = len(rows)
    except KeyboardInterrupt:
        raise
    except (
        BaseException
    ) as error:  # an exception of any kind, also a panic below Python, is a failure
        yield failed(folder, name, describe(error))
        return
    if entry.get("cases") != found or isinstance(entry.get("cases"), bool):
        yield failed(folder, name, f"{found} rows, the index says {entry.get('cases')!r}")
    for row in rows:
        named.update(normal(path) for path in row.names)
        yield _check_row(folder, f"{name}:{row.id}" if several else row.id, row)


def _rows(folder: Path, name: str, checker: ModuleType) -> Iterator[Row]:
    case_file: CaseFile | None = checker.case_file(name)
    if case_file is None:
        raise LookupError("this standard has no such file")
    yield from case_file.rows(json.loads((folder / name).read_bytes()), folder)


def _check_row(folder: Path, name: str, row: Row) -> Case:
    try:
        row.check()
    except NotApplicableError as error:
        return Case(
            set_name=folder.name, name=name, outcome=Outcome.NOT_APPLICABLE, reason=str(error)
        )
    except KeyboardInterrupt:
        raise
    except (
        BaseException
    ) as error:  # an exception of any kind, also a panic below Python, is a failure
        return failed(folder, name, describe(error))
    return Case(set_name=folder.name, name=name, outcome=Outcome.PASSED)


def _check_named(folder: Path, named: set[str]) -> Iterator[Case]:
    """Compare what is named with what is there."""
    for path in unnamed(folder, named):
        yield failed(folder, path, "nothing names this file")
    for path in missing(folder, named):
        yield failed(folder, path, "the file is missing")


def _named_by(index: Mapping[str, Any]) -> Iterator[str]:
    for key in NAMING_KEYS:
        yield from _paths(index.get(key))


def _paths(value: object) -> Iterator[str]:
    """Find paths in the spellings an index uses: text, {file: …}, {path: digest}, or lists."""
    match value:
        case str():
            yield normal(value)
        case list():
            for item in value:
                yield from _paths(item)
        case {"file": str(path)}:
            yield normal(path)
        case dict():
            yield from (normal(path) for path in value if isinstance(path, str))
        case _:
            return

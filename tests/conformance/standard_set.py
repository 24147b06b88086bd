"""One set folder of a standard: its index, its files, its rows.

Whatever the format page does not describe becomes a failing case here: a file the index names but
the standard does not have, a wrong number of rows, a missing file, a file that nothing names.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from tests.conformance.report import Case, Outcome
from tests.conformance.standard_cases.contract import CaseFile, NotApplicableError, Row

NAMING_KEYS = ("sha256", "certificates", "crls", "ocsp", "collateral", "other_files")
"""Keys of an index, beside `files`, that name files of the set."""


def check_set(folder: Path, index: Mapping[str, Any], checker: ModuleType) -> Iterator[Case]:
    """Run every row of every case file, then look for files that nothing named."""
    entries = index.get("files")
    if not isinstance(entries, list) or not entries:
        yield _failed(folder, "INDEX.json", "no list of files")
        return
    named = {"INDEX.json", *_named_by(index)}
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("file"), str):
            yield _failed(folder, f"files[{number}]", "not an object that names a file")
            continue
        named.add(_normal(entry["file"]))
        yield from _check_file(folder, entry, checker, several=len(entries) > 1, named=named)
    yield from _check_named(folder, named)


def no_checker(folder: Path, standard: str) -> Case:
    """Report a set whose standard is in the table but not built yet."""
    return _failed(folder, "INDEX.json", f"no checker yet for {standard}")


def unknown_standard(folder: Path, standard: object) -> Case:
    """Report a set whose standard is not described."""
    return _failed(folder, "INDEX.json", f"unknown standard {standard!r}")


def _check_file(
    folder: Path, entry: Mapping[str, Any], checker: ModuleType, *, several: bool, named: set[str]
) -> Iterator[Case]:
    name = entry["file"]
    if not _inside(folder, name):
        return  # reported with the other files that are named and missing
    try:
        rows = list(_rows(folder, name, checker))
        found: int | None = len(rows)
    except KeyboardInterrupt:
        raise
    except (
        BaseException
    ) as error:  # an exception of any kind, also a panic below Python, is a failure
        yield _failed(folder, name, describe(error))
        return
    if entry.get("cases") != found or isinstance(entry.get("cases"), bool):
        yield _failed(folder, name, f"{found} rows, the index says {entry.get('cases')!r}")
    for row in rows:
        named.update(_normal(path) for path in row.names)
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
        return _failed(folder, name, describe(error))
    return Case(set_name=folder.name, name=name, outcome=Outcome.PASSED)


def _check_named(folder: Path, named: set[str]) -> Iterator[Case]:
    """Compare what is named with what is there; a folder with its own index is its own set."""
    present = set(_present(folder, folder))
    for path in sorted(present - named):
        if PurePosixPath(path).stem != "README":
            yield _failed(folder, path, "nothing names this file")
    for path in sorted(named - present):
        if not _inside(folder, path):
            yield _failed(folder, path, "the file is missing")


def _present(folder: Path, below: Path) -> Iterator[str]:
    for path in below.iterdir():
        if path.is_dir() and not path.is_symlink():
            if not (path / "INDEX.json").is_file():
                yield from _present(folder, path)
        else:
            yield path.relative_to(folder).as_posix()


def _named_by(index: Mapping[str, Any]) -> Iterator[str]:
    for key in NAMING_KEYS:
        yield from _paths(index.get(key))


def _paths(value: object) -> Iterator[str]:
    """Find paths in the spellings an index uses: text, {file: …}, {path: digest}, or lists."""
    match value:
        case str():
            yield _normal(value)
        case list():
            for item in value:
                yield from _paths(item)
        case {"file": str(path)}:
            yield _normal(path)
        case dict():
            yield from (_normal(path) for path in value if isinstance(path, str))
        case _:
            return


def _normal(path: str) -> str:
    """Resolve `a/../b` in the text alone, so that one file has one name."""
    parts: list[str] = []
    for part in PurePosixPath(path).parts:
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def _inside(folder: Path, path: str) -> bool:
    """Say whether a file of the set has this path; paths out of the set are not its files."""
    target = (folder / path).resolve()
    return target.is_relative_to(folder.resolve()) and target.is_file()


def _failed(folder: Path, name: str, reason: str) -> Case:
    return Case(set_name=folder.name, name=name, outcome=Outcome.FAILED, reason=reason)


def describe(error: BaseException) -> str:
    """Name an exception and what it says."""
    return f"{type(error).__name__}: {error}"

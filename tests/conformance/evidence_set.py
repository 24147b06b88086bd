"""One set folder of evidence: its index, its certificates, its files, its cases.

Whatever the format page does not describe becomes a failing case here or in `evidence_case`; so
does any exception, whoever raises it.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attestation.certificates import Certificate, parse_certificate
from tests.conformance import set_folder
from tests.conformance.evidence_case import compare, read_material
from tests.conformance.evidence_cases.contract import Checker, Found
from tests.conformance.report import Case, Outcome
from tests.conformance.set_folder import describe, inside, missing, normal, unnamed
from tests.conformance.standard_cases.contract import MismatchError, require_equal

LISTS = ("sha256", "certificates", "crls", "ocsp", "collateral", "other_files")
"""Keys of an index, beside `cases`, that name files of the set."""

NOTHING: Mapping[str, object] = {"verdict": None, "checks": {}}
"""What a case is found to be that was not judged."""


def check_set(folder: Path, index: Mapping[str, Any], checker: Checker | None) -> Iterator[Case]:
    """Run every case, then look at what stands beside the cases.

    Args:
        folder: of the set.
        index: its INDEX.json.
        checker: of its kind; None if nobody has built it yet, and then every case fails.
    """
    cases = index.get("cases")
    if not isinstance(cases, list):
        yield failed(folder, "INDEX.json", "no list of cases")
        return
    listed, wrong = _certificates(folder, index.get("certificates", []))
    for number, case in enumerate(cases):
        if not isinstance(case, dict) or not isinstance(case.get("id"), str):
            yield failed(folder, f"cases[{number}]", "not an object with an id")
        elif checker is None:
            yield failed(folder, case["id"], f"no checker yet for {index['kind']}")
        else:
            yield _check_case(folder, case, checker, listed)
    yield from wrong
    yield from _check_named(folder, index, cases)


def failed(folder: Path, name: str, reason: str, found: Found | None = None) -> Case:
    """Make a failing case of evidence."""
    return set_folder.failed(folder, name, reason, found=_shown(found))


def _check_case(
    folder: Path, case: Mapping[str, Any], checker: Checker, roots: frozenset[bytes]
) -> Case:
    found = None
    try:
        found = checker.examine(read_material(folder, case, checker, roots=roots))
        compare(case, found, checker)
    except KeyboardInterrupt:
        raise
    except (
        BaseException
    ) as error:  # an exception of any kind, also a panic below Python, is a failure
        return failed(folder, case["id"], describe(error), found)
    return Case(set_name=folder.name, name=case["id"], outcome=Outcome.PASSED, found=_shown(found))


def _shown(found: Found | None) -> Mapping[str, object]:
    if found is None:
        return NOTHING
    return {"verdict": found.verdict, "checks": dict(found.checks)}


def _certificates(folder: Path, entries: object) -> tuple[frozenset[bytes], list[Case]]:
    """Give the SHA-256 of the certificates that are as listed, and a failing case of each other."""
    if not isinstance(entries, list):
        return frozenset(), [failed(folder, "certificates", "not a list")]
    listed, wrong = set(), []
    for number, entry in enumerate(entries):
        try:
            listed.add(_certificate(folder, entry).sha256)
        except KeyboardInterrupt:
            raise
        except (
            BaseException
        ) as error:  # an exception of any kind, also a panic below Python, is a failure
            path = entry.get("file") if isinstance(entry, dict) else None
            name = Path(path).name if isinstance(path, str) else str(number)
            wrong.append(failed(folder, f"certificates/{name}", describe(error)))
    return frozenset(listed), wrong


def _certificate(folder: Path, entry: Mapping[str, Any]) -> Certificate:
    if not inside(folder, entry["file"]):
        raise MismatchError("the file is missing")
    certificate = parse_certificate((folder / entry["file"]).read_bytes())
    require_equal("cert_sha256", entry["cert_sha256"], certificate.sha256.hex())
    require_equal("spki_sha256", entry["spki_sha256"], certificate.spki_sha256.hex())
    return certificate


def _check_named(folder: Path, index: Mapping[str, Any], cases: list[Any]) -> Iterator[Case]:
    """Compare what is named with what is there; what a case lacks is that case's failure."""
    beside = {normal(path) for key in LISTS for path in _paths(index.get(key))}
    used = {
        normal(path)
        for case in cases
        if isinstance(case, dict)
        for path in (*_used(case.get("files")), *_paths(case.get("sha256")))
    }
    for path in unnamed(folder, {"INDEX.json", *beside, *used}):
        yield failed(folder, path, "nothing names this file")
    for path in missing(folder, beside - used - set(_files(index.get("certificates")))):
        yield failed(folder, path, "the file is missing")
    for path, digest in _digests(index):
        if inside(folder, path) and _sha256(folder / path) != digest:
            yield failed(folder, path, "another SHA-256 than listed")


def _used(files: object) -> Iterator[str]:
    """Give the paths in `files` of a case: name to path or list of paths."""
    for value in files.values() if isinstance(files, dict) else ():
        yield from _paths(value)


def _paths(value: object) -> Iterator[str]:
    """Find paths in the spellings an index uses.

    A path; {file: path, …}; lists of these; {name: {file: path, …}}; {path: text or digest}.
    """
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _paths(item)
        case {"file": str(path)}:
            yield path
        case dict():
            for name, item in value.items():
                yield from _paths(item if isinstance(item, dict) and "file" in item else name)
        case _:
            return


def _files(entries: object) -> Iterator[str]:
    return (normal(path) for path in _paths(entries))


def _digests(index: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Give the files beside the cases whose digest is listed."""
    whole = index.get("sha256")
    yield from whole.items() if isinstance(whole, dict) else ()
    for key in ("crls", "ocsp"):
        entries = index.get(key)
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("file"), str) and "sha256" in entry:
                yield entry["file"], entry["sha256"]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

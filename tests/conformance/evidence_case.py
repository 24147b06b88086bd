"""One case of a set of evidence: its shape, its files, and what passes. Format page, 2.1 and 2.2.

The checker says what it found, `compare` holds it against what the case expects. Whatever the
format page does not describe raises `MismatchError`, and so fails the case.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from attestation.checks import Outcome
from tests.conformance.evidence_cases.contract import (
    INVALID,
    UNKNOWN,
    VALID,
    Checker,
    Found,
    Material,
)
from tests.conformance.set_folder import inside
from tests.conformance.standard_cases.contract import MismatchError

Case = Mapping[str, Any]

RESULTS = ("tcb", "rim_mismatches", "rim_active_overlap")
"""Keys of `expected` that are compared with a result of the checker."""

EXPECTED = frozenset(
    {"verdict", "checks", "parse_error", "may_parse", "policy_default", *RESULTS}
    | {"reason", "dcap_qvl"}  # for people, not compared
)
"""Every key of `expected`."""

AS_SETS = frozenset({"event_log_matches", "event_log_mismatches", "rtmr_matches"})
"""Fields whose order says nothing."""

OWN_SIGNATURES = (["report_signature"], ["quote_signature"])
"""The one false check of a case whose alteration may have broken the format itself."""


def read_material(
    folder: Path, case: Case, checker: Checker, *, roots: frozenset[bytes]
) -> Material:
    """Read the files of a case; every digest must be the one listed."""
    if case.get("checker") != checker.CHECKER:
        raise MismatchError(f"unknown checker {case.get('checker')!r}")
    named = list(_named_files(case, checker))
    digests = _digests(folder, case, [path for _name, path in named])
    product = case.get("product")
    return Material(
        files=tuple((name, digests[path]) for name, path in named),
        at=_unix(case.get("at")),
        product=product if isinstance(product, str) else None,
        roots=roots,
    )


def compare(case: Case, found: Found, checker: Checker) -> None:
    """Hold what was found against what the case expects."""
    expected = _expected(case, checker)
    if found.malformed is not None:
        _compare_refused(expected, found.malformed)
    elif expected.get("parse_error"):
        if not expected.get("may_parse") or found.verdict != INVALID:
            raise MismatchError("parses, and must not")
    else:
        _compare_values("", case["fields"], found.fields)
        _compare_checks(expected["checks"], found.checks)
    if found.verdict != expected["verdict"]:
        raise MismatchError(f"verdict: expected {expected['verdict']}, found {found.verdict}")
    _compare_default(expected.get("policy_default"), found)
    for name in RESULTS:
        if name in expected and _is_compared(name, found):
            _compare_result(name, expected[name], found.results)


def _named_files(case: Case, checker: Checker) -> Iterator[tuple[str, str]]:
    files = case.get("files")
    if not isinstance(files, dict) or checker.EVIDENCE.isdisjoint(files):
        raise MismatchError("files: not an object with evidence in it")
    for name, value in files.items():
        if name not in checker.FILES:
            raise MismatchError(f"unknown key of files {name!r}")
        paths = value if isinstance(value, list) else [value]
        if not all(isinstance(path, str) for path in paths):
            raise MismatchError(f"files.{name}: not a path or list of paths")
        if len(paths) != 1 and not checker.FILES[name]:
            raise MismatchError(f"files.{name}: {len(paths)} files, not one")
        yield from ((name, path) for path in paths)


def _digests(folder: Path, case: Case, used: list[str]) -> dict[str, bytes]:
    """Read every file that has a digest; gives path to content, if all digests are right."""
    listed = case.get("sha256")
    if not isinstance(listed, dict):
        raise MismatchError("sha256: not an object of path to digest")
    if lacking := sorted(set(used).difference(listed)):
        raise MismatchError(f"sha256: no digest of {', '.join(lacking)}")
    found = {}
    for path, digest in listed.items():
        if not inside(folder, path):
            raise MismatchError(f"{path}: the file is missing")
        found[path] = (folder / path).read_bytes()
        if hashlib.sha256(found[path]).hexdigest() != digest:
            raise MismatchError(f"{path}: another SHA-256 than listed")
    return found


def _unix(text: object) -> int:
    """Read the time of RFC 3339, whole seconds."""
    if not isinstance(text, str):
        raise MismatchError("at: not a time of RFC 3339")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise MismatchError("at: a time without its zone")
    return int(moment.timestamp())


def _expected(case: Case, checker: Checker) -> dict[str, Any]:
    """Give `expected`, if every word in it is known."""
    expected = case.get("expected")
    if not isinstance(expected, dict):
        raise MismatchError("expected: not an object")
    if unknown := sorted(set(expected) - EXPECTED):
        raise MismatchError(f"unknown key of expected {unknown[0]!r}")
    if expected.get("verdict") not in (VALID, INVALID, UNKNOWN):
        raise MismatchError(f"unknown verdict {expected.get('verdict')!r}")
    for name in ("parse_error", "may_parse"):
        if not isinstance(expected.get(name, False), bool):
            raise MismatchError(f"unknown value of {name} {expected[name]!r}")
    if isinstance(case.get("fields"), dict) is bool(expected.get("parse_error")):
        raise MismatchError("fields: expected exactly where the evidence parses")
    checks = expected.get("checks", {})
    _check_names(checks, checker)
    return {**expected, "checks": checks}


def _check_names(checks: object, checker: Checker) -> None:
    if not isinstance(checks, dict):
        raise MismatchError("checks: not an object")
    for name, value in checks.items():
        if name not in checker.CHECKS:
            raise MismatchError(f"unknown check {name!r}")
        if value is not None and not isinstance(value, bool):
            raise MismatchError(f"unknown value of the check {name} {value!r}")


def _compare_refused(expected: Mapping[str, Any], malformed: str) -> None:
    """Judge evidence that does not parse: whether it may, or must, be refused there."""
    false = [name for name, value in expected["checks"].items() if value is False]
    altered = expected["verdict"] == INVALID and false in OWN_SIGNATURES
    if not expected.get("parse_error") and not altered:
        raise MismatchError(f"does not parse: {malformed}")


def _compare_checks(expected: Mapping[str, Any], found: Mapping[str, bool | None]) -> None:
    for name, value in expected.items():
        if found[name] is not value:
            raise MismatchError(f"check {name}: expected {value}, found {found[name]}")


def _compare_default(expected: object, found: Found) -> None:
    """Judge that the default policy refuses, and for the reason given: debug, or a TCB status."""
    if expected is None:
        return
    if not isinstance(expected, str) or not expected.startswith(INVALID):
        raise MismatchError(f"unknown value of policy_default {expected!r}")
    failed = {check.id for check in found.refused_by if check.outcome is Outcome.FAIL}
    if expected.startswith("invalid: debug"):
        if found.malformed is None and "8.debug" not in failed:
            raise MismatchError("policy_default: not refused for debug")
    elif found.malformed is None and "2.tcb" not in {check.id for check in found.refused_by}:
        raise MismatchError("policy_default: not refused for a TCB status")
    if not found.refused_by:
        raise MismatchError("policy_default: not refused")


def _is_compared(name: str, found: Found) -> bool:
    """Say whether a result counts: a TCB status of what is valid, all others of what parses."""
    return found.verdict == VALID if name == "tcb" else found.malformed is None


def _compare_result(name: str, expected: object, results: Mapping[str, object]) -> None:
    """Compare as a whole: a member that is not expected is as wrong as one that is not found."""
    if name not in results:
        raise MismatchError(f"{name}: not found")
    _compare_values(f"{name}.", {name: expected}, results)
    if isinstance(expected, dict) and results[name] != expected:
        raise MismatchError(f"{name}: expected {expected!r}, found {results[name]!r}")


def _compare_values(path: str, expected: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Compare objects key by key; what is found beyond is left aside."""
    for name, value in expected.items():
        if name not in found:
            raise MismatchError(f"{path}{name}: not found")
        actual = found[name]
        if isinstance(value, dict) and isinstance(actual, Mapping):
            _compare_values(f"{path}{name}.", value, actual)
        elif name in AS_SETS and isinstance(value, list) and isinstance(actual, list):
            if set(value) != set(actual):
                raise MismatchError(f"{path}{name}: expected {value!r}, found {actual!r}")
        elif not _equal(value, actual):
            raise MismatchError(f"{path}{name}: expected {value!r}, found {actual!r}")


def _equal(one: object, other: object) -> bool:
    """Compare as JSON does, for which 1 is not true; lists in order."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return type(one) is type(other) and one == other

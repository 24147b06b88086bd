"""Published evidence of hardware is judged as it must be, as far as it is at hand."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.evidence import CHECKERS, ROOT, load_checker, run
from tests.conformance.evidence_case import compare, read_material
from tests.conformance.evidence_cases.contract import INVALID, UNKNOWN, VALID, Checker, Found
from tests.conformance.report import Outcome
from tests.conformance.standard_cases.contract import MismatchError

VECTORS = ROOT / ".." / "shared" / "vectors"

KINDS = ["nvidia", "sev-snp", "tdx", "tpm"]


def shared(kind: str) -> Path:
    folder = VECTORS / kind
    if not folder.is_dir():
        pytest.skip("../shared is absent: optional published vectors")
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_every_case_of_the_set_holds(kind):
    cases = list(run(shared(kind)))
    failed = [f"{case.name}: {case.reason}" for case in cases if case.outcome is Outcome.FAILED]
    assert failed == []
    assert any(case.outcome is Outcome.PASSED for case in cases)


@pytest.mark.parametrize("kind", KINDS)
def test_every_value_of_every_case_is_compared(kind):
    """Change one expectation at a time: each must be missed."""
    checker = load_checker(CHECKERS[kind])
    assert checker is not None
    for case, found in judged(shared(kind), checker):
        compare(case, found, checker)
        for wrong in altered(case, found):
            with pytest.raises(MismatchError):
                compare(wrong, found, checker)


def judged(folder: Path, checker: Checker) -> Iterator[tuple[dict[str, Any], Found]]:
    for case in json.loads((folder / "INDEX.json").read_bytes())["cases"]:
        yield case, checker.examine(read_material(folder, case, checker, roots=frozenset()))


def altered(case: dict[str, Any], found: Found) -> Iterator[dict[str, Any]]:
    """Give copies of a case with one value changed, of those that are compared."""
    expected = case["expected"]
    for verdict in {VALID, INVALID, UNKNOWN} - {expected["verdict"]}:
        yield with_value(case, ("expected", "verdict"), verdict)
    if found.malformed is not None:
        return
    for name, value in expected["checks"].items():
        for other in {True, False, None} - {value}:
            yield with_value(case, ("expected", "checks", name), other)
    for name in case["fields"]:
        yield with_value(case, ("fields", name), "another")
    if "tcb" in expected and expected["verdict"] == VALID:
        for name in expected["tcb"]:
            yield with_value(case, ("expected", "tcb", name), "another")
    for name in {"rim_mismatches", "rim_active_overlap"}.intersection(expected):
        yield with_value(case, ("expected", name), [*expected[name], 63])


def with_value(case: dict[str, Any], path: tuple[str, ...], value: object) -> dict[str, Any]:
    changed = copy.deepcopy(case)
    inner = changed
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return changed

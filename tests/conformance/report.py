"""What a conformance run found, and how it is printed: the common contract of both runners.

One line per failing case, a last line with the three counts, or with `--json` one object on stdout.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """How a case ended; the values are those of the JSON output."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One case of one set. `reason` is None for a passed case only.

    `found` is what a case of evidence was found to be: further members of its JSON.
    """

    set_name: str
    name: str
    outcome: Outcome
    reason: str | None = None
    found: Mapping[str, object] | None = None

    def as_json(self) -> dict[str, object]:
        """Give the members of the JSON output, in their order."""
        return {
            "set": self.set_name,
            "case": self.name,
            "outcome": self.outcome.value,
            "reason": self.reason,
            **(self.found or {}),
        }


def one_line(text: str) -> str:
    """Keep a reason on the one line that a case may have."""
    return " ".join(text.split())[:500]


def report(cases: Sequence[Case], *, as_json: bool) -> int:
    """Print what was found and give the exit code: 1 if a case failed or none passed."""
    count = {outcome: sum(case.outcome is outcome for case in cases) for outcome in Outcome}
    passed, failed = count[Outcome.PASSED], count[Outcome.FAILED]
    last = f"{passed} passed, {failed} failed, {count[Outcome.NOT_APPLICABLE]} not applicable"
    if as_json:
        json.dump(_document(cases, count), sys.stdout)
        print()
        print(last, file=sys.stderr)
    else:
        _print_failures(cases)
        print(last)
    return 1 if failed or not passed else 0


def _document(cases: Sequence[Case], count: dict[Outcome, int]) -> dict[str, object]:
    return {
        "passed": count[Outcome.PASSED],
        "failed": count[Outcome.FAILED],
        "not_applicable": count[Outcome.NOT_APPLICABLE],
        "cases": [case.as_json() for case in cases],
    }


def _print_failures(cases: Sequence[Case]) -> None:
    for case in cases:
        if case.outcome is Outcome.FAILED:
            print(one_line(f"FAIL {case.set_name}/{case.name}: {case.reason}"))

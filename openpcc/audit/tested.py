"""What an audit tests, in a table: an id, one sentence, and what to do where it fails. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from openpcc.audit.report import Finding, Outcome

MOST_NAMED = 8
"""Things that one finding names; of more it says how many."""


@dataclass(frozen=True, kw_only=True)
class Tested:
    """One thing that is tested; `remedy` is empty where it is only counted."""

    text: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Tests:
    """The table of one audit."""

    table: Mapping[str, Tested]

    def passed(self, name: str, actual: str | None = None) -> Finding:
        """Note a test that passed."""
        return Finding(id=name, outcome=Outcome.PASS, text=self.table[name].text, actual=actual)

    def failed(self, name: str, actual: str, *, expected: str | None = None) -> Finding:
        """Note a test that failed."""
        test = self.table[name]
        return Finding(
            id=name,
            outcome=Outcome.FAIL,
            text=test.text,
            expected=expected,
            actual=actual,
            remedy=test.remedy,
        )

    def skipped(self, name: str, why: str, *, required: bool = True) -> Finding:
        """Note a test that could not be done."""
        return Finding(
            id=name,
            outcome=Outcome.SKIP,
            text=self.table[name].text,
            actual=why,
            required=required,
        )

    def told(self, name: str, actual: str) -> Finding:
        """Note what is only reported."""
        return Finding(id=name, outcome=Outcome.INFO, text=self.table[name].text, actual=actual)

    def judged(self, name: str, wrong: Iterable[str], *, actual: str | None = None) -> Finding:
        """Note a test by what is wrong; nothing: it passed."""
        text = named(wrong)
        return self.failed(name, text) if text else self.passed(name, actual)


def named(things: Iterable[str]) -> str:
    """Name the first of some things, and say how many more there are."""
    given = list(things)
    left = len(given) - MOST_NAMED
    return "; ".join(given[:MOST_NAMED]) + (f"; and {left} more" if left > 0 else "")

"""Facts in words."""

import pytest

from openpcc.audit.facts import MOST_FACTS, MOST_LETTERS, MOST_LINES, lines, rows
from openpcc.audit.report import Section


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("size", 1048576, ["1048576"]),
        ("issued", 1800000000, ["2027-01-15 08:00:00 UTC"]),
        ("expires", 10**15, ["1000000000000000"]),
        ("expires", None, ["none"]),
        ("listed", True, ["yes"]),
        ("witnesses", ["one", "two"], ["one, two"]),
        ("releases", [], ["none"]),
        ("floors", {}, ["none"]),
        ("floors", {"crl": {}, "tcb": 7}, ["crl: none", "tcb: 7"]),
        (
            "chains",
            [{"chain_name": "a", "expires": 0}, {"chain_name": "b", "ids": [1, 2]}],
            ["chain name a, expires 1970-01-01 00:00:00 UTC", "chain name b, ids 1, 2"],
        ),
        ("odd", [["a"], 1], ['[["a"], 1]']),
    ],
)
def test_a_fact_is_told_in_lines(name: str, value: object, told: list[str]):
    assert lines(name, value) == told


def test_what_is_much_is_cut_and_counted():
    many = lines("a", [{"n": 1}] * 100)
    assert len(many) == MOST_LINES + 1
    assert many[-1] == f"{100 - MOST_LINES} more in the JSON report"
    assert len(lines("a", "x" * 2000)[0]) == MOST_LETTERS + 1
    section = Section(name="a", title="A", facts={str(i): i for i in range(100)})
    assert list(rows(section))[-1] == (f"{100 - MOST_FACTS} more", ["in the JSON report"])

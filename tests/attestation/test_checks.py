"""The collector records everything and refuses what nobody judged."""

import re

import pytest

from attestation.checks import (
    CHECKS,
    MAY_BE_OPTIONAL,
    ONLY_WHERE_ASKED,
    Check,
    Checks,
    Outcome,
    given,
    readable,
    refusing,
)
from attestation.errors import AppraisalError, MalformedEvidenceError


def failing():
    raise AppraisalError("debug", expected="off", actual="on")


def test_the_table_is_that_of_the_formats_page(root):
    page = (root / "docs" / "formats.md").read_text()
    rows = re.findall(r"^\| ([1-9]\.[a-z]+) \| (.+) \|$", page, re.M)
    assert list(CHECKS.items()) == rows


def test_a_pass_gives_what_the_test_returned():
    checks = Checks()
    assert checks.run("8.debug", lambda: 7) == 7
    assert checks.passed("8.debug")


def test_a_failure_is_recorded_and_the_next_check_still_runs():
    checks = Checks()
    assert checks.run("8.debug", failing) is None
    assert checks.run("8.migration", lambda: 1) == 1
    first, second = checks.done()
    assert (first.outcome, first.expected, first.actual) == (Outcome.FAIL, "off", "on")
    assert first.refuses
    assert not second.refuses


def test_malformed_bytes_fail_a_check():
    def malformed():
        raise MalformedEvidenceError("not that")

    checks = Checks()
    checks.run("1.parse", malformed)
    assert checks.done()[0].outcome is Outcome.FAIL
    assert checks.done()[0].actual == "not that"


def test_other_errors_are_bugs_and_not_outcomes():
    with pytest.raises(ZeroDivisionError):
        Checks().run("1.parse", lambda: 1 / 0)


def test_what_depends_on_a_failed_check_is_skipped_and_refuses():
    checks = Checks()
    checks.run("8.debug", failing)
    checks.run("8.migration", lambda: 1, needs=["8.debug"])
    skipped = checks.done()[1]
    assert (skipped.outcome, skipped.actual) == (Outcome.SKIP, "8.debug did not pass")
    assert skipped.refuses


def test_what_is_missing_is_skipped_and_refuses():
    checks = Checks()
    checks.run("8.debug", lambda: given(None, "quote"))
    assert checks.done()[0].outcome is Outcome.SKIP
    assert checks.done()[0].refuses


def test_only_some_checks_may_be_skipped_without_refusing():
    checks = Checks()
    for name in CHECKS:
        if name in ONLY_WHERE_ASKED:
            checks.not_asked(name, "nobody asked")
        else:
            with pytest.raises(ValueError, match=name):
                checks.not_asked(name, "nobody asked")
    assert not [one for one in checks.done() if one.refuses]


def test_an_optional_check_may_fail_and_no_other():
    checks = Checks(optional=MAY_BE_OPTIONAL)
    for name in CHECKS:
        checks.run(name, failing)
    assert {one.id for one in checks.done() if not one.refuses} == MAY_BE_OPTIONAL
    assert all(one.outcome is Outcome.FAIL for one in checks.done())


def test_a_required_check_must_find_something_to_test():
    checks = Checks(required=frozenset({"6.authentic"}))
    for name in ONLY_WHERE_ASKED:
        checks.not_asked(name, "there is nothing")
    assert [one.id for one in checks.done() if one.refuses] == ["6.authentic"]


def test_what_is_out_of_scope_is_told_and_does_not_refuse():
    checks = Checks()
    checks.out_of_scope("7.status", "needs the log")
    assert checks.done()[0].outcome is Outcome.SKIP
    assert not checks.done()[0].refuses


def test_what_is_only_told_refuses_unless_nobody_judges_it():
    told = {name for name in CHECKS if not Check(id=name, outcome=Outcome.INFO).refuses}
    assert told == {"9.region"}
    assert "told and not judged" in Check(id="2.chain", outcome=Outcome.INFO).refusal
    with pytest.raises(ValueError, match=r"8\.debug"):
        Checks().info("8.debug", "off")


@pytest.mark.parametrize(
    ("optional", "required"), [({"8.debug"}, set()), (set(), {"8.debug"}), (set(), {"2.recency"})]
)
def test_a_policy_decides_about_no_other_check(optional: set[str], required: set[str]):
    with pytest.raises(ValueError, match="policy decides"):
        Checks(optional=frozenset(optional), required=frozenset(required))


def test_a_check_cannot_be_run_twice_or_invented():
    checks = Checks()
    checks.info("9.region", "somewhere")
    with pytest.raises(ValueError, match=r"9\.region"):
        checks.run("9.region", lambda: None)
    with pytest.raises(ValueError, match=r"10\.luck"):
        checks.run("10.luck", lambda: None)


def test_checks_come_back_in_the_order_of_the_table():
    checks = Checks()
    checks.run("8.debug", lambda: None)
    checks.extend([Check(id="2.chain", outcome=Outcome.PASS)])
    assert [one.id for one in checks.done()] == ["2.chain", "8.debug"]


def test_a_check_nobody_recorded_refuses():
    done = [Check(id=name, outcome=Outcome.PASS) for name in CHECKS if name != "3.binding"]
    assert [one.id for one in refusing(done, CHECKS)] == ["3.binding"]


def test_failures_come_before_what_could_not_be_judged():
    done = [
        Check(id="2.chain", outcome=Outcome.SKIP),
        Check(id="8.debug", outcome=Outcome.FAIL, required=False),
    ]
    assert [one.id for one in refusing(done, ["2.chain", "8.debug"])] == ["8.debug", "2.chain"]


def test_text_from_outside_is_made_plain():
    def hostile():
        raise AppraisalError("x", expected="a\x1b[31m\u202eb", actual="long " * 1000)

    checks = Checks()
    checks.run("8.debug", hostile)
    found = checks.done()[0]
    assert found.expected == "a?[31m?b"
    assert found.actual is not None
    assert len(found.actual) == 256


def test_readable_gives_none_for_what_another_check_reports():
    assert readable(failing) is None
    assert readable(lambda: 3) == 3

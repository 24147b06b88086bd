"""A report of the trust decision as an audit: what refuses there refuses here, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.checks import CHECKS, PASSED, Check
from attestation.claims import Ground
from attestation.result import OUTSIDE, Report, Scope
from attestation.result import Verdict as Decided
from openpcc.audit.appraisal import REMEDIES, audit_of, section
from openpcc.audit.report import AuditKind, AuditReport, Finding, Outcome, Verdict
from openpcc.decision import STEPS


def report(*checks: Check, scope: Scope = Scope.NODE, left_out: str = "") -> Report:
    """Give a report whose checks pass but for these."""
    own = {check.id: check for check in checks}
    outside = {
        name: Check(id=name, outcome=Outcome.SKIP, required=False) for name in OUTSIDE[scope]
    }
    every = {**PASSED, **outside, **own}
    told = tuple(every[name] for name in CHECKS if name != left_out)
    return Report(platform="sev-snp", at=1800000100, checks=told, scope=scope)


def audited(one: Report) -> AuditReport:
    return audit_of(one, kind=AuditKind.EVIDENCE, subject="bundle.json")


def found(one: AuditReport, id_: str) -> Finding:
    return next(finding for finding in one.findings if finding.id == id_)


some_checks = st.lists(
    st.builds(
        Check,
        id=st.sampled_from(list(CHECKS)),
        outcome=st.sampled_from(Outcome),
        required=st.booleans(),
        actual=st.none() | st.just("so"),
    ),
    unique_by=lambda check: check.id,
    max_size=4,
)


@given(some_checks, st.sampled_from([Scope.NODE, Scope.BUNDLE, Scope.PARTS, Scope.RELEASE]),
       st.sampled_from(["", *CHECKS]))  # fmt: skip
def test_an_audit_passes_where_the_report_accepts_and_nowhere_else(
    checks: list[Check], scope: Scope, left_out: str
):
    one = report(*checks, scope=scope, left_out=left_out)
    accepted = one.verdict is Decided.ACCEPTED
    assert (audited(one).verdict is Verdict.PASS) == accepted
    whole = audit_of(one, kind=AuditKind.NODE, subject="x")
    alone = AuditReport(
        kind=AuditKind.NODE, subject="x", at=0, sections=(section(one, name="n", title="N"),)
    )
    assert alone.verdict is whole.verdict
    assert {f.id for f in alone.failed} == {f.id for f in whole.failed}
    named = {f.id for f in (*alone.failed, *alone.unjudged)}
    assert named == {check.id for check in one.failed}


def test_a_check_that_the_report_lacks_could_not_be_judged():
    one = audited(report(left_out="2.revocation"))
    assert one.verdict is Verdict.INCOMPLETE
    assert [finding.id for finding in one.unjudged] == ["2.revocation"]


def test_a_failure_that_the_policy_tolerates_is_reported():
    check = Check(id="2.recency", outcome=Outcome.FAIL, required=False, actual="31 d old")
    finding = found(audited(report(check)), "2.recency")
    assert finding.outcome is Outcome.INFO
    assert finding.actual == "31 d old: failed, and the policy does not insist on it"


def test_what_was_told_where_it_had_to_be_judged_was_not_judged():
    one = audited(report(Check(id="8.debug", outcome=Outcome.INFO)))
    assert found(one, "8.debug").outcome is Outcome.SKIP
    assert one.verdict is Verdict.INCOMPLETE


def test_a_failure_has_a_remedy_and_its_bytes():
    check = Check(id="8.debug", outcome=Outcome.FAIL, expected="off", actual="on")
    ground = Ground(check="8.debug", part="report", offset=8, size=8, field="POLICY", value=b"\x07")
    one = audit_of(report(check), kind=AuditKind.NODE, subject="x", grounds=[ground])
    finding = found(one, "8.debug")
    assert (finding.expected, finding.actual) == ("off", "on")
    assert finding.remedy == REMEDIES[8]
    assert [(e.part, e.offset, e.size, e.field) for e in finding.extracts] == [
        ("report", 8, 8, "POLICY")
    ]


@pytest.mark.parametrize("scope", Scope)
def test_what_is_simulated_stays_so(scope: Scope):
    one = Report(platform="simulated", at=0, checks=(), scope=scope)
    assert audited(one).simulated


def test_every_step_has_its_remedy():
    assert REMEDIES.keys() == STEPS.keys()

"""The runner of evidence keeps its contract: whatever is not as a set says fails."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from attestation.checks import CHECKS
from attestation.errors import AppraisalError
from tests.conformance.evidence import CHECKERS, ROOT, load_checker, run
from tests.conformance.evidence_cases import sev_snp
from tests.conformance.made_up import (
    SNP_CHECKS,
    change,
    digest,
    expect,
    reasons,
    snp_files,
    snp_set,
    without,
    write,
)
from tests.conformance.report import Outcome
from tests.fakes import amd


@pytest.fixture
def snp(tmp_path: Path) -> Path:
    """Give a set of one valid report under a throw-away root that the index lists."""
    vendor = amd.Amd("Genoa")
    return snp_set(tmp_path / "sets" / "snp", snp_files(vendor, vendor.vcek()))


def call(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    program = ROOT / "tests" / "conformance" / "evidence.py"
    command = [sys.executable, str(program), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_runs_from_any_folder_and_says_how_many_passed(snp):
    done = call("sets", cwd=snp.parents[1])
    assert (done.returncode, done.stdout) == (0, "1 passed, 0 failed, 0 not applicable\n")


def test_writes_verdict_and_checks_as_json(snp):
    done = call(snp, "--json", cwd=Path("/"))
    result = {"set": "snp", "case": "one", "outcome": "passed", "reason": None}
    found = {"verdict": "valid", "checks": SNP_CHECKS}
    counts = {"passed": 1, "failed": 0, "not_applicable": 0}
    assert json.loads(done.stdout) == {**counts, "cases": [{**result, **found}]}
    assert (done.returncode, done.stderr) == (0, "1 passed, 0 failed, 0 not applicable\n")


def test_names_a_failing_case_on_one_line_and_its_findings_as_json(snp):
    change(snp, lambda _index, case: case["expected"].update(verdict="invalid"))
    done = call(snp, cwd=Path("/"))
    assert done.stdout.splitlines() == [
        "FAIL snp/one: MismatchError: verdict: expected invalid, found valid",
        "0 passed, 1 failed, 0 not applicable",
    ]
    (case,) = json.loads(call(snp, "--json", cwd=Path("/")).stdout)["cases"]
    assert (done.returncode, case["outcome"], case["verdict"]) == (1, "failed", "valid")


def test_nothing_passed_is_a_failure(tmp_path):
    (tmp_path / "standard").mkdir()
    write(tmp_path / "standard", {"standard": "rats", "files": []})
    done = call(tmp_path, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "0 passed, 0 failed, 0 not applicable\n")


def test_writes_nothing_below_the_set(snp):
    before = sorted(snp.rglob("*"))
    assert reasons(snp) == []
    assert sorted(snp.rglob("*")) == before


@pytest.mark.parametrize("value", [True, False, None])
@pytest.mark.parametrize("name", sorted(sev_snp.CHECKS))
def test_compares_every_check_with_exactly_its_value(snp, name, value):
    found = change(snp, lambda _index, case: case["expected"]["checks"].update({name: value}))
    assert found == (
        [] if value else [f"MismatchError: check {name}: expected {value}, found True"]
    )


def parse_error(**expected):
    def how(_index, case):
        case["expected"].update(expected)
        case.pop("fields")

    return how


WRONG = {
    "a verdict swapped": (expect(verdict="invalid"), "verdict: expected invalid"),
    "nothing claimed": (expect(verdict="unknown"), "verdict: expected unknown"),
    "an unknown verdict": (expect(verdict="fine"), "unknown verdict"),
    "no verdict": (lambda _i, c: c["expected"].pop("verdict"), "unknown verdict"),
    "no expectation": (lambda _i, c: c.pop("expected"), "expected: not an object"),
    "an unknown expectation": (expect(mood="good"), "unknown key of expected"),
    "an unknown check": (lambda _i, c: c["expected"]["checks"].update(luck=True), "unknown check"),
    "a check of text": (lambda _i, c: c["expected"]["checks"].update(chain="true"), "unknown valu"),
    "no object of checks": (expect(checks=["chain"]), "checks: not an object"),
    "a result of others": (expect(tcb={}), "tcb: not found"),
    "another field": (lambda _i, c: c["fields"].update(version=5), "version: expected 5"),
    "a number for a truth": (lambda _i, c: c["fields"].update(policy_debug=0), "policy_debug"),
    "a field inside": (lambda _i, c: c["fields"].update(reported_tcb={"snp": 9}), "tcb.snp: exp"),
    "an unknown field": (lambda _i, c: c["fields"].update(colour="red"), "colour: not found"),
    "no fields": (lambda _i, c: c.pop("fields"), "fields: expected exactly where"),
    "a parse error": (parse_error(parse_error=True), "parses, and must not"),
    "a lax parse error": (parse_error(parse_error=True, may_parse=True), "parses, and must not"),
    "half a parse error": (expect(parse_error=True), "fields: expected exactly where"),
    "a parse error of text": (expect(parse_error="no"), "unknown value of parse_error"),
    "debug refused": (expect(policy_default="invalid: debug is on"), "not refused for debug"),
    "a status refused": (expect(policy_default="invalid: OutOfDate"), "not refused for a TCB"),
    "a default that accepts": (expect(policy_default="valid"), "unknown value of policy_default"),
    "another checker": (lambda _i, c: c.update(checker="quote"), "unknown checker"),
    "another kind": (lambda i, _c: i.update(kind="tdx"), "unknown checker"),
    "an unknown key of files": (lambda _i, c: c["files"].update(luck="leaf"), "unknown key of fil"),
    "no evidence": (without("report"), "files: not an object with evidence"),
    "two leaves": (lambda _i, c: c["files"].update(leaf=["leaf", "leaf"]), "2 files, not one"),
    "no path": (lambda _i, c: c["files"].update(leaf=7), "not a path"),
    "a file less": (
        without("crl"),
        "crl_signature: expected True, found None",
    ),
    "a missing file": (lambda _i, c: c["sha256"].update(gone="00"), "gone: the file is missing"),
    "another digest": (lambda _i, c: c["sha256"].update(leaf="00" * 32), "leaf: another SHA-256"),
    "no digest": (lambda _i, c: c["sha256"].pop("leaf"), "no digest of leaf"),
    "no time": (lambda _i, c: c.pop("at"), "at: not a time"),
    "a time of no zone": (lambda _i, c: c.update(at="2027-01-15T08:00:00"), "without its zone"),
    "a time before": (lambda _i, c: c.update(at="2001-01-15T08:00:00Z"), "openssl_chain: expected"),
    "no id": (lambda _i, c: c.update(id=7), "not an object with an id"),
    "an unlisted root": (lambda i, _c: i.pop("certificates"), "verdict: expected valid"),
    "no list of certificates": (lambda i, _c: i.update(certificates={}), "not a list"),
    "another key of a root": (
        lambda i, _c: i["certificates"][0].update(spki_sha256="00" * 32),
        "spki_sha256: expected",
    ),
    "a missing list": (lambda i, _c: i.update(crls=[{"file": "gone"}]), "the file is missing"),
    "another answer": (
        lambda i, _c: i.update(ocsp=[{"file": "crl", "sha256": "00"}]),
        "another SHA-256",
    ),
}


@pytest.mark.parametrize(("how", "text"), WRONG.values(), ids=list(WRONG))
def test_what_is_not_as_it_says_fails(snp, how, text):
    assert reasons(snp) == []
    found = change(snp, how)
    assert any(text in one for one in found), found


@pytest.mark.parametrize(
    "index", ["not json", "[]", "{}", '{"kind": "rats"}', '{"kind": 7}', '{"kind": "sev-snp"}']
)
def test_an_index_that_is_not_described_fails(tmp_path, index):
    (tmp_path / "INDEX.json").write_text(index)
    (case,) = run(tmp_path)
    assert (case.name, case.outcome) == ("INDEX.json", Outcome.FAILED)


def test_a_file_that_nothing_names_fails(snp):
    (snp / "README.md").write_text("about")
    assert reasons(snp) == []
    (snp / "stray.bin").write_bytes(b"x")
    assert [case.name for case in run(snp) if case.outcome is Outcome.FAILED] == ["stray.bin"]


@pytest.mark.parametrize(
    "named",
    [
        {"other_files": {"stray.bin": "no case reads it"}},
        {"other_files": ["stray.bin"]},
        {"collateral": {"a name": {"file": "stray.bin"}}},
        {"crls": [{"file": "stray.bin"}]},
    ],
)
def test_a_file_that_the_index_names_does_not_fail(snp, named):
    (snp / "stray.bin").write_bytes(b"x")
    assert change(snp, lambda index, _case: index.update(named)) == []


def test_a_file_outside_of_the_set_is_missing(snp):
    outside = (snp / "leaf").read_bytes()
    (snp.parent / "leaf").write_bytes(outside)

    def how(_index, case):
        case["files"]["leaf"] = "../leaf"
        case["sha256"]["../leaf"] = digest(outside)

    assert any("../leaf: the file is missing" in one for one in change(snp, how))


@pytest.mark.parametrize("error", [SystemExit(0), ValueError("no"), BaseException("a panic")])
def test_an_exception_of_any_kind_fails_the_case(snp, monkeypatch, error):
    def crash(_material: object) -> None:
        raise error

    monkeypatch.setattr(sev_snp, "examine", crash)
    assert reasons(snp) == [f"{type(error).__name__}: {error}"]


def test_an_interrupt_ends_the_run(snp, monkeypatch):
    def interrupt(_material: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sev_snp, "examine", interrupt)
    with pytest.raises(KeyboardInterrupt):
        reasons(snp)


def test_a_rule_broken_under_a_check_that_passed_fails(snp, monkeypatch):
    """Else a rule could be called here alone, and by no client."""

    def broken(*_arguments: object) -> None:
        raise AppraisalError("TCB", expected="this", actual="that")

    monkeypatch.setattr(sev_snp, "check_tcb", broken)
    found = change(snp, lambda _i, c: c["expected"]["checks"].update(tcb_matches_leaf=False))
    assert any("ContradictionError: tcb_matches_leaf" in one for one in found)


@pytest.mark.parametrize("kind", ["nvidia", "tpm"])
def test_a_kind_without_a_checker_fails_case_by_case(snp, monkeypatch, kind):
    monkeypatch.setitem(CHECKERS, kind, "no_such_module")
    assert change(snp, lambda index, _c: index.update(kind=kind)) == [f"no checker yet for {kind}"]


def test_every_name_of_a_checker_is_part_of_a_check_of_ours():
    for module in CHECKERS.values():
        checker = load_checker(module)
        if checker is not None:
            assert set(checker.FILES) >= checker.EVIDENCE
            assert set(checker.CHECKS.values()) <= set(CHECKS)

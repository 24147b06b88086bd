"""An audit's report as JSON: what is written is read back, and nothing else is."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import MalformedEvidenceError
from openpcc.audit import document
from openpcc.audit.report import (
    MAX_TEXT,
    MAX_VALUE,
    AuditKind,
    AuditReport,
    Extract,
    Finding,
    Outcome,
    Section,
    Verdict,
)

texts = st.text(max_size=40)
extracts = st.builds(
    Extract,
    part=texts,
    offset=st.integers(0, 2**40),
    field=texts,
    value=st.binary(max_size=40),
    size=st.integers(-1, 2**20),
)
ids = st.from_regex(r"[a-z0-9]{1,8}(?:[.-][a-z0-9]{1,8}){1,3}", fullmatch=True)
findings = st.builds(
    Finding,
    id=ids,
    outcome=st.sampled_from(Outcome),
    text=texts,
    required=st.booleans(),
    expected=st.none() | texts,
    actual=st.none() | texts,
    remedy=texts,
    extracts=st.lists(extracts, max_size=2).map(tuple),
)
facts = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
sections = st.builds(
    Section,
    name=texts,
    title=texts,
    findings=st.lists(findings, max_size=3).map(tuple),
    facts=st.dictionaries(texts, st.integers(0, 9) | texts, max_size=3),
)
reports = st.builds(
    AuditReport,
    kind=st.sampled_from(AuditKind),
    subject=texts,
    at=st.integers(0, 2**40),
    sections=st.lists(sections, max_size=3).map(tuple),
    simulated=st.booleans(),
)


def report(**changes: Any) -> AuditReport:
    finding = Finding(id="log.chain", outcome=Outcome.PASS, text="the chain has no gap")
    section = Section(name="chain", title="Chain", findings=(finding,))
    found = AuditReport(
        kind=AuditKind.LOG, subject="log.example/demo", at=1800000100, sections=(section,)
    )
    return replace(found, **changes)


@given(reports)
def test_what_is_written_is_read_back(value: AuditReport):
    assert document.parse(document.encode(value)) == value


@given(facts)
def test_facts_are_read_back(value: object):
    one = Section(name="a", title="A", facts={"fact": value})
    assert document.parse(document.encode(report(sections=(one,)))).sections == (one,)


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_give_a_report_or_this_packages_error(data: bytes):
    try:
        found = document.parse(data)
    except MalformedEvidenceError:
        return
    assert document.parse(document.encode(found)) == found


@pytest.mark.parametrize("outcome", Outcome)
def test_the_verdict_follows_from_the_findings(outcome: Outcome):
    finding = Finding(id="log.chain", outcome=outcome, text="t")
    found = report(sections=(Section(name="a", title="A", findings=(finding,)),))
    expected = {Outcome.FAIL: Verdict.FAIL, Outcome.SKIP: Verdict.INCOMPLETE}
    assert found.verdict is expected.get(outcome, Verdict.PASS)


def test_a_report_without_findings_is_incomplete():
    assert report(sections=()).verdict is Verdict.INCOMPLETE


def test_refuses_a_verdict_that_the_findings_do_not_give():
    value = document.to_json(report()) | {"verdict": "FAIL"}
    with pytest.raises(MalformedEvidenceError, match="its verdict is not what its findings give"):
        document.parse(json.dumps(value).encode())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 2),
        ("kind", "nonsense"),
        ("at", -1),
        ("at", 1.5),
        ("simulated", 1),
        ("subject", "x" * (MAX_TEXT + 1)),
        ("sections", {}),
        ("surprise", 1),
    ],
)
def test_refuses_another_spelling(key: str, value: object):
    changed = document.to_json(report()) | {key: value}
    with pytest.raises(MalformedEvidenceError):
        document.parse(json.dumps(changed).encode())


def test_refuses_a_fact_that_nobody_would_have_written():
    value = document.encode(report()).replace(b'"facts":{}', b'"facts":{"a":"%b"}' % (b"x" * 3000))
    with pytest.raises(MalformedEvidenceError, match="facts"):
        document.parse(value)


def test_a_long_text_is_cut_and_says_so():
    text = Finding(id="a.b", outcome=Outcome.PASS, text="x" * 10**6).text
    assert len(text) == MAX_TEXT
    assert text.endswith("… (1000000 characters in all)")


def test_of_a_long_value_the_beginning_is_kept_with_its_size():
    found = Extract(part="entry 0", offset=0, value=b"x" * 10**5)
    assert (len(found.value), found.size) == (MAX_VALUE, 10**5)


def test_half_a_surrogate_pair_is_replaced():
    assert (
        Finding(id="a.b", outcome=Outcome.PASS, text="a\ud800b").text
        == "a\N{REPLACEMENT CHARACTER}b"
    )


@pytest.mark.parametrize("value", [1.5, 2**53, b"x", {"a": {1.5}}, [[[[[[[[1]]]]]]]], [0] * 1000])
def test_refuses_a_fact_that_json_does_not_hold(value: object):
    with pytest.raises(ValueError, match="a fact of type"):
        Section(name="a", title="A", facts={"fact": value})


@pytest.mark.parametrize("name", ["", "log", "Log.chain", "log.", ".chain", "log chain", "a.b\n"])
def test_refuses_an_id_that_is_none(name: str):
    with pytest.raises(ValueError, match="not an id"):
        Finding(id=name, outcome=Outcome.PASS, text="t")

"""The published vectors of the protocol's standards hold, as far as they are at hand."""

from pathlib import Path

import pytest

from tests.conformance.report import Outcome
from tests.conformance.standards import ROOT, run

STANDARDS = ROOT / ".." / "shared" / "vectors" / "standards"

SETS = [
    "bhttp-rfc9292",
    "c2sp-tlog",
    "dsse-in-toto",
    "hpke-pq",
    "hpke-rfc9180",
    "jcs-rfc8785",
    "merkle-rfc6962",
    "ohttp-chunked",
    "ohttp-rfc9458",
    "privacypass-rfc9578",
    "rats",
    "rsabssa-rfc9474",
    "sealing",
    "sigstore-conformance",
    "wycheproof",
    "xwing",
]


def shared(name: str) -> Path:
    folder = STANDARDS / name
    if not folder.is_dir():
        pytest.skip("../shared is absent: optional published vectors")
    return folder


@pytest.mark.parametrize("name", SETS)
def test_every_case_of_the_set_holds(name):
    cases = list(run(shared(name)))
    failed = [f"{case.name}: {case.reason}" for case in cases if case.outcome is Outcome.FAILED]
    assert failed == []
    assert any(case.outcome is Outcome.PASSED for case in cases)


@pytest.mark.parametrize("name", ["openai-api", "pbrsa-draft"])
def test_sets_without_verdicts_do_not_apply(name):
    assert {case.outcome for case in run(shared(name))} == {Outcome.NOT_APPLICABLE}

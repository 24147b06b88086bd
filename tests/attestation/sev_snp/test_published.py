"""Published reports of real machines, under ../shared: read, and judged at their own time.

Every set of its kind is visited, and every value its index gives is compared. The names of its
checks are those of the sets' own format page; what they mean here stands in `rules`.
"""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from attestation.certificates import Certificate, check_issued, parse_certificate
from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.parts import read_parts
from attestation.policy import AppraisalPolicy
from attestation.sev_snp.endorsements import (
    check_chip_id,
    check_leaf_kind,
    check_tcb,
    hardware_id,
)
from attestation.sev_snp.evidence import Policy, Report, check_signature
from attestation.sev_snp.fields import fields
from tests.fakes.amd import Amd

SHARED = Path(__file__).resolve().parents[4] / "shared" / "vectors"
POLICY = AppraisalPolicy(platforms=("sev-snp",), optional=frozenset({"2.recency"}))
ORDER = ("report", "leaf", "intermediates", "root", "crl")
MISSING = frozenset({"2.revocation", "2.floors", "2.recency"})
"""Checks that are not applicable where a case has no list."""


def found() -> Iterator[Any]:
    for index in sorted(SHARED.glob("**/INDEX.json")):
        listed = json.loads(index.read_bytes())
        if listed.get("kind") == "sev-snp":
            for case in listed["cases"]:
                yield pytest.param(index.parent, case, id=case["id"])


CASES = list(found()) or [
    pytest.param(None, {}, marks=pytest.mark.skip(reason="../shared is absent"))
]


def read(folder: Path, case: dict[str, Any]) -> list[tuple[str, bytes]]:
    files = case["files"]
    paths = {name: [files[name]] if isinstance(files[name], str) else files[name] for name in files}
    return [(name, (folder / path).read_bytes()) for name in ORDER for path in paths.get(name, ())]


def holds(rule: Callable[[], object]) -> bool:
    try:
        rule()
    except (AppraisalError, MalformedEvidenceError):
        return False
    return True


def check_chain(chain: list[Certificate]) -> None:
    for certificate, issuer in pairwise(chain):
        check_issued(certificate, issuer)


def off(policy: int) -> None:
    if policy & Policy.DEBUG:
        raise AppraisalError("debug", expected="off", actual="on")


def rules(report: Report, chain: list[Certificate]) -> dict[str, bool | None]:
    """Give how each rule ends; None where what it is about is missing."""
    results: dict[str, bool | None] = {"not_debug": holds(partial(off, report.policy))}
    if not chain:
        return results
    leaf = chain[0]
    key = leaf.public_key
    results["report_signature"] = holds(lambda: check_signature(report, key, signer="leaf"))
    results["chain"] = holds(lambda: check_chain(chain))
    results["tcb_matches_leaf"] = holds(lambda: check_tcb(report, leaf))
    results["leaf_kind_matches"] = holds(lambda: check_leaf_kind(report, leaf))
    has_chip = hardware_id(leaf) is not None
    results["chip_id_matches_leaf"] = (
        holds(lambda: check_chip_id(report, leaf)) if has_chip else None
    )
    return results


@pytest.mark.parametrize(("folder", "case"), CASES)
def test_published_evidence_is_judged_as_published(folder: Path, case: dict[str, Any]):
    files, expected = read(folder, case), case["expected"]
    parts = read_parts("sev-snp", files)
    now = int(datetime.fromisoformat(case["at"]).timestamp())
    outcomes = Amd().appraise(parts.quote, parts.endorsements, now=now, policy=POLICY)[1]
    lists = any(name == "crl" for name, _ in files)
    judged = {name for name in outcomes if lists or name not in MISSING}
    judged -= {"2.recency", "2.collateral"}
    accepted = all(outcomes[name] == "PASS" for name in judged)
    assert accepted == (expected["verdict"] == "valid")

    certificates = [parse_certificate(data) for name, data in files if name in ORDER[1:4]]
    false = [name for name, value in expected.get("checks", {}).items() if value is False]
    try:
        report = Report.parse(parts.quote)
    except MalformedEvidenceError:
        assert expected.get("parse_error") or false == ["report_signature"]
        return
    shown = fields(report, case["product"])
    assert {name: shown.get(name) for name in case["fields"]} == case["fields"]
    results = rules(report, certificates)
    if certificates:
        results["openssl_chain"] = outcomes["2.chain"] == "PASS"
    if lists:
        results["crl_signature"] = outcomes["2.revocation"] != "SKIP"
        results["not_revoked"] = outcomes["2.revocation"] != "FAIL"
    checks = expected["checks"]
    assert {name: results.get(name) for name in checks} == checks


@pytest.mark.parametrize(("folder", "case"), CASES)
def test_no_byte_of_a_published_report_is_free_to_change(folder: Path, case: dict[str, Any]):
    if case["expected"]["verdict"] != "valid" or str(case["report_version"]) != "5":
        return
    files = read(folder, case)
    quote, leaf = bytearray(files[0][1]), parse_certificate(files[1][1])
    free = []
    for offset in range(len(quote)):
        quote[offset] ^= 0x80
        if holds(lambda: check_signature(Report.parse(bytes(quote)), leaf.public_key, signer="")):
            free.append(hex(offset))
        quote[offset] ^= 0x80
    assert free == []

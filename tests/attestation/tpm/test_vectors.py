"""Published evidence of TPMs, under ../shared: read, and judged by single rules and as a whole.

The whole comparison is the evidence runner's (tests/conformance); here stands what only a platform
can say about it.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from attestation.anchors import VENDOR_ROOTS, anchors_of
from attestation.certificates import parse_certificate
from attestation.checks import Outcome
from attestation.parts import read_parts
from attestation.policy import AppraisalPolicy
from attestation.tpm.endorsements import ANCHORS, check_ak_chain
from attestation.tpm.hcl import HardwareType, HclReport
from attestation.verifier import Appraisal, verify_parts

SHARED = Path(__file__).resolve().parents[4] / "shared" / "vectors"
OF_A_PLATFORM = {"hcl_report", "td_quote", "quote_message", "quote_signature", "pcrs"} | {
    "leaf", "intermediates", "root"}  # fmt: skip


def found() -> Iterator[Any]:
    for index in sorted(SHARED.glob("**/INDEX.json")):
        listed = json.loads(index.read_bytes())
        if listed.get("kind") == "tpm":
            for case in listed["cases"]:
                yield pytest.param(index.parent, case, id=case["id"])


CASES = list(found()) or [
    pytest.param(None, {}, marks=pytest.mark.skip(reason="../shared is absent"))
]


def read(folder: Path, case: dict[str, Any], name: str) -> list[bytes]:
    paths = case["files"].get(name, [])
    return [(folder / one).read_bytes() for one in ([paths] if isinstance(paths, str) else paths)]


def judge(folder: Path, case: dict[str, Any]) -> Appraisal:
    """Judge an Azure guest's files under the vendors' own roots."""
    hcl = HclReport.parse(read(folder, case, "hcl_report")[0])
    platform = "sev-snp-vtpm" if hcl.report_type is HardwareType.SNP else "tdx-vtpm"
    files = [(name, data) for name in case["files"] for data in read(folder, case, name)]
    parts = read_parts(platform, files)
    now = int(datetime.fromisoformat(case["at"]).timestamp())
    policy = AppraisalPolicy(platforms=(platform,), optional=frozenset({"2.recency"}))
    return verify_parts(parts.platform, parts.quote, parts.endorsements, now=now, policy=policy)


@pytest.mark.parametrize(("folder", "case"), CASES)
def test_azure_guests_are_judged_as_published(folder: Path, case: dict[str, Any]):
    if "hcl_report" not in case["files"] or not set(case["files"]) <= OF_A_PLATFORM:
        return
    appraisal = judge(folder, case)
    outcome = {check.id: check.outcome for check in appraisal.checks}
    valid = case["expected"]["verdict"] == "valid"
    asked = ("2.signature", "2.chain", "2.identity")
    judged = [name for name in asked if outcome[name] is not Outcome.SKIP]
    assert valid == all(outcome[name] is Outcome.PASS for name in judged)
    checks = case["expected"]["checks"]
    if not (checks["quote_signature"] and checks["pcr_digest"]):
        assert outcome["2.signature"] is Outcome.FAIL
    if not checks["report_data_binds_runtime"]:
        assert outcome["2.identity"] is Outcome.FAIL


@pytest.mark.parametrize(("folder", "case"), CASES)
def test_no_published_evidence_is_of_a_guest_of_ours(folder: Path, case: dict[str, Any]):
    """They quote the SHA-256 bank, so authentic as they are, they say too little."""
    if "hcl_report" not in case["files"] or not set(case["files"]) <= OF_A_PLATFORM:
        return
    appraisal = judge(folder, case)
    assert not appraisal.accepted
    guest = next(check for check in appraisal.checks if check.id == "8.guest")
    assert guest.outcome is Outcome.FAIL
    banks = {one["alg"] for one in case["fields"]["quote"]["selection"]}
    assert banks == {"0xc"} or "PCRs of SHA384" in guest.refusal


@pytest.mark.parametrize(("folder", "case"), CASES)
def test_a_clouds_chain_leads_to_a_pinned_root(folder: Path, case: dict[str, Any]):
    if "ak_cert" not in case["files"] or case["expected"]["verdict"] != "valid":
        return
    names = ("ak_cert", "intermediates", "root")
    chain = [parse_certificate(data) for name in names for data in read(folder, case, name)]
    now = int(datetime.fromisoformat(case["at"]).timestamp())
    policy = AppraisalPolicy(platforms=("sev-snp-vtpm",))
    check_ak_chain(chain, anchors=anchors_of(ANCHORS, policy), now=now)


def test_clouds_pin_roots_under_a_name_of_their_own():
    assert [one.name for one in VENDOR_ROOTS if one.platform == ANCHORS] == [
        "Azure Virtual TPM Root Certificate Authority 2023",
        "EK/AK CA Root",
    ]

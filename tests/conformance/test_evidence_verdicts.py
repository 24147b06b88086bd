"""Verdicts of the evidence runner, on evidence in which one thing is broken or missing."""

import pytest

from attestation.sev_snp.evidence import Policy
from tests.conformance.made_up import (
    SNP_CHECKS,
    change,
    expect,
    no_fields,
    reasons,
    snp_files,
    snp_set,
    tdx_set,
    without,
)
from tests.fakes import amd, intel, intel_parts

UP_TO_DATE = {
    "platform": "UpToDate",
    "platform_date": "2026-11-13T00:00:00Z",
    "advisory_ids": [],
    "module": "UpToDate",
}


@pytest.fixture(scope="module")
def genoa() -> amd.Amd:
    return amd.Amd("Genoa")


def quote_files(**quote):
    vendor = intel.intel()
    return {"quote": vendor.quote(**quote), "collateral": vendor.collateral()}


def test_a_report_without_leaf_is_unknown(tmp_path, genoa):
    files = snp_files(genoa, genoa.vcek())
    checks = {**dict.fromkeys(SNP_CHECKS), "crl_signature": True, "not_revoked": True}
    checks["not_debug"] = True
    folder = snp_set(tmp_path / "a", files, verdict="unknown", checks=checks)
    assert change(folder, without("leaf")) == []


def test_a_report_without_root_is_unknown(tmp_path, genoa):
    files = snp_files(genoa, genoa.vcek())
    checks = dict.fromkeys(("chain", "openssl_chain", "crl_signature"))
    folder = snp_set(tmp_path / "a", files, verdict="unknown", checks=checks)
    assert change(folder, without("root")) == []


def test_what_is_broken_without_a_root_is_invalid_all_the_same(tmp_path, genoa):
    files = snp_files(genoa, genoa.vcek(), after={0x50: b"other"})
    checks = {
        "report_signature": False,
        "chain": None,
        "openssl_chain": None,
        "crl_signature": None,
    }
    no_root = snp_set(tmp_path / "a", files, verdict="invalid", checks=checks)
    assert change(no_root, without("root")) == []


@pytest.mark.parametrize(
    ("changes", "checks"),
    [
        ({"after": {0x90: b"other"}}, {"report_signature": False}),
        ({"chip_id": b"c" * 64}, {"chip_id_matches_leaf": False}),
        ({"signer_info": 1 << 2}, {"leaf_kind_matches": False}),
        ({"before": {0x187: b"\1"}}, {"tcb_matches_leaf": False}),
    ],
)
def test_a_report_that_is_not_of_its_leaf_is_invalid(tmp_path, genoa, changes, checks):
    files = snp_files(genoa, genoa.vcek(), **changes)
    assert reasons(snp_set(tmp_path / "a", files, verdict="invalid", checks=checks)) == []
    assert reasons(snp_set(tmp_path / "b", files, verdict="valid", checks=checks)) != []


def test_dates_of_a_list_are_left_aside_and_its_signature_is_not(tmp_path, genoa):
    files = snp_files(genoa, genoa.vcek())
    old = {**files, "crl": genoa.crl(this_update=amd.NOW - 900, next_update=amd.NOW - 800)}
    assert reasons(snp_set(tmp_path / "a", old)) == []
    forged = {**files, "crl": genoa.crl(key=amd.rsa_key("nobody", 2048))}
    checks = {"crl_signature": False}
    assert reasons(snp_set(tmp_path / "b", forged, verdict="invalid", checks=checks)) == []
    revoked = {**files, "crl": genoa.crl(revoked=(genoa.ask.serial,))}
    checks = {"not_revoked": False}
    assert reasons(snp_set(tmp_path / "c", revoked, verdict="invalid", checks=checks)) == []


def test_dates_of_certificates_count(tmp_path, genoa):
    files = snp_files(genoa, genoa.vcek(not_after=amd.NOW - 1))
    checks = {"openssl_chain": False}
    assert reasons(snp_set(tmp_path / "a", files, verdict="invalid", checks=checks)) == []


def test_debug_is_refused_by_the_default_policy_alone(tmp_path, genoa):
    policy = Policy.ALWAYS_ONE | Policy.DEBUG
    files = snp_files(genoa, genoa.vcek(), policy=policy)
    debug = "invalid: debug is allowed"
    checks = {"not_debug": False}
    folder = snp_set(tmp_path / "a", files, checks=checks, policy_default=debug)
    assert change(folder, lambda _i, c: c["fields"].update(policy_debug=True)) == []


def test_a_host_key_names_no_chip(tmp_path, genoa):
    files = snp_files(genoa, genoa.vlek())
    assert reasons(snp_set(tmp_path / "a", files, checks={"chip_id_matches_leaf": None})) == []


def test_bytes_that_break_the_format_pass_where_only_the_signature_was_altered(tmp_path, genoa):
    files = snp_files(genoa, genoa.vcek(), after={0x330: b"x"})
    folder = snp_set(tmp_path / "a", files, verdict="invalid", checks={"report_signature": False})
    assert reasons(folder) == []
    for checks in ({}, {"report_signature": False, "chain": False}):
        whole = {**dict.fromkeys(("report_signature", "chain"), True), **checks}
        (found,) = change(folder, expect(checks=whole))
        assert "does not parse" in found
    valid = {"report_signature": False}
    (found,) = change(folder, expect(checks=valid, verdict="valid"))
    assert "does not parse" in found


def test_a_parse_error_must_be_one_and_is_invalid(tmp_path, genoa):
    files = {**snp_files(genoa, genoa.vcek()), "report": b"short"}
    folder = snp_set(tmp_path / "a", files, verdict="invalid", parse_error=True)
    assert change(folder, no_fields) == []
    for verdict in ("valid", "unknown"):
        assert change(folder, expect(verdict=verdict)) == [
            f"MismatchError: verdict: expected {verdict}, found invalid"
        ]


def test_what_may_parse_may_be_refused_later(tmp_path, genoa):
    files = snp_files(genoa, genoa.vcek(), after={0x50: b"other"})
    folder = snp_set(tmp_path / "a", files, verdict="invalid", parse_error=True, may_parse=True)
    assert change(folder, no_fields) == []


def test_a_quote_is_judged_with_its_collateral(tmp_path):
    folder = tdx_set(tmp_path / "a", quote_files(), tcb=UP_TO_DATE)
    assert reasons(folder) == []
    for name in UP_TO_DATE:
        less = {key: value for key, value in UP_TO_DATE.items() if key != name}
        for wrong in (less, {**UP_TO_DATE, name: "Revoked"}):
            (found,) = change(folder, expect(tcb=wrong))
            assert "tcb" in found


def test_a_quote_without_collateral_is_valid_and_without_a_chain_unknown(tmp_path):
    vendor = intel.intel()
    assert reasons(tdx_set(tmp_path / "a", {"quote": vendor.quote()})) == []
    bare = {"quote": vendor.quote(certificates=b"")}
    checks = {"quote_signature": True, "chain": None}
    folder = tdx_set(tmp_path / "b", bare, verdict="unknown", checks=checks)
    assert change(folder, lambda _i, c: c["fields"].pop("fmspc")) == []


@pytest.mark.parametrize(
    "collateral",
    [
        {"after": {"tcb_info_signature": "00" * 64}},
        {"after": {"qe_identity_signature": "00" * 64}},
        {"tcb_info": {"fmspc": "00906ED50000"}},
        {"tcb_info": {"nextUpdate": "2020-01-01T00:00:00Z"}},
        {"qe_identity": {"mrsigner": "00" * 32}},
        {"after": {"pck_crl": "3000"}},
    ],
)
def test_a_quote_whose_collateral_does_not_hold_is_invalid(tmp_path, collateral):
    files = {**quote_files(), "collateral": intel.intel().collateral(**collateral)}
    assert reasons(tdx_set(tmp_path / "a", files, verdict="invalid")) == []
    assert reasons(tdx_set(tmp_path / "b", files, verdict="valid")) != []


def test_a_revoked_machine_is_invalid(tmp_path):
    vendor = intel.intel()
    lists = intel_parts.crl(vendor.platform_ca, revoked=(vendor.machine.certificate.serial_number,))
    files = {**quote_files(), "collateral": vendor.collateral(after={"pck_crl": lists.hex()})}
    assert reasons(tdx_set(tmp_path / "a", files, verdict="invalid")) == []


def test_an_old_status_is_refused_by_the_default_policy_alone(tmp_path):
    files = quote_files(body={"tee_tcb_svn": bytes((1, 1, 4, *(0,) * 13))})
    tcb = {**UP_TO_DATE, "module": "OutOfDate"}
    refused = "invalid under a policy that accepts only UpToDate: UpToDate, OutOfDate"
    assert reasons(tdx_set(tmp_path / "a", files, tcb=tcb, policy_default=refused)) == []


def test_a_root_that_is_not_the_quotes_is_not_trusted(tmp_path):
    other = intel.Intel()
    folder = tdx_set(
        tmp_path / "a",
        {"quote": other.quote()},
        verdict="invalid",
        checks={"root_is_intel": False, "openssl_chain": False, "chain": True},
    )
    assert reasons(folder) == []

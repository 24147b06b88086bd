"""docs/attestation.md names every field a quote has, and every check that judges it."""

import dataclasses
from pathlib import Path

import pytest

from attestation.checks import CHECKS, OF_A_QUOTE
from attestation.policy import AppraisalPolicy
from attestation.sev_snp.evidence import NAMES
from attestation.sev_snp.explain import CHECKED
from attestation.tdx.layout import EnclaveReport, Header, TdReport15

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "attestation.md").read_text()
SNP, TDX = PAGE.split("## AMD SEV-SNP")[1].split("## Intel TDX")


def row_of(field: str, part: str = PAGE) -> str:
    rows = [line for line in part.splitlines() if line.startswith("| ")]
    found = [row for row in rows if field in row.split("|")[1].replace(",", " ").split()]
    assert len(found) == 1, f"{field} has {len(found)} rows"
    return found[0]


def test_every_check_of_a_quote_has_a_row():
    for check in OF_A_QUOTE:
        if check != "9.platform":
            assert row_of(check)
    for word in PAGE.replace(",", " ").split():
        assert not (word[:2] in {f"{n}." for n in range(1, 10)} and word[2:].isalpha()) or (
            word in CHECKS
        )


@pytest.mark.parametrize("field", [*NAMES])
def test_every_field_of_an_snp_report_is_explained(field: str):
    row = row_of(field, SNP)
    for check, fields in CHECKED.items():
        if field in fields and field != "signature_algo":
            assert check in row


@pytest.mark.parametrize("field", [one.name for one in TdReport15.table()])
def test_every_field_of_a_td_report_is_explained(field: str):
    assert row_of(field, TDX)


def test_header_and_enclave_fields_are_told():
    told = TDX.split("## Policy")[0]
    for table in (Header.table(), EnclaveReport.table()):
        for one in table:
            if not one.name.startswith(("reserved", "cpu_svn", "mr_enclave")):
                assert one.name in told


def test_every_key_of_the_policy_has_a_row():
    policy = PAGE.split("## Policy")[1]
    for field in dataclasses.fields(AppraisalPolicy):
        assert f"| {field.name}" in policy or f".{field.name}" in policy

"""docs/attestation.md names every field that evidence has, and every check that judges it."""

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

from attestation.checks import CHECKS, OF_A_QUOTE
from attestation.nvidia import authenticate, endorsements, rim_id, topology
from attestation.nvidia.evidence import Opaque
from attestation.nvidia.evidence import Report as DeviceReport
from attestation.parts import KINDS
from attestation.policy import AppraisalPolicy
from attestation.sev_snp.evidence import NAMES
from attestation.sev_snp.explain import CHECKED
from attestation.tcg_log import Bank
from attestation.tdx.layout import EnclaveReport, Header, TdReport15
from attestation.tpm.azure import HCL_INDEX
from attestation.tpm.collect import AGENT_PCR
from attestation.tpm.document import TpmQuote
from attestation.tpm.evidence import GENERATED, PCRS, QUOTE, Attest, Selection
from attestation.tpm.hcl import HARDWARE_SIZE, HEADER, RUNTIME_OFFSET, HclReport, Runtime
from attestation.tpm.pcrs import DYNAMIC

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "attestation.md").read_text()
PARTS = {
    part.partition("\n")[0]: part.partition("\n")[2]
    for part in re.split(r"^##+ ", PAGE, flags=re.M)
}
QUOTES, DEVICES = PARTS["The checks of a quote"], PARTS["The checks of devices"]
SNP, TDX = PARTS["AMD SEV-SNP"], PARTS["Intel TDX"]
NVIDIA, VTPM = PARTS["NVIDIA GPUs and switches"], PARTS["Virtual TPMs"]
DOCUMENT, MESSAGE, AZURE = (
    PARTS[name] for name in ("The document", "The message", "Azure's report")
)
ATTEST = Attest(
    qualified_signer=b"\x11" * 34,
    extra_data=b"\x22" * 32,
    clock=0x3333333333333333,
    reset_count=0x44444444,
    restart_count=0x55555555,
    safe=True,
    firmware_version=0x6666666666666666,
    selections=(Selection.of(Bank.SHA384, tuple(range(PCRS))),),
    pcr_digest=b"\x77" * 48,
)
"""A message of the sizes that the page's offsets are for, every field recognisable."""


def row_of(field: str, part: str = PAGE) -> str:
    rows = [line for line in part.splitlines() if line.startswith("| ")]
    found = [row for row in rows if field in row.split("|")[1].replace(",", " ").split()]
    assert len(found) == 1, f"{field} has {len(found)} rows"
    return found[0]


def cell_of(field: str, part: str, column: int) -> str:
    return row_of(field, part).split("|")[column].strip()


def place_in(field: str, part: str) -> int:
    """Give the offset of a field; one row may have several fields, and as many offsets."""
    names, offsets = (cell_of(field, part, column).split(", ") for column in (1, 2))
    return int(offsets[names.index(field)].removesuffix("h"), 16)


def test_every_check_of_a_quote_has_a_row():
    for check in OF_A_QUOTE:
        if check != "9.platform":
            assert row_of(check, QUOTES)
    for word in PAGE.replace(",", " ").split():
        assert not (word[:2] in {f"{n}." for n in range(1, 10)} and word[2:].isalpha()) or (
            word in CHECKS
        )


def test_every_command_names_the_files_of_its_kind():
    commands = re.findall(r"^    openpcc verify evidence --kind (\S+) (.*)$", PAGE, re.M)
    for kind, rest in commands:
        KINDS[kind].check_names(re.findall(r"--file ([a-z_]+)=", rest))
    assert len(commands) == 6


def test_every_check_of_devices_has_a_row():
    for check in CHECKS:
        if check.startswith("6."):
            assert row_of(check, DEVICES)


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
    for table in (Header.table(), EnclaveReport.table()):
        for one in table:
            if not one.name.startswith(("reserved", "cpu_svn", "mr_enclave")):
                assert one.name in TDX


@pytest.mark.parametrize(
    "field", [one.name for one in dataclasses.fields(DeviceReport) if one.name != "signed"]
)
def test_every_field_of_a_device_report_is_explained(field: str):
    assert row_of(field, NVIDIA)


@pytest.mark.parametrize("kind", Opaque, ids=lambda kind: kind.name)
def test_opaque_data_has_its_type_and_is_judged_where_the_page_says(kind: Opaque):
    names, types = (cell_of(kind.name, NVIDIA, column).split(", ") for column in (1, 2))
    assert int(types[names.index(kind.name)]) == kind
    judging = (authenticate, endorsements, rim_id, topology, DeviceReport)
    judged = any(re.search(rf"Opaque\.{kind.name}\b", inspect.getsource(one)) for one in judging)
    assert judged == (cell_of(kind.name, NVIDIA, 3) in CHECKS)
    assert judged != (cell_of(kind.name, NVIDIA, 3) == "nobody")


def test_the_page_says_of_no_opaque_type_what_the_parser_does_not_read():
    rows = NVIDIA.partition("| name | type |")[2].partition("\n\n")[0].splitlines()[2:]
    told = {int(kind) for row in rows for kind in row.split("|")[2].split(",")}
    assert told == set(Opaque)
    assert 26 not in told


def test_every_check_that_a_tpm_adds_to_has_a_row():
    rows = re.findall(r"^\| ([2-9]\.[a-z]+) \|", VTPM, re.M)
    assert rows == [check for check in CHECKS if check in rows]
    hardware = {check for check in OF_A_QUOTE if check.startswith("2.")} - set(rows)
    alone = next(one for one in VTPM.split("\n\n") if "are the hardware's alone" in one)
    assert all(check in alone for check in hardware)
    assert not any(check in alone for check in rows)


@pytest.mark.parametrize(
    ("kind", "part"), [(TpmQuote, DOCUMENT), (Attest, MESSAGE), (HclReport, AZURE)]
)
def test_every_field_of_a_tpm_quote_is_explained(kind: type, part: str):
    for field in dataclasses.fields(kind):
        assert row_of(field.name, part)


def test_every_member_of_runtime_data_is_told():
    for field in dataclasses.fields(Runtime):
        assert field.name in row_of("runtime", AZURE)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("qualified_signer", ATTEST.qualified_signer),
        ("extra_data", ATTEST.extra_data),
        ("clock", b"\x33" * 8),
        ("reset_count", b"\x44" * 4),
        ("restart_count", b"\x55" * 4),
        ("safe", b"\x01"),
        ("firmware_version", b"\x66" * 8),
        ("selections", bytes.fromhex("00000001000c03ffffff")),
        ("pcr_digest", ATTEST.pcr_digest),
    ],
)
def test_fields_of_a_quote_message_lie_where_the_page_says(field: str, value: bytes):
    assert ATTEST.encode()[place_in(field, MESSAGE) :].startswith(value)


def test_azures_report_lies_as_the_page_says():
    assert place_in("hardware", AZURE) == HEADER.size
    assert str(HARDWARE_SIZE) in row_of("hardware", AZURE)
    assert place_in("runtime_data", AZURE) == RUNTIME_OFFSET
    assert f"{HCL_INDEX:08X}h" in AZURE


def test_numbers_of_tpms_are_those_of_the_code():
    assert f"{GENERATED:08X}h" in MESSAGE
    assert f"{QUOTE:04X}h" in MESSAGE
    assert f"PCR 0 to {PCRS - 1} of SHA-384" in VTPM
    assert f"(PCR {AGENT_PCR})" in row_of("8.eventlog", VTPM)
    assert f"{min(DYNAMIC)} to {max(DYNAMIC)}" in PARTS["What it rests on"]


def test_every_key_of_the_policy_has_a_row():
    policy = PAGE.split("## Policy")[1]
    for field in dataclasses.fields(AppraisalPolicy):
        assert f"| {field.name}" in policy or f".{field.name}" in policy

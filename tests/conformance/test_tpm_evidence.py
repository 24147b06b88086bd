"""Sets of kind `tpm`: each part is judged where it is there, and its breaking is found."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.made_up import change, expect, make_set, moment, without
from tests.fakes import amd, intel, tcg, tpm
from tests.fakes.real_bundles import amd as genoa
from tests.fakes.tpm import cloud, ec_ak, hcl_report, message, pcr_values, rsa_ak, runtime_data

EVENTS = ((0, b"firmware"), (11, b"kernel"), (14, b"more"))
BANKS = (tcg.SHA256, tcg.SHA384)
AZURE = ("report_data_binds_runtime", "snp_signature", "snp_chain", "openssl_chain",
         "chip_id_matches_leaf", "quote_signature", "pcr_digest")  # fmt: skip
CERTIFIED = {"ak_chain": True, "openssl_chain": True}
QUOTED = {"quote_signature": True, "pcr_digest": True}


def event_log() -> bytes:
    records = (tcg.record(pcr, data, banks=BANKS) for pcr, data in EVENTS)
    return b"".join((tcg.header(BANKS), *records))


def pcrs(**changes: bytes) -> dict[int, bytes]:
    named = {f"pcr{pcr}": tcg.replayed("sha384", data) for pcr, data in EVENTS}
    return pcr_values(tpm.SHA384, **{**named, **changes})


def written(values: dict[int, bytes]) -> bytes:
    other = {str(pcr): value.hex() for pcr, value in pcr_values(tpm.SHA256).items()}
    return json.dumps(
        {"sha384": {str(pcr): value.hex() for pcr, value in values.items()}, "sha256": other}
    ).encode()


def quote_files(ak: tpm.Ak, *, key: bool = True, **changes: Any) -> dict[str, bytes]:
    signed = message(pcrs(), **changes)
    files = {"quote_message": signed, "quote_signature": ak.sign(signed), "pcrs": written(pcrs())}
    return files | ({"ak_public": ak.tpmt()} if key else {})


def azure_files(ak: tpm.Ak | None = None, **report: Any) -> dict[str, bytes]:
    data = runtime_data(rsa_ak())
    chip = genoa().vcek()
    fields = {"report_data": tpm.runtime_report_data(data), **report}
    chain = dict(zip(("leaf", "intermediates", "root"), chip.chain, strict=True))
    hcl = hcl_report(genoa().report(chip, **fields), data)
    return {"hcl_report": hcl, **quote_files(ak or rsa_ak(), key=False), **chain}


def write(
    folder: Path,
    files: dict[str, bytes],
    checks: Mapping[str, bool | None],
    *,
    verdict: str = "valid",
    fields: dict[str, Any] | None = None,
    at: int = amd.NOW,
) -> Path:
    """Write a set of one case. Its index lists a root, the case's own if it has one."""
    case = {
        "checker": "tpm",
        "at": moment(at),
        "fields": fields or {},
        "expected": {"verdict": verdict, "checks": dict(checks)},
    }
    rooted = "root" in files
    made = make_set(folder, files if rooted else {**files, "root": cloud().root}, case, kind="tpm")
    if not rooted:
        change(made, without("root"))
    return made


def found(folder: Path) -> list[str]:
    return change(folder, lambda _index, _case: None)


def test_an_azure_guest_is_judged_whole(tmp_path):
    fields = {
        "hcl": {"magic": "HCLA", "version": 2, "report_type": "SNP", "hash_type": "SHA256"},
        "runtime_key_ids": ["HCLAkPub", "HCLEkPub"],
        "snp": {"vmpl": 0},
        "quote": {"extra_data": b"challenge".hex(), "firmware_version": "2020031200120003"},
    }
    folder = write(tmp_path / "a", azure_files(), dict.fromkeys(AZURE, True), fields=fields)
    assert found(folder) == []
    assert change(folder, expect(verdict="invalid")) == [
        "MismatchError: verdict: expected invalid, found valid"
    ]


@pytest.mark.parametrize(
    ("files", "false"),
    [
        (azure_files(rsa_ak("another VM's")), "quote_signature"),
        (azure_files(report_data=bytes(64)), "report_data_binds_runtime"),
        (azure_files(after={0x90: b"x"}), "snp_signature"),
        (azure_files() | {"pcrs": written(pcrs(pcr8=bytes(47) + b"x"))}, "pcr_digest"),
        (azure_files() | {"intermediates": amd.Amd("Milan").ask.der}, "snp_chain"),
    ],
)
def test_one_thing_broken_is_found(tmp_path, files, false):
    checks: dict[str, bool | None] = {**dict.fromkeys(AZURE, True), false: False}
    if false == "snp_chain":
        checks["openssl_chain"] = False
    assert found(write(tmp_path / "a", files, checks, verdict="invalid")) == []


def test_a_root_that_nobody_lists_counts_for_nothing(tmp_path):
    folder = write(tmp_path / "a", azure_files(), dict.fromkeys(AZURE, True), verdict="invalid")

    def unlist(index: dict[str, Any], _case: dict[str, Any]) -> None:
        index["certificates"] = []

    assert change(folder, unlist) == []


@pytest.mark.parametrize("ak", [rsa_ak(), ec_ak()])
def test_a_quote_with_its_key_is_judged(tmp_path, ak):
    assert found(write(tmp_path / "a", quote_files(ak), QUOTED)) == []
    spelled = {**quote_files(ak), "ak_public": ak.spki}
    assert found(write(tmp_path / "b", spelled, QUOTED)) == []


def test_a_quote_without_key_is_unknown(tmp_path):
    files = quote_files(rsa_ak(), key=False)
    checks: Mapping[str, bool | None] = {"quote_signature": None, "pcr_digest": True}
    assert found(write(tmp_path / "a", files, checks, verdict="unknown")) == []
    del files["quote_signature"]
    assert found(write(tmp_path / "b", files, checks, verdict="unknown")) == []


def test_what_follows_a_message_is_reported_and_not_signed(tmp_path):
    files = quote_files(rsa_ak())
    length = len(files["quote_message"])
    files["quote_message"] += bytes(8)
    assert found(write(tmp_path / "a", files, QUOTED, fields={"quote": {"length": length}})) == []


def test_a_certified_ak_is_judged(tmp_path):
    certificates = cloud().chain(rsa_ak()).split(b"-----END CERTIFICATE-----\n")[:3]
    chain = [one + b"-----END CERTIFICATE-----\n" for one in certificates]
    files = dict(zip(("ak_cert", "intermediates", "root"), chain, strict=True))
    subject = {"ak_cert_subject": "CN=vm.example,O=throw-away AMD"}
    assert found(write(tmp_path / "a", files, CERTIFIED, fields=subject)) == []
    whole = files | quote_files(rsa_ak(), key=False)
    assert found(write(tmp_path / "b", whole, CERTIFIED | QUOTED)) == []
    late = amd.NOW + 31 * amd.DAY
    checks: Mapping[str, bool | None] = {"ak_chain": True, "openssl_chain": False}
    assert found(write(tmp_path / "c", files, checks, verdict="invalid", at=late)) == []


def test_a_log_must_lead_to_the_quoted_values_and_alone_proves_nothing(tmp_path):
    fields = {
        "event_log": {"events": 4},
        "event_log_matches": ["sha384:14", "sha384:0", "sha384:11"],
        "event_log_mismatches": ["sha256:0", "sha256:14", "sha256:11"],
    }
    files = {**quote_files(rsa_ak()), "event_log": event_log()}
    folder = write(tmp_path / "a", files, QUOTED, verdict="invalid", fields=fields)
    assert found(folder) == []
    only = {"sha384": {str(pcr): value.hex() for pcr, value in pcrs().items()}}
    files["pcrs"] = json.dumps(only).encode()
    good = {**fields, "event_log_mismatches": []}
    assert found(write(tmp_path / "b", files, QUOTED, fields=good)) == []
    alone = {"event_log": event_log()}
    assert found(write(tmp_path / "c", alone, {}, verdict="unknown")) == []


def test_a_register_that_is_not_listed_is_missed(tmp_path):
    files = {**quote_files(rsa_ak()), "event_log": event_log()}
    folder = write(tmp_path / "a", files, QUOTED, verdict="invalid",
                   fields={"event_log_matches": ["sha384:0", "sha384:11"]})  # fmt: skip
    assert "event_log_matches: expected" in found(folder)[0]


def test_a_td_quote_must_be_over_the_runtime_data(tmp_path):
    data = runtime_data(rsa_ak())
    binds = tpm.runtime_report_data(data)
    hcl = hcl_report(tpm.td_report(binds), data, kind=tpm.TDX)
    for name, report_data in (("a", binds), ("b", bytes(64))):
        quote = intel.intel().quote(body={"report_data": report_data})
        files = {"hcl_report": hcl, "td_quote": quote, **quote_files(rsa_ak(), key=False)}
        holds = report_data == binds
        checks: Mapping[str, bool | None] = {
            **QUOTED,
            "report_data_binds_runtime": True,
            "td_quote_binds_runtime": holds,
            "td_quote_signature": True,
            "snp_signature": None,
        }
        verdict = "valid" if holds else "invalid"
        fields = {"tdx": {"tee_type": "0x81"}}
        assert found(write(tmp_path / name, files, checks, verdict=verdict, fields=fields)) == []


@pytest.mark.parametrize("name", ["hcl_report", "quote_message", "quote_signature", "pcrs"])
def test_what_does_not_parse_must_be_expected_not_to(tmp_path, name):
    files = azure_files() | {name: b"no"}
    folder = write(tmp_path / "a", files, {}, verdict="invalid")
    assert "does not parse" in found(folder)[0]

    def refused(_index: dict[str, Any], case: dict[str, Any]) -> None:
        case["expected"]["parse_error"] = True
        del case["fields"]

    assert change(folder, refused) == []

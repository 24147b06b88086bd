"""The checker of hardware evidence compares what is listed, and nothing it was not told."""

import json
import shutil
from pathlib import Path

import pytest

from tests.conformance.report import Case, Outcome
from tests.conformance.standards import run


@pytest.fixture
def copied(shared: Path, tmp_path: Path) -> Path:
    """A copy of the published set, to be altered."""
    folder = tmp_path / "hardware-evidence"
    shutil.copytree(shared / "vectors" / "standards" / "hardware-evidence", folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def failing(folder: Path) -> dict[str, str | None]:
    """Case to reason of what fails."""
    cases: list[Case] = list(run(folder))
    failed = (case for case in cases if case.outcome is Outcome.FAILED)
    return {case.name: case.reason for case in failed}


def rewrite(folder: Path, **changes: object) -> None:
    """Change keys of the row that the first of them belongs to."""
    rows = json.loads((folder / "parsed.json").read_bytes())
    row = next(row for row in rows if row["id"] == changes["id"])
    row.update(changes)
    (folder / "parsed.json").write_text(json.dumps(rows))


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(bytes(data))


def test_the_published_rows_hold(copied: Path):
    assert failing(copied) == {}


@pytest.mark.parametrize(
    ("name", "changes", "why"),
    [
        ("snp-google", {"parsed": {"vmpl": 1}}, "parsed.vmpl: expected 1, found 0"),
        ("snp-google", {"parsed": {"policy": "0xb0001"}}, "parsed.policy"),
        ("snp-google", {"parsed": {"colour": 0}}, "parsed.colour: no such field"),
        ("snp-google", {"expect": "signature invalid"}, "signature: accepted"),
        ("snp-google", {"expect": 7}, "no expect"),
        ("nvidia-hopper", {"parsed": {"request": {"nonce": ""}}}, "parsed.request.nonce"),
        ("nvidia-hopper", {"parsed": {"response": {"opaque_length": 1}}}, "opaque_length"),
        ("nvidia-hopper", {"parsed": {"opaque": []}}, "parsed.opaque"),
        ("nvidia-hopper", {"expect": "report signature invalid"}, "report signature: accepted"),
        ("nvidia-hopper-invalid-signature", {"expect": "report signature valid"}, "signature"),
        ("snp-google", {"vcek": "amd/vcek_turin.der"}, "1.3.6.1.4.1.3704.1"),
        ("snp-google", {"quote": "tdx/tdx-v4-spr.bin"}, "unknown row shape"),
        ("vcek-turin-extensions", {"vcek_extensions": {"1.2.3": "00"}}, "1.2.3"),
        ("tdx-v4-spr", {"parsed": {"header": {"tee_type": "0x0"}}}, "parsed.header.tee_type"),
        ("tdx-v4-spr", {"parsed": {"trailing": 0}}, "parsed.trailing: expected 0, found 39"),
        ("tdx-v5-sample", {"expect": "quote signature invalid"}, "quote signature: accepted"),
        ("amd-milan-roots", {"ask_sha256": "00" * 32}, "ask: expected"),
    ],
)
def test_another_value_fails(copied: Path, name: str, changes: dict[str, object], why: str):
    rewrite(copied, id=name, **changes)
    failed = failing(copied)
    assert why in str(failed.pop(name))
    assert set(failed.values()) <= {"nothing names this file"}


@pytest.mark.parametrize(
    ("path", "offset", "name"),
    [
        ("amd/report_v2_google.bin", 0x2A0, "snp-google"),
        ("tdx/tdx-v4-spr.bin", 48 + 584 + 4, "tdx-v4-spr"),
    ],
)
def test_a_changed_signature_fails_until_it_is_expected(
    copied: Path, path: str, offset: int, name: str
):
    flip(copied / path, offset)
    assert list(failing(copied)) == [name]
    rewrite(copied, id=name, expect="signature invalid")
    assert failing(copied) == {}


@pytest.mark.parametrize("offset", [0, 384], ids=["QE report", "its signature"])
def test_every_signature_that_a_row_names_is_judged(copied: Path, offset: int):
    flip(copied / "tdx" / "tdx-v5-sample.bin", 54 + 648 + 4 + 128 + 6 + offset)
    assert list(failing(copied)) == ["tdx-v5-sample"]
    rewrite(copied, id="tdx-v5-sample", expect="quote signature and attestation-key binding valid")
    assert failing(copied) == {}


def test_a_chain_is_judged_where_its_certificates_are(copied: Path):
    leaf = copied / "amd" / "vcek_turin.der"
    flip(leaf, -1)
    assert list(failing(copied)) == ["vcek-turin-extensions"]
    (copied / "amd" / "turin_ask.pem").unlink()
    assert list(failing(copied)) == ["amd-turin-roots"]

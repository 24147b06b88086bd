"""`--report` of `openpcc verify`: the page says what the words say, and changes nothing else."""

import json
from pathlib import Path

import pytest

from openpcc.cli.main import main
from tests.fakes import kept
from tests.fakes.amd import NOW as RAW_NOW
from tests.fakes.world import NOW, World


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A command line that accepts a bundle."""
    folder = tmp_path_factory.mktemp("kept")
    bundle, policy = kept.keep(World(folder / "world"), folder)
    return ["verify", "evidence", str(bundle), "--policy", str(policy), "--at", str(NOW)]


def test_the_page_of_evidence_has_the_bytes_and_json_has_not(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    page = tmp_path / "e.html"
    assert main([*words, "--json", "--report", str(page)]) == 0
    assert "grounds" not in json.loads(capsys.readouterr().out)
    text = page.read_text()
    assert "PASS, SIMULATED" in text
    assert "The bytes, 2 places" in text


def test_with_explain_json_has_the_bytes_too(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main([*words, "--json", "--explain", "--report", str(tmp_path / "e.html")]) == 0
    assert json.loads(capsys.readouterr().out)["grounds"]


def test_the_page_names_what_refused_and_the_exit_code_stays(words: list[str], tmp_path: Path):
    page = tmp_path / "e.html"
    assert main([*words[:-1], str(NOW + 10**4), "--report", str(page)]) == 1
    assert ">FAIL, SIMULATED</span></h1>" in page.read_text()


def test_raw_evidence_has_a_page(tmp_path: Path):
    page = tmp_path / "e.html"
    words = kept.snp().words(tmp_path)
    assert main(["verify", "evidence", *words, "--at", str(RAW_NOW), "--report", str(page)]) == 0
    assert "sev-snp: crl, intermediates, leaf, report, root" in page.read_text()


def test_a_page_that_cannot_be_written_is_named_before_anything_is_judged(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main([*words, "--report", str(tmp_path / "no" / "e.html")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "there is no such folder" in err


def test_a_folder_in_place_of_the_page_is_named(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main([*words, "--report", str(tmp_path)]) == 2
    assert "cannot be written" in capsys.readouterr().err

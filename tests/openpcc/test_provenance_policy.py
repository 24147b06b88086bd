"""`[release.provenance]`: the whole table or none, and each mistake named with its remedy."""

import sys
from pathlib import Path

import pytest

from openpcc.config import ClientPolicy
from openpcc.errors import ConfigurationError
from tests.fakes.provenance import ASKED
from tests.fakes.sigstore import Sigstore
from tests.openpcc.test_config import POLICY
from transparency_log.provenance.root import MAX_ROOT

PARAMETERS = """
[release.provenance.parameters]
text = "a"
number = 3
on = true
list = ["a", "b"]
[release.provenance.parameters.table]
of = "x"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "root.json").write_bytes(Sigstore().trusted_root())
    return tmp_path


def load(folder: Path, text: str) -> ClientPolicy:
    (folder / "policy.toml").write_text(POLICY + text)
    return ClientPolicy.load(folder / "policy.toml")


def test_the_whole_table_is_read(folder: Path):
    asked = load(folder, ASKED).provenance
    assert asked is not None
    assert asked.signer.identity == "https://example.org/release.yml@refs/heads/main"
    assert asked.signer.issuer == "https://token.example.org"
    assert len(asked.signer.root.logs) == 1
    assert (asked.builder, asked.source) == (
        "https://example.org/runner",
        "https://example.org/openpcc",
    )
    assert asked.parameters is None


def test_without_the_table_none_is_asked_for_and_nothing_of_it_loaded(folder: Path):
    assert load(folder, "").provenance is None


def test_parameters_of_every_kind_are_read(folder: Path):
    asked = load(folder, ASKED + PARAMETERS).provenance
    assert asked is not None
    assert asked.parameters == {
        "text": "a", "number": 3, "on": True, "list": ["a", "b"], "table": {"of": "x"},
    }  # fmt: skip


@pytest.mark.parametrize("name", ["identity", "issuer", "builder", "build_type", "source"])
def test_each_text_is_needed(folder: Path, name: str):
    lines = [line for line in ASKED.splitlines() if not line.startswith(f"{name} ")]
    with pytest.raises(ConfigurationError, match=name):
        load(folder, "\n".join(lines))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("root.json", "none.json", "trusted_root"),
        ("issuer", "more = 1\nissuer", "more"),
        ("[release.provenance]", "[release]\nmore = 1\n[release.provenance]", "more"),
        ("[release.provenance]", "[release]\n[other.provenance]", "provenance"),
    ],
)
def test_a_wrong_table_is_refused_by_name(folder: Path, old: str, new: str, named: str):
    with pytest.raises(ConfigurationError, match=named):
        load(folder, ASKED.replace(old, new, 1))


@pytest.mark.parametrize("value", ["1.5", "2027-01-15", "[1]", "[[1]]", "{of = 1.5}"])
def test_a_parameter_that_no_statement_can_hold_is_refused(folder: Path, value: str):
    with pytest.raises(ConfigurationError, match=r"'(ref|of)' must be"):
        load(folder, f"{ASKED}[release.provenance.parameters]\nref = {value}\n")


@pytest.mark.parametrize("data", [b"", b"{}", b" " * (MAX_ROOT + 9)])
def test_a_trusted_root_that_is_none_is_refused(folder: Path, data: bytes):
    (folder / "root.json").write_bytes(data)
    with pytest.raises(ConfigurationError, match="trusted root"):
        load(folder, ASKED)


def test_a_missing_package_stops_at_the_policy(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sigstore", None)
    with pytest.raises(ConfigurationError, match=r"\.\[provenance\]"):
        load(folder, ASKED)


def test_a_check_that_is_required_must_be_described(folder: Path):
    (folder / "policy.toml").write_text(
        POLICY.replace("required = []", 'required = ["7.provenance"]')
    )
    with pytest.raises(ConfigurationError, match=r"release\.provenance"):
        ClientPolicy.load(folder / "policy.toml")

"""docs/init.md says what `openpcc init` does."""

import re
from pathlib import Path

import pytest

from openpcc.cli.init import readme
from openpcc.cli.init.answers import decide
from openpcc.cli.init.questions import QUESTIONS, Kind
from openpcc.cli.main import main


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "init.md").read_text()


def test_every_flag_is_in_the_table_and_no_other(page: str) -> None:
    table = page.partition("## Answers")[2].partition("## Who")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `--")]
    flags = [flag for row in rows for flag in re.findall(r"`(--[a-z-]+)`", row)]
    assert sorted(flags) == sorted(one.flag for one in QUESTIONS)


def test_every_kind_is_described(page: str) -> None:
    assert re.findall(r"^\| `(\w+)`(?: \(default\))? \|", page, re.M)[:4] == [
        kind.value for kind in Kind
    ]


def test_every_holder_is_in_the_table(page: str) -> None:
    rows = set(re.findall(r"^\| `([a-z-]+)[/N]", page, re.M))
    answers = decide({"service": "a.example", "admission": "tokens"})
    found = {one.folder.rstrip("0123456789") for one in readme.holders(answers)}
    assert found <= rows


def test_every_secret_is_said_to_be_one(page: str, tmp_path: Path) -> None:
    flags = ["--kind", "compose", "--admission", "tokens", "--service", "a.example"]
    assert main(["init", str(tmp_path / "s"), *flags]) == 0
    secrets = {
        p.name for p in (tmp_path / "s").rglob("*") if p.is_file() and not p.stat().st_mode & 0o77
    }
    for name in secrets - {"valkey.conf", "password", "machine.key", "device.key"}:
        assert f"`{name}`" in page or name.endswith((".pem", "relay.key", "issuer.key")), name

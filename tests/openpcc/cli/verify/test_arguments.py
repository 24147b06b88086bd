"""Wrong usage is exit code 2 and one line that says what to do."""

import pytest

from attestation.parts import KINDS
from openpcc.cli.main import main
from openpcc.cli.verify.arguments import time_of
from openpcc.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("1800000000", 1_800_000_000),
        ("2027-01-15T08:00:00Z", 1_800_000_000),
        ("2027-01-15T09:30:00+01:30", 1_800_000_000),
        ("2027-01-15T08:00:00.999999Z", 1_800_000_000),
        ("1970-01-01T00:00:00Z", 0),
    ],
)
def test_reads_a_time(text: str, seconds: int):
    assert time_of(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "now", "-1", "+1", "1.5", "01", " 1", "1_0", "\u0661", "2027-01-15", "2027-01-15T08:00:00",
     "2027-01-15 08:00:00Z", "2027-01-15T08:00:00z", "2027-13-15T08:00:00Z", "99999999999999999",
     "2027-01-15T08:00:60Z", "2027-01-15T08:00:00+25:00", "1969-12-31T23:59:59Z",
     "20270115T080000Z",
     "0001-01-01T00:00:00+23:59"],
)  # fmt: skip
def test_a_time_has_its_spellings_and_no_other(text: str):
    with pytest.raises(ConfigurationError, match="2027-01-15T08:00:00Z or Unix seconds"):
        time_of(text)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a BUNDLE, or --kind"),
        (["b", "--kind", "tdx"], "name a BUNDLE, or --kind"),
        (["b", "--file", "quote=q"], "say with --kind"),
        (["--kind", "abacus"], f"this openpcc judges {', '.join(KINDS)}; name one"),
        (["--kind", "sgx", "--file", "x=y"], f"this openpcc judges {', '.join(KINDS)}; name one"),
        (["--kind", "tdx"], "file quote: must be given"),
        (["--kind", "tdx", "--file", "quote"], "write NAME=PATH"),
        (["--kind", "tdx", "--file", "quote="], "write NAME=PATH"),
        (["--kind", "tdx", "--file", "report=r"], "tdx has the files quote, root, collateral"),
        (["--kind", "tdx", "--file", "quote=q", "--file", "quote=q"], "given twice"),
        (["--kind", "tdx", "--file", "quote=q", "--known-checkpoint", "c"], "are for a bundle"),
        (["--kind", "tdx", "--file", "quote=/nowhere/q"], "/nowhere/q: cannot be read"),
        (["--kind", "tdx", "--file", "quote=/"], "/: cannot be read (Is a directory)"),
        (["--kind", "tdx", "--file", "quote=q", "--policy", "/no.toml"], "with --policy"),
        (["b", "--consistency", "c"], "needs the --known-checkpoint"),
        (["b", "--at", "yesterday"], "Unix seconds"),
        (["b", "--ear-audience", "me"], "name one with --ear"),
        (["b", "--ear", "k"], "--ear-audience"),
        (["b", "--ear", "k", "--ear-audience", "a\nb"], "--ear-audience"),
        (["b", "--ear", "k", "--ear-audience", "me", "--json"], "--ear-out"),
        (["b", "--ear", "k", "--ear-audience", "me", "--explain"], "--ear-out"),
    ],
)
def test_wrong_usage_is_named_with_its_remedy(words: list[str], said: str, capsys):
    assert main(["verify", "evidence", *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1

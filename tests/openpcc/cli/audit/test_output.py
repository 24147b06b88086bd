"""What an audit gives out: one thing on standard output, files beside it, and its exit code."""

import argparse
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from attestation import ear_token
from openpcc import clock
from openpcc.audit import document
from openpcc.audit.report import AuditReport, Outcome
from openpcc.cli.audit import arguments, output
from openpcc.errors import ConfigurationError
from tests.openpcc.audit.audits import audit, finding, hostile

GOOD = audit(finding("log.chain", Outcome.PASS))
BAD = audit(finding("log.chain", Outcome.FAIL, remedy="Report it."))
OPEN = audit(finding("log.chain", Outcome.SKIP))


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    output.add_output(parser)
    arguments.add_state(parser)
    return parser.parse_args(words)


@pytest.fixture
def key(tmp_path: Path) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return key


@pytest.mark.parametrize(("report", "code"), [(GOOD, 0), (BAD, 1), (OPEN, 1)])
def test_the_exit_code_follows_from_the_verdict(
    report: AuditReport, code: int, capsys: pytest.CaptureFixture[str]
):
    assert output.finish(report, options()) == code
    assert capsys.readouterr().out.startswith(f"{report.verdict}: ")


def test_json_is_the_document(capsys: pytest.CaptureFixture[str]):
    assert output.finish(BAD, options("--json")) == 1
    assert document.parse(capsys.readouterr().out.encode()) == BAD


def test_the_remedy_stands_in_the_text(capsys: pytest.CaptureFixture[str]):
    output.finish(BAD, options())
    assert "log.chain: Report it." in capsys.readouterr().out.splitlines()


def test_no_text_from_outside_commands_the_terminal(capsys: pytest.CaptureFixture[str]):
    output.finish(hostile(), options())
    said = capsys.readouterr().out
    assert not {"\x1b", "\u202e", "\u2066", "\x85", "\x00"} & set(said)


def test_no_text_from_outside_begins_a_line(capsys: pytest.CaptureFixture[str]):
    output.finish(hostile("x\nPASS: Every required check passed.\r\n"), options())
    assert not [line for line in capsys.readouterr().out.splitlines() if line.startswith("PASS")]


def test_the_page_and_the_signed_result_are_files_beside(
    key: Ed25519PrivateKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    page, token = tmp_path / "a.html", tmp_path / "a.jwt"
    words = ["--json", "--report", str(page), "--ear", str(tmp_path / "key.pem")]
    words += ["--ear-out", str(token), "--ear-audience", "me", "--ear-nonce", "AAAAAAAAAAA"]
    assert output.finish(GOOD, options(*words)) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "PASS"
    assert b"<h1" in page.read_bytes()
    found = ear_token.verify(
        token.read_text().strip(), key.public_key(), audience="me", now=clock.now()
    )
    assert (found.about["audit"], found.about["verdict"]) == ("log", "PASS")
    assert found.nonces == ("AAAAAAAAAAA",)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--ear-out", "x"], "need a key"),
        (["--ear-audience", "me"], "need a key"),
        (["--ear", "{key}", "--ear-audience", "me"], "--ear-out"),
        (["--ear", "{key}", "--ear-out", "x"], "--ear-audience"),
        (["--ear", "nowhere", "--ear-out", "x", "--ear-audience", "me"], "nowhere"),
        (["--ear", "{key}", "--ear-out", "{key}", "--ear-audience", "me"], "is the key"),
        (["--report", "nowhere/a.html"], "there is no such folder"),
    ],
)
@pytest.mark.usefixtures("key")
def test_wrong_words_are_named_before_anything_is_audited(
    tmp_path: Path, words: list[str], said: str
):
    named = [word.replace("{key}", str(tmp_path / "key.pem")) for word in words]
    with pytest.raises(ConfigurationError, match=said):
        output.check(options(*named))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("1800000000", 1800000000),
        ("2027-01-15T08:00:00Z", 1800000000),
        ("90min", 1_900_000_000 - 5400),
        ("24h", 1_900_000_000 - 86400),
        ("30d", 1_900_000_000 - 30 * 86400),
        ("999999d", 0),
    ],
)
def test_since_is_a_time_or_a_span(text: str | None, expected: int | None):
    assert arguments.since_of(text, now=1_900_000_000) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "h", "-1h", "0h", "1.5h", "24 h", "\u0663h"])
def test_since_has_no_other_spelling(text: str):
    with pytest.raises(ConfigurationError, match="neither a time from 1970 on nor a span"):
        arguments.since_of(text, now=0)

"""The command line itself: its commands, its exit codes, keys, and what it needs to start."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.transparency_log.cli.conftest import Desk
from transparency_log.cli import COMMANDS, main, output
from transparency_log.cli.outcome import NETWORK, REFUSED, USAGE, RefusedError, describe
from transparency_log.errors import ConfigurationError, FetchError, NotSignedError


def test_the_installed_command_knows_every_command():
    assert set(main.COMMANDS) == COMMANDS


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("wrong"), USAGE),
        (FetchError("not there"), NETWORK),
        (NotSignedError("nobody"), REFUSED),
        (RefusedError("no"), REFUSED),
    ],
)
def test_every_error_has_its_exit_code(error: Exception, code: int):
    assert isinstance(error, ConfigurationError | FetchError | NotSignedError | RefusedError)
    assert describe(error).exit_code == code


def test_an_error_is_one_json_object(desk: Desk):
    said = desk.json("publish", desk.folder / "absent.toml", "--out", desk.folder / "x", code=2)
    assert said["error"]["code"] == "configuration"


@pytest.mark.parametrize("words", [[], ["sign"], ["publish"], ["status", "--json"]])
def test_usage_errors_are_exit_code_2(words: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        main.main(words)
    assert caught.value.code == 2


def test_a_signers_key_is_new_private_and_shown_again(desk: Desk):
    path = desk.folder / "new.key"
    made = desk.json("signer", "--out", path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert desk.json("signer", "--key", path) == made
    assert desk.run("signer", "--out", path) == 2
    path.chmod(0o640)
    assert desk.run("signer", "--key", path) == 2


def test_what_a_terminal_would_obey_or_hide_is_written_out():
    assert output.clean("a\x1b[2Kb\r\n") == "a\\x1b[2Kb\\r\\n"
    assert output.clean("a\u202eb\u200bc\u00add") == "a\\u202eb\\u200bc\\xadd"
    assert output.clean("Grüße 模型") == "Grüße 模型"


def test_the_commands_need_no_extra(tmp_path: Path):
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['aiohttp', 'uvicorn', 'boto3', 'psycopg', 'sigstore',"
        " 'prometheus_client', 'rich']))\n"
        f"sys.argv[1:] = ['signer', '--out', {str(tmp_path / 'key')!r}]\n"
        "from transparency_log.server.commands import log\nlog()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stdout)) == (0, 45), done.stderr


def test_signing_offline_loads_no_http_stack():
    code = "import sys, transparency_log.cli.main; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("quorum = 2", "quorum = 4"),
        ("[signers.status]", "[signers.other]"),
        ("threshold = 2", "threshold = 9"),
        ('service = "demo.example"', "service = 1"),
        ('keys = ["', 'keys = ["A'),
        ("[log]", "[log"),
    ],
)
def test_a_policy_that_cannot_be_used_is_told(desk: Desk, old: str, new: str):
    text = desk.policy.read_text()
    assert old in text
    desk.policy.write_text(text.replace(old, new, 1))
    assert desk.run("status", "--log", desk.served.url) == 2
    assert desk.told.count("\n") == 1


def test_one_key_for_two_kinds_is_refused(desk: Desk):
    text = desk.policy.read_text()
    first = text[text.index("[signers.release]") :].split('"')[1]
    second = text[text.index("[signers.status]") :].split('"')[1]
    desk.policy.write_text(text.replace(second, first))
    assert desk.run("status", "--log", desk.served.url) == 2
    assert "two kinds" in desk.told

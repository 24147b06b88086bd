import json
import socket
import sqlite3
from base64 import b64decode
from pathlib import Path

import pytest

from tests.transparency_log.memory_log import MemoryLog
from transparency_log.server.main import LOG, WITNESS
from transparency_log.server.program import run
from transparency_log.vkey import SignatureType, parse_vkey

VKEYS = [str(witness.key) for witness in MemoryLog().witnesses]
LOG_TOML = f"""\
origin = "log.example/test"
key = "log.key"
quorum = 1
listen = "127.0.0.1:0"
[store]
kind = "directory"
path = "log"
[sequence]
kind = "sqlite"
path = "sequence.db"
[[publishers]]
name = "release"
token = "token"
kinds = ["release", "status"]
[[witnesses]]
name = "witness-0.example"
operator = "One"
vkey = "{VKEYS[0]}"
url = "http://127.0.0.1:1"
"""
SECOND = """\
[[publishers]]
name = "{}"
token = "token"
"""
WITNESS_TOML = f"""\
name = "witness.example"
key = "log.key"
database = "witness.db"
[[logs]]
origin = "log.example/test"
vkey = "{MemoryLog().log.key}"
"""


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder from which the log would start, but for its own folder."""
    assert run(LOG, ["keygen", "--name", "log.example/test", "--out", f"{tmp_path}/log.key"]) == 0
    vkey = json.loads(capsys.readouterr().out)["vkey"]
    assert parse_vkey(vkey).name == "log.example/test"
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text("sixteen-characters\n")
    (tmp_path / "log.toml").write_text(LOG_TOML)
    (tmp_path / "witness.toml").write_text(WITNESS_TOML)
    return tmp_path


@pytest.fixture
def begun(folder: Path) -> Path:
    """A folder from which log and witness would start."""
    for program, name in ((LOG, "log"), (WITNESS, "witness")):
        assert run(program, ["init", "--config", f"{folder}/{name}.toml"]) == 0
    return folder


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    """Give the one line on standard error."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


def test_check_config_accepts_a_good_file_and_its_state(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for program, name in ((LOG, "log"), (WITNESS, "witness")):
        config = ["--config", f"{folder}/{name}.toml"]
        assert run(program, [*config, "--check-config"]) == 2
        assert f"openpcc-{name} init" in capsys.readouterr().err
        assert run(program, ["init", *config]) == 0
        assert run(program, [*config, "--check-config"]) == 0
        assert capsys.readouterr().err == ""
    with sqlite3.connect(folder / "sequence.db") as table:
        assert table.execute("SELECT size FROM head").fetchone() == (0,)


def test_every_problem_of_a_log_is_named_at_once(
    begun: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {
        "quorum = 1": "quorum = 3\nbatch_ms = 0\nporst = 1",
        '"127.0.0.1:0"': '"here"',
        '"log.key"': '"other.key"',
        '"token"': '"log.toml"',
        "http://": "ftp://",
        'path = "sequence.db"': "path = 7",
        '"release", "status"': '"release", "statuses"',
        f'vkey = "{VKEYS[0]}"': 'vkey = "x+y"',
    }
    text = LOG_TOML
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    (begun / "log.toml").write_text(text)
    wrong = (
        "quorum", "batch_ms", "listen", "porst", "key", "publishers[0].token", "witnesses[0].url",
        "sequence.path", "publishers[0].kinds", "witnesses[0].vkey",
    )  # fmt: skip
    for arguments in (["--check-config"], []):
        assert run(LOG, ["--config", f"{begun}/log.toml", *arguments]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == len(wrong), lines
        for key in wrong:
            found = [one for one in lines if f"log.toml: {key}: " in one]
            assert len(found) == 1, (key, lines)
            assert ";" in found[0], "no remedy"


def test_every_problem_of_a_witness_is_named_at_once(
    begun: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (begun / "witness.toml").write_text(
        'name = "a b"\nkey = "token"\nml_dsa_44_key = "none"\ncontrol = "x"\n'
        '[[logs]]\norigin = "log.example/test"\nvkey = "x"\noverlap_vkeys = ["y"]\n'
    )
    assert run(WITNESS, ["--config", f"{begun}/witness.toml"]) == 2
    lines = capsys.readouterr().err.splitlines()
    keys = sorted(line.split(": ")[2] for line in lines)
    assert keys == [
        "control", "database", "key", "logs[0].overlap_vkeys", "logs[0].vkey", "ml_dsa_44_key",
        "name",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("quorum = 1", "quorum = 1\nquroum = 1", "quroum"),
        ("quorum = 1\n", "", "quorum"),
        ("quorum = 1", "quorum = 2", "quorum"),
        ("quorum = 1", "quorum = true", "quorum"),
        ("quorum = 1", "quorum = 1\nbatch_ms = 0", "batch_ms"),
        ('"log.key"', '"other.key"', "other.key"),
        ('"token"', '"log.toml"', "log.toml"),
        ("http://", "ftp://", "url"),
        ("witness-0.example", "witness-9.example", "vkey: key id"),
        ('origin = "log.example/test"', 'origin = "log example"', "key"),
        ("[[witnesses]]", "[[witnesses", "TOML"),
        ('kind = "directory"', 'kind = "disk"', "disk"),
        ('kind = "sqlite"', 'kind = "mysql"', "mysql"),
        ('path = "log"', 'path = "log"\nbucket = "b"', "bucket"),
        ('kind = "directory"\n', "", "kind"),
        ('kind = "sqlite"\npath = "sequence.db"', 'kind = "postgres"', "dsn"),
        ('"release", "status"', '"release", "statuses"', "statuses"),
        ('["release", "status"]', '"release"', "kinds"),
        ("[[publishers]]", "[publishers]", "publishers"),
        ("[[publishers]]", "[[publishers]]\nentries_per_day = 0", "entries_per_day"),
        ("[[publishers]]", f"{SECOND.format('release')}[[publishers]]", "one name"),
        ("[[publishers]]", f"{SECOND.format('other')}[[publishers]]", "one token"),
    ],
)
def test_log_configuration_errors_name_the_thing(
    begun: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, named: str
) -> None:
    (begun / "log.toml").write_text(LOG_TOML.replace(old, new))
    assert run(LOG, ["--config", f"{begun}/log.toml", "--check-config"]) == 2
    assert named in refusal(capsys)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("[[logs]]", "[[logs]]\nurl = 1", "url"),
        ("vkey =", "vkey = 3 #", "vkey"),
        (str(MemoryLog().log.key), VKEYS[0], "vkey"),
        ("[[logs]]", '[[logs]]\norigin = "x"\nvkey = "y"\n[[logs]]', "vkey"),
        ('"witness.db"', "1", "database"),
        ('key = "log.key"\n', "", "ml_dsa_44_key"),
        ('key = "log.key"', 'key = "log.key"\nml_dsa_44_key = "log.key"', "one seed"),
        ('key = "log.key"', 'key = "log.key"\nml_dsa_44_key = "token"', "token"),
        ('"witness.example"', '"witness example"', "name"),
        ("[[logs]]", '[[logs]]\noverlap_vkeys = ["x"]', "vkey"),
        ("[[logs]]", "[[logs]]\noverlap_vkeys = 1", "overlap_vkeys"),
    ],
)
def test_witness_configuration_errors_name_the_thing(
    begun: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, named: str
) -> None:
    (begun / "witness.toml").write_text(WITNESS_TOML.replace(old, new))
    assert run(WITNESS, ["--config", f"{begun}/witness.toml", "--check-config"]) == 2
    assert named in refusal(capsys)


@pytest.mark.parametrize("secret", ["log.key", "token"])
def test_secrets_that_others_can_read_are_refused(
    begun: Path, capsys: pytest.CaptureFixture[str], secret: str
) -> None:
    (begun / secret).chmod(0o640)
    assert run(LOG, ["--config", f"{begun}/log.toml"]) == 2
    assert "chmod 600" in refusal(capsys)


def test_short_keys_and_tokens_are_refused(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for secret in ("log.key", "token"):
        before = (begun / secret).read_text()
        (begun / secret).write_text("AAAA\n")
        assert run(LOG, ["--config", f"{begun}/log.toml"]) == 2
        assert secret in refusal(capsys)
        (begun / secret).write_text(before)


def test_missing_state_is_named_with_its_remedy(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(LOG, ["--config", f"{folder}/log.toml"]) == 2
    assert "openpcc-log init" in refusal(capsys)
    assert run(WITNESS, ["--config", f"{folder}/witness.toml"]) == 2
    assert "openpcc-witness init" in refusal(capsys)


def test_init_happens_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for program, name in ((LOG, "log"), (WITNESS, "witness")):
        arguments = ["init", "--config", f"{folder}/{name}.toml"]
        assert run(program, arguments) == 0
        assert run(program, arguments) == 2
        assert refusal(capsys)


def test_keygen_makes_keys_of_each_type(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    types = {"ed25519": SignatureType.COSIGNATURE, "ml-dsa-44": SignatureType.ML_DSA_44}
    for name, expected in types.items():
        out = f"{tmp_path}/{name}.key"
        assert run(WITNESS, ["keygen", "--type", name, "--name", "w", "--out", out]) == 0
        assert parse_vkey(json.loads(capsys.readouterr().out)["vkey"]).type is expected
        assert len(b64decode(Path(out).read_text())) == 32
    with pytest.raises(SystemExit):
        run(LOG, ["keygen", "--type", "ml-dsa-44", "--name", "l", "--out", f"{tmp_path}/l"])


def test_keygen_leaves_no_key_of_a_bad_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(WITNESS, ["keygen", "--name", "a b", "--out", f"{tmp_path}/key"]) == 2
    assert "name" in refusal(capsys)
    assert not (tmp_path / "key").exists()


def test_keygen_does_not_overwrite(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "log.key").read_bytes()
    assert run(LOG, ["keygen", "--name", "n", "--out", f"{folder}/log.key"]) == 2
    assert "log.key" in refusal(capsys)
    assert (folder / "log.key").read_bytes() == before
    assert (folder / "log.key").stat().st_mode & 0o777 == 0o600


def test_port_in_use_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(WITNESS, ["init", "--config", f"{folder}/witness.toml"])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        text = f'listen = "{address}"\n{WITNESS_TOML}'
        (folder / "witness.toml").write_text(text)
        assert run(WITNESS, ["--config", f"{folder}/witness.toml"]) == 2
    assert address in refusal(capsys)


@pytest.mark.parametrize("address", ["127.0.0.1", ":80", "127.0.0.1:99999", "127.0.0.1:+1", ""])
def test_addresses_have_one_spelling(
    folder: Path, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    run(WITNESS, ["init", "--config", f"{folder}/witness.toml"])
    (folder / "witness.toml").write_text(f'listen = "{address}"\n{WITNESS_TOML}')
    assert run(WITNESS, ["--config", f"{folder}/witness.toml"]) == 2
    assert "listen" in refusal(capsys)


def test_configuration_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(LOG, []) == 2
    assert "--config" in refusal(capsys)
    assert run(LOG, ["--config", "no-such-file.toml"]) == 2
    assert "no-such-file.toml" in refusal(capsys)

"""`openpcc init`: who gets what, and that every file is one that its program takes."""

import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tomllib
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from gateway.issuer.main import main as issuer
from gateway.main import main as gateway
from gateway.relay import main as relay
from node_image.agent.config import load_settings
from openpcc.cli.main import main
from openpcc.config import ClientConfig
from tests.transparency_log.memory_log import MemoryLog, release_statement
from transparency_log.client import LogClient
from transparency_log.entry import sign_entry
from transparency_log.server.main import LOG, WITNESS
from transparency_log.server.program import run
from transparency_log.strict_json import b64decode

STORES = ("--store", "rediss://gate@valkey.example", "--database", "postgresql://i@pg.example/i")
FLAGS = {
    "local-tokens": ("--kind", "local", "--admission", "tokens", "--nodes", "1"),
    "compose-tokens": ("--kind", "compose", "--admission", "tokens"),
    "kubernetes": ("--kind", "kubernetes", "--platform", "sev-snp", "--platform", "tdx"),
    "kubernetes-tokens": ("--kind", "kubernetes", "--admission", "tokens", *STORES[:2]),
    "machines": ("--kind", "machines", "--status-signers", "3", "--gateway-cidr", "10.0.0.0/24"),
    "machines-tokens": ("--kind", "machines", "--admission", "tokens", *STORES),
}


def init(folder: Path, *flags: str) -> dict[str, object]:
    """Run the command in this process; gives its JSON."""
    out, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(errors):
        code = main(["init", str(folder), "--service", "a.example", "--json", *flags])
    assert code == 0, errors.getvalue()
    found: dict[str, object] = json.loads(out.getvalue())
    return found


@pytest.fixture(scope="module", params=FLAGS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    name: str = request.param
    folder = tmp_path_factory.mktemp("init") / name
    init(folder, *FLAGS[name])
    return folder


def secret_files(folder: Path) -> list[Path]:
    return [
        path for path in folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o77 == 0
    ]


def test_folders_are_closed_and_what_is_not_secret_is_readable(made: Path) -> None:
    for path in made.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else mode)
        assert mode in (0o700, 0o600, 0o644)
    names = {path.relative_to(made).parts[0] for path in secret_files(made)}
    assert names.isdisjoint({"public", "relay", "README.md"})


def test_no_secret_is_in_two_hands(made: Path) -> None:
    """But the token of the log, which is spam control; what a store or database shares it has."""
    texts: dict[str, list[str]] = {}
    for path in secret_files(made):
        texts.setdefault(path.read_text(), []).append(path.relative_to(made).as_posix())
    shared = {name for names in texts.values() if len(names) > 1 for name in names}
    assert all(name.endswith("log.token") for name in shared)
    readable = [path for path in made.rglob("*") if path.is_file() if path.stat().st_mode & 0o44]
    for text in texts:
        for path in readable:
            assert text.strip().encode() not in path.read_bytes(), path


def test_each_signer_and_witness_has_one_key_and_all_are_told_the_same(made: Path) -> None:
    policies = {path.read_text() for path in made.rglob("policy.toml")}
    assert len(policies) == 1
    table = tomllib.loads(policies.pop())
    for kind in ("release", "status"):
        folders = sorted(made.glob(f"{kind}-signer-*"))
        signers = table["signers"][kind]
        assert len(signers["keys"]) == len(folders)
        assert signers["threshold"] == len(folders) // 2 + 1
        for folder in folders:
            assert len(b64decode((folder / f"{kind}.key").read_text().strip())) == 32
    keys = [key for one in table["signers"].values() for key in one["keys"]]
    assert len(set(keys)) == len(keys)
    assert len(table["log"]["witnesses"]) == len(list(made.glob("witness-*"))) == 3
    assert main(["policy", "check", str(made / "public/policy.toml")]) == 0


def test_clients_take_their_configurations(made: Path) -> None:
    for path in made.rglob("client.toml"):
        config = ClientConfig.load(path)
        assert config.policy.service == "a.example"
        assert all(url.startswith("https://") for url in config.relays)


@pytest.fixture
def installed(made: Path, tmp_path: Path) -> Path:
    """The folder with what stands at fixed places put below it, and with a release."""
    folder = tmp_path / "service"
    shutil.copytree(made, folder)
    log = MemoryLog()
    entry = sign_entry(release_statement(), [log.release])
    log.entries.append(entry)
    proof = LogClient(log.policy, log.fetch).proof(log.witnessed(), 0, entry)
    (folder / "operator/publisher/release.proof").write_bytes(proof)
    tls = folder / "tls"
    if not tls.is_dir():  # certificates that are brought
        init(tmp_path / "other", "--admission", "tokens")
        shutil.copytree(tmp_path / "other" / "tls", tls)
    (folder / "state").mkdir()
    for role in ("relay", "operator/gateway", "operator/publisher", "operator/issuer"):
        if (folder / role).is_dir():
            name = role.rpartition("/")[2]
            target = folder / role / "tls"
            target.mkdir(exist_ok=True)
            shutil.copy(tls / "ca.pem", target / "ca.crt")
            own = name if (tls / f"{name}.pem").exists() else "relay"
            shutil.copy(tls / f"{own}.pem", target / "tls.crt")
            shutil.copy(tls / f"{own}.key", target / "tls.key")
    for path in folder.rglob("*.toml"):
        text = path.read_text().replace("/var/lib/openpcc", str(folder / "state"))
        for old, new in (
            ("-ca.pem", "tls/ca.crt"),
            (".pem", "tls/tls.crt"),
            (".key", "tls/tls.key"),
        ):
            text = text.replace(f"/etc/ssl/openpcc{old}", new)
        path.write_text(text)
    return folder


def check(program: object, *words: str) -> None:
    errors = io.StringIO()
    with redirect_stderr(errors):
        program([*words, "--check-config"])  # type: ignore[operator]
    assert errors.getvalue() == ""


def test_every_configuration_passes_its_programs_check(installed: Path) -> None:
    operator = installed / "operator"
    log, publisher = str(operator / "log/log.toml"), str(operator / "publisher/publisher.toml")
    for number in (1, 2, 3):
        config = str(installed / f"witness-{number}/witness.toml")
        if number > 1:  # on one machine here; each has a place of its own
            (installed / "state/witness.db").unlink(missing_ok=True)
        assert run(WITNESS, ["init", "--config", config]) == 0
        assert run(WITNESS, ["--config", config, "--check-config"]) == 0
    assert run(LOG, ["init", "--config", log]) == 0
    assert run(LOG, ["--config", log, "--check-config"]) == 0
    gateway(["publisher-init", "--config", publisher])
    check(gateway, "--role", "publisher", "--config", publisher)
    check(gateway, "--config", str(operator / "gateway/gateway.toml"))
    check(relay, "--config", str(installed / "relay/relay.toml"))
    for host in (operator / "nodes").glob("host*.toml"):
        load_settings(host)
    if (operator / "issuer").is_dir():
        check_issuer(operator / "issuer/issuer.toml")


def check_issuer(config: Path) -> None:
    table = tomllib.loads(config.read_text())
    if table["database"]["kind"] == "postgres":  # no server is asked here
        dsn = config.parent / "secrets/postgres.dsn"
        assert stat.S_IMODE(dsn.stat().st_mode) == 0o600
        verified = "sslmode=verify-full&sslrootcert=system" in dsn.read_text()
        assert verified != ("@postgres/" in dsn.read_text())  # that of compose, on its own network
        text = config.read_text().replace('"postgres"', '"sqlite"')
        config.write_text(text.replace('dsn = "secrets/postgres.dsn"', 'path = "issuer.db"'))
    keys = config.parent / table["keys"]
    if not keys.is_dir():  # in a pod's volume, as the chart does
        keys.mkdir(mode=0o700)
        issuer(["keys", "new", "--config", str(config)])
    issuer(["init", "--config", str(config)])
    check(issuer, "--config", str(config))


def test_the_publisher_has_no_key_that_opens_requests(made: Path) -> None:
    names = {path.name for path in (made / "operator/publisher").rglob("*") if path.is_file()}
    assert "ohttp-keys" in names
    assert "ohttp-keys.json" not in names


def test_the_key_of_the_local_ca_is_nowhere(made: Path) -> None:
    keys = [path.name for path in made.rglob("*.key") if b"PRIVATE KEY" in path.read_bytes()]
    assert set(keys) <= {"relay.key", "gateway.key", "publisher.key", "issuer.key", "machine.key",
                         "device.key"}  # fmt: skip


def test_values_and_variables_are_what_tools_read(made: Path) -> None:
    for path in made.rglob("values.yaml"):
        assert isinstance(yaml.safe_load(path.read_text()), dict)
    for path in made.rglob("*.tfvars.json"):
        values = json.loads(path.read_text())
        assert "0.0.0.0:8080" in values["host_settings"]
    kinds = {"kubernetes": "operator/values.yaml", "machines": "operator/openpcc.auto.tfvars.json",
             "compose": "operator/compose/.env"}  # fmt: skip
    kind = made.name.partition("-")[0]
    assert [name for name, path in kinds.items() if (made / path).exists()] == (
        [] if kind == "local" else [kind]
    )


def test_a_flag_of_nothing_is_refused_and_not_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path / "new"), "--service", "a.example", "--nodes", "0"]) == 2
    assert "nodes: expected 1 to 64, found 0" in capsys.readouterr().err


def test_it_refuses_to_begin_again(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (made / "operator/log/secrets/log.key").read_bytes()
    assert main(["init", str(made), "--service", "a.example"]) == 2
    assert "never overwritten" in capsys.readouterr().err
    assert (made / "operator/log/secrets/log.key").read_bytes() == before


def test_answers_come_from_a_file_and_flags_go_before_them(tmp_path: Path) -> None:
    answers = tmp_path / "answers.toml"
    answers.write_text('service = "b.example"\nkind = "compose"\nwitnesses = 1\n')
    said = init(tmp_path / "new", "--answers", str(answers), "--witnesses", "2")
    assert (said["service"], said["kind"]) == ("a.example", "compose")
    assert len(list((tmp_path / "new").glob("witness-*"))) == 2
    answers.write_text("witnesses = 0\nwitnesess = 3\n")
    assert main(["init", str(tmp_path / "no"), "--answers", str(answers)]) == 2
    assert not (tmp_path / "no").exists()


def test_a_person_at_a_terminal_is_asked(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    words = [sys.executable, "-m", "openpcc.cli.main", "init", str(tmp_path / "new"), "--json"]
    with os.fdopen(theirs) as terminal, subprocess.Popen(
        [*words, "--witnesses", "1"], stdin=terminal, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        os.write(ours, b"c.example\nkubernetes\n\ntdx, sev-snp\n\n")
        out, errors = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0, errors
    said = json.loads(out)
    assert (said["service"], said["kind"], said["simulated"]) == ("c.example", "kubernetes", False)
    policy = tomllib.loads((tmp_path / "new/public/policy.toml").read_text())
    assert policy["attestation"]["platforms"] == ["tdx", "sev-snp"]
    assert len(policy["log"]["witnesses"]) == 1
    assert errors.count("?") == 5


def test_nobody_is_asked_where_nobody_is(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "openpcc.cli.main", "init", str(tmp_path / "new")]
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("openpcc: service: missing")
    assert done.stderr.count("\n") == 1

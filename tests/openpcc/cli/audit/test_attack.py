"""`openpcc audit attack` before anything is sent: whose service, which files."""

import json
import re
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from openpcc.cli import main
from openpcc.cli.audit.attack import _toml
from openpcc.config import ClientConfig


def run(*words: str) -> int:
    return main.main(["audit", "attack", *words])


def test_another_s_service_is_refused_before_anything_is_read(capsys: pytest.CaptureFixture[str]):
    assert run("https://relay.example", "--config", "/nowhere") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "relay.example is not this machine" in said.err


def test_a_folder_of_keys_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]):
    assert run("http://127.0.0.1:1", "--stack", "/nowhere", "--json") == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "configuration"


@pytest.fixture
def config(root: Path, tmp_path: Path) -> Path:
    """The files that docs/formats.md shows."""
    page = (root / "docs" / "formats.md").read_text()
    for name, file in (("policy", "policy.toml"), ("client-config", "client.toml")):
        found = re.search(rf"^```toml {name}\n(.*?)^```", page, re.M | re.S)
        assert found is not None
        (tmp_path / file).write_text(found[1])
    return tmp_path / "client.toml"


def test_a_service_that_does_not_answer_is_the_network_s_affair(
    config: Path, capsys: pytest.CaptureFixture[str]
):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        assert run(url, "--config", str(config), "--json") == 3
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "transport"


def test_the_proxy_under_attack_reads_what_was_given(config: Path, tmp_path: Path):
    folder = tmp_path / 'odd "name" \\ of é'
    folder.mkdir()
    policy = folder / "policy.toml"
    policy.write_bytes((tmp_path / "policy.toml").read_bytes())
    given = replace(ClientConfig.load(config), relays=("http://127.0.0.1:1",), policy_file=policy)
    path = tmp_path / "proxy.toml"
    path.write_text(_toml(given), encoding="utf-8")
    read = ClientConfig.load(path)
    assert (read.relays, read.policy_file, read.policy) == (given.relays, policy, given.policy)

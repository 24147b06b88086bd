"""User data of a gateway: what cloud-init, systemd and a shell make of it; nothing is secret."""

import base64
import configparser
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.deploy.terraform.running import Terraform, write_variables

pytestmark = pytest.mark.deploy

IMAGE = "registry.example/openpcc:1@sha256:" + "5a" * 32
CONFIG = """service = "chat.example"
listen = "0.0.0.0:8001"
control = "0.0.0.0:9001"
tls_key = "tls/tls.key"
ohttp_keys = ["secrets/ohttp-keys.json"]
"""
PLACES = {
    "gcp": "projects/demo/secrets/{}/versions/3",
    "azure": "https://vault.vault.azure.net/secrets/{}/" + "0" * 32,
    "files": "",
}


def made(terraform: Terraform, source: str) -> dict[str, Any]:
    """Apply the module; return its cloud-config."""
    folder = "modules/gateway"
    secrets = {f"{name}": PLACES[source].format(name.split("/")[1].replace(".", "-"))
               for name in ("secrets/ohttp-keys.json", "tls/tls.key")}  # fmt: skip
    values = {"role": "gateway", "container_image": IMAGE, "config": CONFIG,
              "secrets": secrets, "secrets_from": source}  # fmt: skip
    write_variables(terraform.tree / folder, "all", values)
    terraform.init(folder)
    terraform.run(folder, "apply", "-auto-approve", "-input=false", "-no-color")
    text = terraform.state(folder)["outputs"]["user_data"]["value"]
    assert text.startswith("#cloud-config\n")
    document = yaml.safe_load(text)
    assert isinstance(document, dict)
    return document


def files(document: dict[str, Any]) -> dict[str, str]:
    written = document["write_files"]
    return {one["path"]: base64.b64decode(one["content"]).decode() for one in written}


@pytest.mark.parametrize("source", list(PLACES))
def test_the_script_that_gets_secrets_is_shell(terraform: Terraform, tmp_path: Path, source: str):
    script = tmp_path / "secrets.sh"
    script.write_text(files(made(terraform, source))["/usr/local/sbin/openpcc-secrets"])
    subprocess.run(["sh", "-n", script], check=True)
    text = script.read_text()
    for name in ("secrets/ohttp-keys.json", "tls/tls.key"):
        assert name in text
    assert ("curl" in text) is (source != "files")
    # A token on a command line would be in the list of processes.
    assert "curl" not in text or "-H @-" in text


def test_the_role_runs_without_rights(terraform: Terraform):
    unit = configparser.RawConfigParser(strict=False, delimiters=("=",))
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    text = files(made(terraform, "files"))["/etc/systemd/system/openpcc-gateway.service"]
    unit.read_string(text.replace("\\\n", " "))
    words = unit["Service"]["ExecStart"].split()
    assert words[:2] == ["/usr/bin/podman", "run"]
    for flag in ("--read-only", "--rm"):
        assert flag in words
    for flag, value in (
        ("--user", "65532:65532"), ("--cap-drop", "all"), ("--security-opt", "no-new-privileges"),
    ):  # fmt: skip
        assert words[words.index(flag) + 1] == value
    assert "--privileged" not in words
    assert words[-4:] == [IMAGE, "openpcc-gateway", "--config", "/etc/openpcc/gateway.toml"]
    volumes = [words[at + 1] for at, word in enumerate(words) if word == "--volume"]
    assert [one for one in volumes if not one.endswith(":ro")] == [
        "/var/lib/openpcc:/var/lib/openpcc:rw"
    ]


def test_user_data_opens_no_way_in_and_holds_the_configuration(terraform: Terraform):
    document = made(terraform, "gcp")
    assert document["users"] == []
    assert document["ssh_pwauth"] is False
    assert ["systemctl", "mask", "--now", "ssh.service", "ssh.socket"] in document["runcmd"]
    written = files(document)
    assert written["/etc/openpcc/gateway.toml"] == CONFIG
    assert sorted(written) == [
        "/etc/openpcc/gateway.toml", "/etc/systemd/system/openpcc-gateway.service",
        "/usr/local/sbin/openpcc-secrets",
    ]  # fmt: skip
    assert all(one["owner"] == "root:root" for one in document["write_files"])

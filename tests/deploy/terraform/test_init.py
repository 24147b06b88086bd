"""`openpcc init --kind machines` writes what the examples take; they say when something lacks."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.deploy.helm.charting import of_kind, render
from tests.deploy.terraform import inputs
from tests.deploy.terraform.running import Terraform, write_variables

pytestmark = pytest.mark.deploy

ANSWERS = [
    "--kind", "machines", "--service", "chat.example", "--platform", "tdx", "--nodes", "2",
    "--name", "pcc", "--witnesses", "1", "--release-signers", "1", "--status-signers", "1",
    "--relay-url", "https://relay.example", "--gateway-url", "https://gateway.example",
    "--publisher-url", "https://publisher.example", "--log-url", "https://log.example",
    "--witness-url", "https://witness.example", "--store", "rediss://store.example",
    "--node-url", "http://10.80.0.4:8080", "--node-url", "http://10.80.0.5:8080",
    "--gateway-cidr", "10.90.0.0/24",
]  # fmt: skip


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new deployment, by the command."""
    folder = tmp_path_factory.mktemp("init") / "deployment"
    subprocess.run(
        [Path(sys.executable).parent / "openpcc", "init", folder, *ANSWERS],
        check=True, capture_output=True, stdin=subprocess.DEVNULL, env=dict(os.environ),
    )  # fmt: skip
    return folder


def own(example: str) -> dict[str, object]:
    """The variables of one cloud: whoever deploys says them."""
    return {k: v for k, v in inputs.EXAMPLE[example].items() if k not in inputs.COMMON}


def prepare(terraform: Terraform, deployment: Path, disks: Path, example: str) -> str:
    """Do what the example's README says."""
    folder = f"examples/{example}"
    target = terraform.tree / folder
    shutil.copy(deployment / "operator" / "openpcc.auto.tfvars.json", target)
    settings = (deployment / "operator" / "nodes" / "host.toml").read_text()
    shutil.copy(inputs.made(example, disks, settings) / "release.auto.tfvars.json", target)
    write_variables(target, "own", own(example))
    terraform.init(folder)
    return folder


@pytest.mark.parametrize("example", ["gcp", "azure", "baremetal"])
def test_init_drives_an_example(terraform: Terraform, deployment: Path, disks: Path, example: str):
    folder = prepare(terraform, deployment, disks, example)
    terraform.run(folder, "apply", "-auto-approve", "-input=false", "-no-color")
    said = {name: one["value"] for name, one in terraform.state(folder)["outputs"].items()}
    addresses = said["addresses"]
    assert len(addresses) == 2
    nodes = tomllib.loads(said["publisher_nodes"])["nodes"]
    assert [one["url"] for one in nodes] == [f"http://{one}:8080" for one in addresses]
    values = yaml.safe_load(said["chart_values"])
    (slices,) = of_kind(render({"service": "chat.example", **values}), "EndpointSlice")
    assert [one["addresses"][0] for one in slices["endpoints"]] == addresses
    if example == "gcp":
        publisher = deployment / "operator" / "publisher" / "publisher.toml"
        assert tomllib.loads(publisher.read_text())["nodes"] == nodes
        policy = tomllib.loads((deployment / "public" / "policy.toml").read_text())
        assert said["policy"]["platforms"] == policy["attestation"]["platforms"]
    assert secrets_of(terraform, folder) == set()
    done = terraform.run(folder, "destroy", "-auto-approve", "-input=false", "-no-color")
    assert "Destroy complete" in done


SECRET = ("password", "secret", "access_key", "connection_string", "private_key", "ssh")
SWITCHED_OFF = {
    # Of a storage account with account keys switched off: they open nothing.
    "primary_access_key", "secondary_access_key", "primary_connection_string",
    "secondary_connection_string", "primary_blob_connection_string",
    "secondary_blob_connection_string",
}  # fmt: skip


def secrets_of(terraform: Terraform, folder: str) -> set[str]:
    """Name what is a secret in the state, by the arguments' names."""
    found = set()
    for resource in terraform.state(folder)["resources"]:
        for one in resource["instances"]:
            given = {name for name, value in one["attributes"].items() if value}
            found |= {name for name in given if any(word in name for word in SECRET)}
    return found - SWITCHED_OFF


def test_without_a_release_the_plan_says_what_lacks(terraform: Terraform, deployment: Path):
    target = terraform.tree / "examples" / "gcp"
    shutil.copy(deployment / "operator" / "openpcc.auto.tfvars.json", target)
    write_variables(target, "own", own("gcp"))
    terraform.init("examples/gcp")
    said = terraform.plan("examples/gcp", ok=False)
    for name in ("release", "image_sha256", "disks"):
        assert f'The root module input variable "{name}" is not set' in said


def test_settings_changed_after_the_disks_were_made_are_found(
    terraform: Terraform, deployment: Path, disks: Path
):
    folder = prepare(terraform, deployment, disks, "gcp")
    path = terraform.tree / folder / "openpcc.auto.tfvars.json"
    values = json.loads(path.read_text())
    values["host_settings"] += "\n[limits]\ndrain = 1260\n"
    path.write_text(json.dumps(values))
    said = terraform.plan(folder, ok=False)
    assert "made with other settings than var.host_settings" in said


def test_init_drives_the_gateways(terraform: Terraform, deployment: Path):
    secret = "projects/demo-project/secrets/{}/versions/1"
    names = ("secrets/ohttp-keys.json", "secrets/store.password", "tls/tls.crt", "tls/tls.key")
    values = {
        "project": "demo-project",
        "folder": str(deployment / "operator" / "gateway"),
        "container_image": "registry.example/openpcc@sha256:" + "5a" * 32,
        "secrets": {one: secret.format(one[-3:]) for one in names},
        "relay_cidrs": ["192.0.2.0/24"],
    }
    write_variables(terraform.tree / "examples" / "gateway", "own", values)
    terraform.init("examples/gateway")
    terraform.run("examples/gateway", "apply", "-auto-approve", "-input=false", "-no-color")
    state = json.dumps(terraform.state("examples/gateway"))
    folder = deployment / "operator" / "gateway"
    assert base64.b64encode((folder / "gateway.toml").read_bytes()).decode() in state
    keys = (folder / "secrets" / "ohttp-keys.json").read_bytes()
    texts = [keys, base64.b64encode(keys), *re.findall(rb'"([A-Za-z0-9+/=_-]{32,})"', keys)]
    assert len(texts) > 2
    assert not [one for one in texts if one.decode() in state]

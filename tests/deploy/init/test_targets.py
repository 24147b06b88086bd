"""What `openpcc init` writes for Helm and Terraform is what they take."""

import json
import re
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from openpcc.cli.main import main
from tests.deploy.helm.charting import Object, pods, render

pytestmark = pytest.mark.deploy

STORE = ("--admission", "tokens", "--store", "rediss://gate@valkey.example:6379")
CASES = {
    "real": ("--platform", "sev-snp"),
    "simulated": ("--platform", "simulated"),
    "tokens": ("--platform", "tdx", *STORE),
    "tokens-postgres": ("--platform", "tdx", *STORE, "--database", "postgresql://i@pg.example/i"),
}


@pytest.fixture(scope="module", params=CASES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    name: str = request.param
    found = tmp_path_factory.mktemp("init") / name
    flags = ("--kind", "kubernetes", "--service", "a.example", "--name", "pcc", *CASES[name])
    assert main(["init", str(found), *flags]) == 0
    return found


def rendered(folder: Path, part: str) -> list[Object]:
    values = yaml.safe_load((folder / part / "values.yaml").read_text())
    return render(values, namespace="pcc")


def test_the_chart_takes_every_holders_values(folder: Path) -> None:
    names = {one["metadata"]["name"] for one, _ in pods(rendered(folder, "operator"))}
    assert {"pcc-gateway", "pcc-publisher", "pcc-log"} <= names
    assert ("pcc-issuer" in names) == folder.name.startswith("tokens")
    for part in ("relay", "witness-1", "witness-3"):
        assert len(list(pods(rendered(folder, part)))) == 1


def test_its_readme_makes_every_secret_that_pods_name(folder: Path) -> None:
    made = re.findall(r"create secret generic (\S+)", (folder / "README.md").read_text())
    brought = {"pcc-issuer-tls"}
    named = set(secrets(rendered(folder, "operator")))
    assert named - brought == set(made)


def secrets(found: object) -> list[str]:
    """Name the Secrets of any volume, wherever they stand."""
    match found:
        case {"secretName": str() as name}:
            return [name]
        case {"secret": {"name": str() as name}}:
            return [name]
        case dict():
            return [name for one in found.values() for name in secrets(one)]
        case list():
            return [name for one in found for name in secrets(one)]
        case _:
            return []


def test_terraform_knows_every_variable(tmp_path: Path, root: Path) -> None:
    flags = ("--kind", "machines", "--service", "a.example", "--gateway-cidr", "10.0.0.0/24")
    assert main(["init", str(tmp_path / "m"), *flags]) == 0
    values = json.loads((tmp_path / "m/operator/openpcc.auto.tfvars.json").read_text())
    text = (root / "deploy/terraform/common/variables.tf").read_text()
    assert set(values) <= set(re.findall(r'^variable "(\w+)"', text, re.M))

"""Every module and every example is what Terraform and the providers' arguments allow."""

import json
import re
from pathlib import Path

import pytest

from tests.deploy.terraform import inputs
from tests.deploy.terraform.running import MODULES, Terraform

pytestmark = pytest.mark.deploy

# Each calls its module; modules alone are held to their own cases (test_cases.py).
EXAMPLES = ["gcp", "azure", "baremetal", "gateway"]

BROKEN = {
    "a misspelt argument": (
        "gcp", "nodes.tf", "on_host_maintenance ", "on_host_maintenence ", "Unsupported argument"),
    "a misspelt block": (
        "gcp", "nodes.tf", "confidential_instance_config {", "confidential_config {",
        "Unsupported block type"),
    "a missing argument": (
        "azure", "images.tf", '  account_tier                    = "Standard"\n', "",
        "Missing required argument"),
    "a wrong type": (
        "azure", "images.tf", "specialized               = true",
        'specialized               = "perhaps"', "a bool is required"),
    "a misspelt attribute": (
        "gcp", "nodes.tf", "google_compute_image.host.self_link", "google_compute_image.host.link",
        "Unsupported attribute"),
}  # fmt: skip


def test_files_are_formatted(terraform: Terraform):
    terraform.run(".", "fmt", "-check", "-recursive", "-diff", "-no-color")


@pytest.mark.parametrize("example", EXAMPLES)
def test_is_valid(terraform: Terraform, example: str):
    check(terraform, f"examples/{example}")


def test_is_valid_for_amazons_provider(terraform: Terraform, aws: Path):
    check(terraform, "examples/aws")


def check(terraform: Terraform, folder: str) -> None:
    terraform.init(folder)
    assert "The configuration is valid" in terraform.run(folder, "validate", "-no-color")


@pytest.mark.parametrize(("module", "file", "right", "wrong", "said"), BROKEN.values(), ids=BROKEN)
def test_the_stand_in_refuses(
    terraform: Terraform, module: str, file: str, right: str, wrong: str, said: str
):
    path = terraform.tree / "modules" / module / file
    assert path.read_text().count(right) >= 1
    path.write_text(path.read_text().replace(right, wrong, 1))
    terraform.init(f"modules/{module}")
    assert said in terraform.run(f"modules/{module}", "validate", "-no-color", ok=False)


@pytest.mark.parametrize("name", ["google", "azurerm"])
def test_schemas_hold_what_is_used_and_no_more(name: str):
    known = json.loads((Path(__file__).parent / "schemas" / f"{name}.json").read_text())
    text = "".join(path.read_text() for path in MODULES.rglob("*.tf"))
    assert set(known["resources"]) == set(re.findall(rf'^resource "({name}_\w+)"', text, re.M))


@pytest.mark.parametrize("file", ["variables.tf", "disks.tf", "outputs.tf"])
def test_what_modules_share_is_one_file(file: str):
    for module in inputs.OWN:
        shared = (MODULES / "modules" / module / file).resolve()
        assert shared == MODULES / "common" / file


def test_examples_take_the_same_variables():
    for example in inputs.EXAMPLE:
        linked = (MODULES / "examples" / example / "variables.tf").resolve()
        assert linked == MODULES / "common" / "variables.tf"


def test_another_version_of_a_provider_is_refused(terraform: Terraform):
    path = terraform.tree / "modules" / "gcp" / "versions.tf"
    path.write_text(path.read_text().replace(">= 6.50.0, < 7.0.0", ">= 7.0.0, < 8.0.0"))
    said = terraform.run("modules/gcp", "init", "-input=false", "-no-color", ok=False)
    assert "no available releases match the given constraints" in said

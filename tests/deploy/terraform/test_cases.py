"""`terraform test` of every module: what it makes, and what it refuses by which variable."""

import re
from pathlib import Path

import pytest

from tests.deploy.terraform import inputs
from tests.deploy.terraform.running import HERE, MODULES, Terraform, write_variables

pytestmark = pytest.mark.deploy

CASES = [
    ("baremetal", "common"), ("baremetal", "baremetal"), ("gcp", "gcp"), ("azure", "azure"),
    ("gateway", "gateway"),
]  # fmt: skip


@pytest.mark.parametrize(("module", "cases"), CASES, ids=[cases for _, cases in CASES])
def test_cases_of_a_module(terraform: Terraform, disks: Path, module: str, cases: str):
    run_cases(terraform, disks, module, cases)


def test_cases_of_amazons_module(terraform: Terraform, aws: Path, disks: Path):
    run_cases(terraform, disks, "aws", "aws")


def run_cases(terraform: Terraform, disks: Path, module: str, cases: str) -> None:
    text = (HERE / "cases" / f"{cases}.tftest.hcl").read_text()
    folder = terraform.tree / "modules" / module
    (folder / "tests").mkdir()
    (folder / "tests" / f"{cases}.tftest.hcl").write_text(text)
    if module in inputs.OWN:
        write_variables(folder, "openpcc", inputs.COMMON)
        write_variables(folder, "own", inputs.OWN[module])
        write_variables(folder, "release", inputs.release(module, disks))
    terraform.init(f"modules/{module}")
    said = terraform.run(f"modules/{module}", "test", "-no-color")
    runs = len(re.findall(r"^run ", text, re.M))
    assert f"Success! {runs} passed, 0 failed." in said


def test_every_validation_has_a_case_in_which_it_fails():
    cases = "".join(path.read_text() for path in (HERE / "cases").glob("*.hcl"))
    for path in sorted((MODULES / "modules").rglob("*.tf")):
        for name, body in re.findall(
            r'^variable "(\w+)" \{\n(.*?)^\}', path.read_text(), re.M | re.S
        ):
            failing = re.search(rf"expect_failures = \[.*\bvar\.{name}\b", cases)
            assert "validation {" not in body or failing, f"{path}: {name}"

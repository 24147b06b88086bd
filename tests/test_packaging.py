"""What a user gets: few dependencies, only our packages, no model, no surprise at the top level."""

import re
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement


def closure(name: str, seen: set[str]) -> set[str]:
    """Every distribution that a plain install of `name` brings."""
    key = re.sub(r"[-_.]+", "-", name).lower()
    if key in seen:
        return seen
    seen.add(key)
    for text in distribution(name).requires or []:
        requirement = Requirement(text)
        environment = {key: str(value) for key, value in default_environment().items()}
        if requirement.marker is None or requirement.marker.evaluate(environment | {"extra": ""}):
            closure(requirement.name, seen)
    return seen


def test_a_plain_install_brings_few_distributions_and_no_framework():
    found = closure("openpcc", set())
    assert len(found) < 15
    assert found.isdisjoint(
        {"fastapi", "starlette", "uvicorn", "aiohttp", "numpy", "torch", "vllm"}
    )


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=root, check=True, capture_output=True,
    )  # fmt: skip
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as file:
        return file.namelist()


def test_the_wheel_has_our_packages_and_nothing_else(wheel: list[str]):
    tops = {name.split("/")[0] for name in wheel}
    packages = {"attestation", "gateway", "node_image", "openpcc", "transparency_log"}
    assert {name for name in tops if not name.endswith(".dist-info")} == packages


def test_the_wheel_carries_no_model_and_no_tests(wheel: list[str]):
    assert not [name for name in wheel if name.endswith((".safetensors", "tokenizer.json"))]
    assert not [name for name in wheel if "test_" in name]

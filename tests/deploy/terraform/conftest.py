"""What tests of Terraform need, and what is left out where a machine lacks it.

Nobody can install Terraform or Amazon's provider from the packages that CI has. Where they are
missing the tests that need them are left out and counted at the end of the run: that is not a skip,
and says nothing passed.
"""

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.deploy.terraform.running import Terraform, aws_mirror, copied, surroundings

LEFT_OUT: Counter[str] = Counter()


def _missing(fixtures: set[str]) -> str | None:
    if "terraform" in fixtures and shutil.which("terraform") is None:
        return "the program terraform"
    if "aws" in fixtures and aws_mirror() is None:
        return "a copy of Terraform's provider hashicorp/aws (set TF_PLUGIN_MIRROR)"
    return None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out what cannot run here."""
    missing = {item: _missing(set(getattr(item, "fixturenames", ()))) for item in items}
    LEFT_OUT.update(reason for reason in missing.values() if reason)
    if left := [item for item, reason in missing.items() if reason]:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item, reason in missing.items() if not reason]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not tested, and for want of what."""
    for reason, count in LEFT_OUT.items():
        terminalreporter.write_line(f"NOT TESTED: {count} tests need {reason}", yellow=True)


@pytest.fixture(scope="session")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for images and disks made of them."""
    return tmp_path_factory.mktemp("disks")


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return surroundings(tmp_path_factory.mktemp("home"))


@pytest.fixture
def terraform(tmp_path: Path, environment: dict[str, str]) -> Terraform:
    """Terraform, on a copy of the tree of this test's own."""
    return Terraform(environment=environment, tree=copied(tmp_path / "tree"))


@pytest.fixture(scope="session")
def aws() -> Path:
    """The folder that has Amazon's provider."""
    mirror = aws_mirror()
    assert mirror is not None
    return mirror


@pytest.fixture(scope="session")
def libvirt() -> Path:
    """The folder of libvirt's schemas: $OPENPCC_LIBVIRT_SCHEMAS, or this machine's."""
    folder = Path(os.environ.get("OPENPCC_LIBVIRT_SCHEMAS", "/usr/share/libvirt/schemas"))
    programs = all(map(shutil.which, ("virt-xml-validate", "xmllint")))
    if not folder.is_dir() or not programs:
        pytest.skip("not installed: apt-get install libvirt-clients libxml2-utils")
    return folder

"""What every test may rely on, and what a skip may be for."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
ALLOWED_SKIPS = ("no TEE or GPU", "../shared is absent")


def requires(tool: str) -> None:
    """Skip on a user's machine that lacks a tool; under CI the tool is installed, so fail."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("../shared is absent: optional published vectors")
    return SHARED


def pytest_make_parametrize_id(config, val, argname):
    """Name bytes by their argument: many are drawn at random, and workers must agree on names."""
    return f"{argname}-bytes" if isinstance(val, bytes) else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and os.environ.get("OPENPCC_CI") and not hasattr(report, "wasxfail"):
        reason = str(call.excinfo.value) if call.excinfo else ""
        if not reason.removeprefix("Skipped: ").startswith(ALLOWED_SKIPS):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid}: skipped under CI: {reason}"
    return report

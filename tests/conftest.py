"""What every test may rely on, and what a skip may be for."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# No test is timed: on a machine that others use, time says nothing about the code.
settings.register_profile("openpcc", deadline=None)
settings.load_profile("openpcc")

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
ALLOWED_SKIPS = ("no TEE or GPU", "../shared is absent")


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


def forbidden_skip(reason: str) -> bool:
    """Say whether a skip for this reason must fail here: under CI everything is installed."""
    allowed = reason.removeprefix("Skipped: ").startswith(ALLOWED_SKIPS)
    return bool(os.environ.get("OPENPCC_CI")) and not allowed


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and call.excinfo and forbidden_skip(str(call.excinfo.value)):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped under CI: {call.excinfo.value}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    if report.skipped and forbidden_skip(str(report.longrepr[2])):
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid}: skipped under CI: {report.longrepr[2]}"
    return report


def pytest_collection_modifyitems(items):
    """Give long tests the time that a loaded machine takes: what ends a hang is not a figure."""
    for item in items:
        long = item.get_closest_marker("long") or item.get_closest_marker("deploy")
        if long and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(600))

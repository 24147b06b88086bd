"""Programs that some tests need beside Python."""

import shutil

import pytest


def requires(tool: str) -> None:
    """Skip on a user's machine that lacks a tool. Under CI it is installed, and a skip fails."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")

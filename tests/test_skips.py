"""Under CI a skip is a failure, unless hardware or ../shared is what is missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CASES = {
    "a test": 'import pytest\ndef test_it(): pytest.skip("{reason}")\n',
    "a mark": 'import pytest\n@pytest.mark.skip(reason="{reason}")\ndef test_it(): pass\n',
    "a module": 'import pytest\npytest.skip("{reason}", allow_module_level=True)\n',
}


def run(root: Path, folder: Path, text: str, *, ci: bool) -> int:
    shutil.copy(root / "tests" / "conftest.py", folder / "conftest.py")
    (folder / "test_case.py").write_text(text + "\ndef test_that_passes(): pass\n")
    environment = {key: value for key, value in os.environ.items() if key != "OPENPCC_CI"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder),
         str(folder)],
        capture_output=True, check=False, cwd=folder,
        env=environment | ({"OPENPCC_CI": "1"} if ci else {}),
    )  # fmt: skip
    return done.returncode


@pytest.mark.parametrize("text", CASES.values(), ids=list(CASES))
def test_a_skip_fails_under_ci_and_only_there(root: Path, tmp_path: Path, text: str):
    lazy = text.format(reason="did not feel like it")
    assert run(root, tmp_path, lazy, ci=True) not in (0, 5)
    assert run(root, tmp_path, lazy, ci=False) in (0, 5)


@pytest.mark.parametrize("text", CASES.values(), ids=list(CASES))
@pytest.mark.parametrize("reason", ["no TEE or GPU here", "../shared is absent"])
def test_missing_hardware_or_vectors_may_skip(root: Path, tmp_path: Path, text: str, reason: str):
    assert run(root, tmp_path, text.format(reason=reason), ci=True) in (0, 5)

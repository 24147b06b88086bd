"""What is released: a wheel, a source distribution that builds it, and an empty environment."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(300)]

EXTRAS = "cli,gateway,issuer,log,node"


def build(source: Path, kind: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(root, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(root, "sdist", tmp_path_factory.mktemp("sdist"))


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_the_source_distribution_builds_the_same_wheel(wheel: Path, sdist: Path, tmp_path: Path):
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    again = contents(build(source, "wheel", tmp_path / "wheel"))
    assert again == contents(wheel)


def test_the_source_distribution_has_no_result_of_a_build(sdist: Path):
    with tarfile.open(sdist) as archive:
        names = [name.split("/", 1)[-1] for name in archive.getnames()]
    unwanted = re.compile(r"^(build|dist|\.venv[^/]*)/|\.(key|pyc)$|(^|/)__pycache__/")
    assert [name for name in names if unwanted.search(name)] == []
    assert {"pyproject.toml", "LICENSE", "deploy/compose/compose.yaml"} <= set(names)


@pytest.fixture(scope="module")
def installed(root: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel and what servers need, at the versions of our lock, where nothing was."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pins = re.findall(r"^([\w.-]+==\S+)( ;[^\\]*)?", lock_of(root), re.MULTILINE)
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(pin + marker for pin, marker in pins))
    subprocess.run(
        [folder / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check",
         "-c", constraints, f"{wheel}[{EXTRAS}]"],
        check=True, timeout=240,
    )  # fmt: skip
    return folder / "bin"


def lock_of(root: Path) -> str:
    return (root / "requirements" / "dev.txt").read_text()


def called(place: Path, *words: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a stranger does: elsewhere, with nothing of ours in the environment."""
    return subprocess.run(
        [place / words[0], *words[1:]], capture_output=True, text=True, cwd=home, check=False,
        env={"PATH": os.defpath, "HOME": str(home), "LANG": "C.UTF-8"},
    )  # fmt: skip


def test_the_doctor_finds_nothing_wrong_with_it(installed: Path, tmp_path: Path):
    done = called(installed, "openpcc", "doctor", home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "FAIL" not in done.stdout
    assert re.search(r"2\.files +PASS", done.stdout)


def test_the_doctor_finds_a_file_that_was_changed(installed: Path, tmp_path: Path):
    (file,) = installed.parent.glob("lib/python3*/site-packages/openpcc/trust.py")
    right = file.read_bytes()
    file.write_bytes(right + b"\n")
    try:
        done = called(installed, "openpcc", "doctor", home=tmp_path)
    finally:
        file.write_bytes(right)
    assert done.returncode == 1
    assert "openpcc/trust.py was changed" in done.stdout


@pytest.mark.parametrize("name", ["openpcc-gateway", "openpcc-relay", "openpcc-issuer",
                                  "openpcc-log", "openpcc-witness", "openpcc-node"])  # fmt: skip
def test_every_program_starts_from_the_wheel(installed: Path, name: str, tmp_path: Path):
    done = called(installed, name, "--help", home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")

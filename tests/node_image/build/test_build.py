"""node_image/build/build.sh and verify.sh: what they are asked for is judged before they begin."""

import json
import subprocess
from pathlib import Path

import pytest


def run(root: Path, script: str, *words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(root / "node_image" / "build" / script), *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", [[], ["--out", "image"], ["--out"], ["--sideways", "x"]])
@pytest.mark.parametrize("script", ["build.sh", "verify.sh"])
def test_wrong_usage_is_answered_with_the_right_one(
    root: Path, tmp_path: Path, script: str, words: list[str]
):
    done = run(root, script, *words, cwd=tmp_path)
    assert done.returncode == 2
    assert f"node_image/build/{script} --" in done.stderr or "no image in" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--profile", "none-of-ours"], "no profile none-of-ours"),
        (["--lock", "lock.json"], "lock.json: no such file"),
        (["--machines", "machines.json"], "machines.json: no such file"),
        (["--source", "https://example.org"], "names the machines it is measured on"),
    ],
)
def test_what_cannot_be_built_is_named(root: Path, tmp_path: Path, words: list[str], said: str):
    done = run(root, "build.sh", "--out", "image", "--keep", "kept", *words, cwd=tmp_path)
    assert done.returncode == 1
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_image_that_is_there_is_not_overwritten(root: Path, tmp_path: Path):
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "node.raw").write_bytes(b"a disk")
    done = run(root, "build.sh", "--out", "image", "--keep", "kept", cwd=tmp_path)
    assert done.returncode == 1
    assert "is not empty" in done.stderr
    assert (tmp_path / "image" / "node.raw").read_bytes() == b"a disk"


def test_a_lock_of_other_files_stops_the_second_build_before_it_begins(root: Path, tmp_path: Path):
    """Nothing was kept, so not even the first wheel is there."""
    for name in ("image", "kept"):
        (tmp_path / name).mkdir()
    (tmp_path / "image" / "image.json").write_text("{}")
    lock = {"version": 1, "packages": [], "wheels": [], "tools": []}
    (tmp_path / "image" / "lock.json").write_text(json.dumps(lock))
    (tmp_path / "image" / "options.txt").write_text("profile=base\nplatform=sev-snp\n")
    done = run(root, "verify.sh", "--image", "image", "--keep", "kept", cwd=tmp_path)
    assert done.returncode == 1
    assert "no wheel of" in done.stderr or "mounts need root" in done.stderr

"""Profile gpu, as mkosi and apt read it: its settings in force, and packages for all it names.

Versions move, so what is resolved today is compared by name and not by version.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.node_image.build.conftest import Built
from tests.node_image.build.test_recipe import values

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

SUMMARY = """
mount --bind "$1" "$1"
for own in proc sys dev; do mount --rbind "/$own" "$1/$own"; done
mount -t tmpfs tmpfs "$1/run"
mount --bind "$2" "$1/tmp"
exec chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin HOME=/root LC_ALL=C.UTF-8 \
  mkosi --directory /tmp --profile "$3" --json summary
"""


def summary(built: Built, recipe: Path, folder: Path, profile: str) -> dict[str, Any]:
    """Ask mkosi what it would build, in the tree that it builds in."""
    if built.keep is None:
        pytest.skip("OPENPCC_KEEP does not say what the image was made from")
    subprocess.run(["cp", "-r", *map(str, recipe.glob("mkosi.*")), folder], check=True)
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "bash", "-euc", SUMMARY, "summary",
         built.keep / "tools", folder, profile],
        capture_output=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    images = {one["Output"]: one for one in json.loads(done.stdout)["Images"]}
    assert images.keys() == {"initrd", "node"}
    return dict(images["node"])


@pytest.fixture(scope="module")
def recipe(root: Path) -> Path:
    return root / "node_image" / "build"


def test_mkosi_takes_two_words_of_the_command_line_away(built, recipe, tmp_path: Path):
    (tmp_path / "base").mkdir()
    (tmp_path / "gpu").mkdir()
    base = summary(built, recipe, tmp_path / "base", "base")["KernelCommandLine"]
    gpu = summary(built, recipe, tmp_path / "gpu", "gpu")["KernelCommandLine"]
    gone = {"module.sig_enforce=1", "lockdown=confidentiality"}
    assert gone <= set(base)
    assert gpu == [word for word in base if word not in gone]


def test_mkosi_finds_the_profiles_own_files(built, recipe, tmp_path: Path):
    found = summary(built, recipe, tmp_path, "gpu")
    own = "/tmp/mkosi.profiles/gpu/"
    assert found["BuildScripts"] == [f"{own}mkosi.build.chroot"]
    trees = [one["Source"] for one in found["ExtraTrees"]]
    assert trees == ["/tmp/mkosi.extra", f"{own}mkosi.extra"]
    assert found["BuildPackages"] == values(
        recipe / "mkosi.profiles/gpu/mkosi.conf", "Content", "BuildPackages"
    )


def test_every_package_still_resolves_and_brings_the_same(recipe: Path):
    done = subprocess.run(
        [recipe / "gpu" / "resolve.sh"], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    now, then = (names(text) for text in (done.stdout, (recipe / "gpu/packages.txt").read_text()))
    assert now == then


def names(text: str) -> list[set[str]]:
    """Give the names of both lists, without versions, and of the kernel without its number."""
    parts = text.partition("\n")[2].split("\n\n")
    return [{re.sub(r"-6\.[^ ]*", "-6", line).split()[0] for line in one.splitlines()}
            for one in parts]  # fmt: skip

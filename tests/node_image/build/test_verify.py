"""node_image/build/verify.sh: two builds, the second elsewhere, are one image."""

import subprocess
from pathlib import Path

import pytest

from tests.node_image.build.conftest import Built

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


def test_two_builds_are_the_same_bytes(root: Path, built: Built):
    if built.keep is None:
        pytest.skip("OPENPCC_KEEP does not say what the image was made from")
    verify = root / "node_image" / "build" / "verify.sh"
    command = [verify, "--image", built.image, "--keep", built.keep]
    done = subprocess.run([*map(str, command)], capture_output=True, check=False)
    said = done.stdout.decode(errors="replace").splitlines()
    assert done.returncode == 0, [*said[-40:], done.stderr[-2000:]]
    same = {line.removeprefix("same: ") for line in said if line.startswith("same: ")}
    files = [path for path in built.image.rglob("*") if path.is_file()]
    assert same == {str(path.relative_to(built.image)) for path in files}
    assert {"node.raw", "node.efi", "image.json", "lock.json", "sbom.json", "recipe.tar"} <= same

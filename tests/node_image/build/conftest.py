"""One image for all tests here: the one that is named, or one that is built now."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tools import requires


@dataclass(frozen=True, kw_only=True)
class Built:
    """An image, and what it was made from.

    Attributes:
        keep: tools, packages and wheels; None: nobody says where they are.
    """

    image: Path
    keep: Path | None


@pytest.fixture(scope="session")
def built(root: Path) -> Iterator[Built]:
    """OPENPCC_IMAGE names an image's folder, OPENPCC_KEEP what it was made from."""
    keep = Path(os.environ["OPENPCC_KEEP"]) if "OPENPCC_KEEP" in os.environ else None
    if "OPENPCC_IMAGE" in os.environ:
        yield Built(image=Path(os.environ["OPENPCC_IMAGE"]), keep=keep)
        return
    requires("mmdebstrap")
    if os.geteuid() != 0:
        pytest.skip("building an image needs root")
    with tempfile.TemporaryDirectory(prefix="openpcc-image-") as made:
        found = Built(image=Path(made) / "image", keep=keep or Path(made) / "keep")
        build = root / "node_image" / "build" / "build.sh"
        command = [build, "--out", found.image, "--keep", found.keep]
        done = subprocess.run(
            [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        assert done.returncode == 0, done.stdout[-4000:].decode(errors="replace")
        yield found

"""Writes the list of the engine's wheels: one for each package, for Python 3.13 on x86-64, by hash.

    uv pip compile --python-version 3.13 --python-platform x86_64-manylinux_2_35 \
      --only-binary :all: --format pylock.toml -o pylock.toml node_image/build/gpu/vllm.in
    python -m node_image.build.gpu.lock_wheels pylock.toml >node_image/build/gpu/vllm.txt

Of the wheels that fit a package the one that an installer would take. Addresses are left out: who
builds has them from where that machine's pip has them.
"""

import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

HEAD = "# vLLM with CUDA 12, for Python 3.13 on x86-64 (vllm.in, lock_wheels.py). No hosts."

PLATFORMS = [
    *(f"manylinux_2_{minor}_x86_64" for minor in range(41, 16, -1)),
    "manylinux2014_x86_64",
    "manylinux2010_x86_64",
    "manylinux1_x86_64",
    "linux_x86_64",
]
"""Of Debian 13 (glibc 2.41), best first."""


def ranks() -> dict[Tag, int]:
    """Give what fits, and how well: lower is better."""
    tags = [
        *cpython_tags((3, 13), platforms=PLATFORMS),
        *compatible_tags((3, 13), "cp313", PLATFORMS),
    ]
    return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}


def chosen(package: Mapping[str, Any], rank: Mapping[Tag, int]) -> Mapping[str, Any]:
    """Give the wheel of a package that fits best. Raises: ValueError: none does."""
    fitting = [
        (min(rank[tag] for tag in tags), name, wheel)
        for wheel in package.get("wheels", [])
        for name in [wheel["url"].rpartition("/")[2]]
        for tags in [parse_wheel_filename(name.replace("%2B", "+"))[3] & rank.keys()]
        if tags
    ]
    if not fitting:
        raise ValueError(f"{package['name']}: no wheel for Python 3.13 on x86-64")
    return dict(min(fitting, key=lambda one: one[:2])[2])


def lines(lock: Mapping[str, Any]) -> Iterator[str]:
    """Give the list of a pylock (PEP 751)."""
    rank = ranks()
    yield HEAD
    for package in sorted(lock["packages"], key=lambda one: str(one["name"])):
        wheel = chosen(package, rank)
        yield f"{package['name']}=={package['version']} \\"
        yield f"    --hash=sha256:{wheel['hashes']['sha256']}"


def main(argv: Sequence[str]) -> None:
    """Run the command line."""
    (path,) = argv
    sys.stdout.writelines(f"{line}\n" for line in lines(tomllib.loads(Path(path).read_text())))


if __name__ == "__main__":
    main(sys.argv[1:])

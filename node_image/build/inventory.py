"""Writes what an image was made of: lock, bill of materials, and the image's description.

    python -m node_image.build.inventory OUT --packages DIR --wheels DIR --tools FILE

OUT has what mkosi left: `node.raw`, `node.efi`, and a manifest of each tree. Written are

    lock.json   every package and wheel with its SHA-256, and the versions of the tools
    sbom.json   the same as CycloneDX 1.6
    image.json  docs/formats.md, 12; its machines are added by whoever knows them
"""

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ARTIFACTS = {
    "uki": "node.efi",
    "disk": "node.raw",
    "lock": "lock.json",
    "sbom": "sbom.json",
    "recipe": "recipe.tar",
}
"""Names and files of `image.json`."""


class InventoryError(Exception):
    """Something is in the image that no kept file accounts for."""


@dataclass(frozen=True, kw_only=True, order=True)
class Package:
    """A .deb of the image."""

    name: str
    version: str
    architecture: str
    sha256: str

    @property
    def purl(self) -> str:
        """Give its name as a package URL."""
        version = self.version.replace("+", "%2B")
        return f"pkg:deb/debian/{self.name}@{version}?arch={self.architecture}"


@dataclass(frozen=True, kw_only=True, order=True)
class Wheel:
    """A wheel of the image."""

    name: str
    version: str
    file: str
    sha256: str

    @property
    def purl(self) -> str:
        """Give its name as a package URL."""
        return f"pkg:pypi/{self.name}@{self.version}"


def packages(manifests: Iterable[bytes], kept: Path) -> list[Package]:
    """Find the file of every package that manifests name.

    Raises:
        InventoryError: there is none, so nobody could build this again.
    """
    files = {path.name: path for path in kept.rglob("*.deb")}
    found = set()
    for manifest in manifests:
        for one in json.loads(manifest)["packages"]:
            name = f"{one['name']}_{one['version'].replace(':', '%3a')}_{one['architecture']}.deb"
            if name not in files:
                raise InventoryError(f"{name}: not among the packages that were kept")
            found.add(
                Package(
                    name=one["name"],
                    version=one["version"],
                    architecture=one["architecture"],
                    sha256=sha256(files[name]),
                )
            )
    return sorted(found)


def wheels(folder: Path) -> list[Wheel]:
    """Name every wheel of a folder by its file name (PEP 427) and its hash."""
    found = []
    for path in folder.glob("*.whl"):
        name, version = path.name.split("-")[:2]
        found.append(
            Wheel(
                name=re.sub(r"[-_.]+", "-", name).lower(),
                version=version,
                file=path.name,
                sha256=sha256(path),
            )
        )
    return sorted(found)


def lock(debs: Sequence[Package], python: Sequence[Wheel], tools: str) -> dict[str, object]:
    """Give the lock."""
    return {
        "version": 1,
        "packages": [asdict(one) for one in debs],
        "wheels": [asdict(one) for one in python],
        "tools": sorted(tools.splitlines()),
    }


def sbom(debs: Sequence[Package], python: Sequence[Wheel]) -> dict[str, object]:
    """Give the bill of materials (CycloneDX 1.6), without a time or number of its own."""
    components: list[Package | Wheel] = [*debs, *python]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "components": [
            {
                "type": "library",
                "bom-ref": one.purl,
                "name": one.name,
                "version": one.version,
                "purl": one.purl,
                "hashes": [{"alg": "SHA-256", "content": one.sha256}],
            }
            for one in components
        ],
    }


def description(folder: Path, machines: Mapping[str, object]) -> dict[str, object]:
    """Give `image.json` of the files that are there."""
    return {
        "version": 1,
        "artifacts": {
            name: {
                "file": file,
                "size": (folder / file).stat().st_size,
                "sha256": sha256(folder / file),
            }
            for name, file in ARTIFACTS.items()
        },
        "machines": machines,
    }


def sha256(path: Path) -> str:
    """Give a file's digest."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = _parse(argv)
    try:
        debs = packages(_manifests(args.out), args.packages)
        python = wheels(args.wheels)
        _write(args.out / "lock.json", lock(debs, python, args.tools.read_text()))
        _write(args.out / "sbom.json", sbom(debs, python))
        _write(args.out / "image.json", description(args.out, {}))
    except (OSError, InventoryError) as error:
        sys.exit(f"inventory: {error}")


def _manifests(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.glob("*.manifest")):
        yield path.read_bytes()


def _write(path: Path, document: Mapping[str, object]) -> None:
    path.write_text(json.dumps(document, indent=1) + "\n")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m node_image.build.inventory")
    parser.add_argument("out", type=Path, help="folder of the image")
    parser.add_argument("--packages", type=Path, required=True, help="where packages were kept")
    parser.add_argument("--wheels", type=Path, required=True, help="wheels of the image")
    parser.add_argument("--tools", type=Path, required=True, help="list of the tools' packages")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()

"""Writes what an image was made of: lock, bill of materials, and the image's description.

    python -m node_image.build.inventory OUT --packages DIR --wheels DIR --tools FILE --recipe DIR

OUT has what mkosi left: `node.raw`, `node.efi`, and a manifest of each tree; and `options.txt`:
what the build was asked for. Written are

    lock.json   every package, wheel and tool with its SHA-256 (`node_image.build.lock`)
    sbom.json   what is in the image, as CycloneDX 1.6
    recipe.tar  the recipe, with lists and options: a release names its digest
    image.json  docs/formats.md, 12; `node_image.build.machines` adds its machines
"""

import argparse
import json
import sys
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from node_image.build.lock import BuildError, Lock, Package, Wheel, sha256

ARTIFACTS = {
    "uki": "node.efi",
    "disk": "node.raw",
    "lock": "lock.json",
    "sbom": "sbom.json",
    "recipe": "recipe.tar",
}
"""Names and files of `image.json`."""

BESIDE = ("lock.json", "options.txt", "sbom.json")
"""What stands in the recipe beside the build's own files."""


def manifest_packages(manifests: Iterable[bytes]) -> Iterator[tuple[str, str, str]]:
    """Give name, version and architecture of every package that mkosi's manifests name."""
    for manifest in manifests:
        for one in json.loads(manifest)["packages"]:
            yield one["name"], one["version"], one["architecture"]


def packages(named: Iterable[tuple[str, str, str]], kept: Path) -> tuple[Package, ...]:
    """Find the file of every package.

    Raises:
        BuildError: there is none, so nobody could build this again.
    """
    files = {path.name: path for path in kept.rglob("*.deb")}
    found = []
    for name, version, architecture in sorted(set(named)):
        one = Package(name=name, version=version, architecture=architecture, sha256="")
        if one.file not in files:
            raise BuildError(f"{one.file}: not among the packages that were kept")
        found.append(replace(one, sha256=sha256(files[one.file])))
    return tuple(found)


def sbom(lock: Lock) -> dict[str, object]:
    """Give the bill of materials (CycloneDX 1.6), without a time or number of its own."""
    components: list[Package | Wheel] = [*sorted(lock.packages), *sorted(lock.wheels)]
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


def recipe(folder: Path, source: Path) -> None:
    """Write what an image was made by: always the same bytes, whatever the checkout's modes are."""
    found = [path for path in source.rglob("*") if "__pycache__" not in path.parts]
    entries = {f"build/{path.relative_to(source)}": path for path in found}
    entries |= {name: folder / name for name in BESIDE}
    with tarfile.open(folder / ARTIFACTS["recipe"], "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, path in sorted(entries.items()):
            archive.add(path, name, recursive=False, filter=_plain)


def description(
    folder: Path, files: Mapping[str, str], machines: Mapping[str, object]
) -> dict[str, object]:
    """Give `image.json` of files that are there: name to path below the folder."""
    return {
        "version": 1,
        "artifacts": {
            name: {
                "file": file,
                "size": (folder / file).stat().st_size,
                "sha256": sha256(folder / file),
            }
            for name, file in files.items()
        },
        "machines": machines,
    }


def write(path: Path, document: Mapping[str, object]) -> None:
    """Write a document for people, too."""
    path.write_text(json.dumps(document, indent=1) + "\n")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = _parse(argv)
    try:
        lock = Lock(
            packages=packages(manifest_packages(_manifests(args.out)), args.packages),
            wheels=tuple(map(Wheel.read, args.wheels.glob("*.whl"))),
            tools=packages(_tools(args.tools), args.packages),
        )
        write(args.out / "lock.json", lock.document())
        write(args.out / "sbom.json", sbom(lock))
        recipe(args.out, args.recipe)
        write(args.out / "image.json", description(args.out, ARTIFACTS, {}))
    except (OSError, BuildError) as error:
        sys.exit(f"inventory: {error}")


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Take owner, time and modes from an entry."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    return entry


def _manifests(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.glob("*.manifest")):
        yield path.read_bytes()


def _tools(listed: Path) -> Iterator[tuple[str, str, str]]:
    """Read what dpkg says is installed in the tools tree."""
    for line in listed.read_text().splitlines():
        name, version, architecture = line.split()
        yield name, version, architecture


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m node_image.build.inventory")
    parser.add_argument("out", type=Path, help="folder of the image")
    parser.add_argument("--packages", type=Path, required=True, help="where packages were kept")
    parser.add_argument("--wheels", type=Path, required=True, help="wheels of the image")
    parser.add_argument("--tools", type=Path, required=True, help="list of the tools' packages")
    parser.add_argument("--recipe", type=Path, required=True, help="folder of the recipe")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()

"""Holds what was kept to a lock, before anything is built, and lays it out for apt.

    python -m node_image.build.locked LOCK --packages DIR --wheels DIR --to DIR

Every package, wheel and tool of the lock must be there with its SHA-256, and of wheels no other.
Written are two repositories, `image` and `tools`: apt finds nothing else there, and so nothing else
gets into the image, whatever its archives have by now.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from node_image.build.lock import MAX_LOCK, BuildError, Lock, Package, Wheel, sha256


def check_packages(wanted: Sequence[Package], kept: Mapping[str, Path]) -> None:
    """Judge that every package was kept, as it was.

    Raises:
        BuildError: one is missing, of another version, or of other bytes.
    """
    for package in wanted:
        path = kept.get(package.file)
        if path is None:
            raise BuildError(
                f"{package.name}: {package.version} expected, {_others(package, kept)}"
            )
        if (found := sha256(path)) != package.sha256:
            raise BuildError(f"{path.name}: SHA-256 {package.sha256} expected, {found} found")


def check_wheels(wanted: Sequence[Wheel], there: Iterable[Path]) -> None:
    """Judge that these wheels, our own code among them, are those of the lock and no others.

    Raises:
        BuildError: one is missing, is too many, or is another one.
    """
    found = {wheel.name: wheel for wheel in map(Wheel.read, there)}
    for wheel in wanted:
        other = found.pop(wheel.name, None)
        if other is None:
            raise BuildError(f"{wheel.file}: expected, and there is none")
        if other != wheel:
            raise BuildError(f"{wheel.file}: SHA-256 {wheel.sha256} expected, {other.file} with "
                             f"{other.sha256} found")  # fmt: skip
    if found:
        raise BuildError(f"{min(found)}: a wheel that the lock does not name")


def lay_out(packages: Sequence[Package], kept: Mapping[str, Path], folder: Path) -> None:
    """Make a repository of packages that were checked: their files, and a list that apt reads.

    Raises:
        BuildError: a file is no package.
    """
    folder.mkdir(parents=True)
    entries = []
    for package in sorted(packages):
        path = folder / package.file
        shutil.copyfile(kept[package.file], path)
        entries.append(_control(path, package))
    (folder / "Packages").write_text("\n".join(entries))


def kept_files(folder: Path) -> dict[str, Path]:
    """Find what was kept, by the names that apt gave."""
    return {path.name: path for path in sorted(folder.rglob("*.deb"))}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = _parse(argv)
    try:
        with args.lock.open("rb") as file:
            lock = Lock.parse(file.read(MAX_LOCK + 1))
        kept = kept_files(args.packages)
        check_packages((*lock.tools, *lock.packages), kept)
        check_wheels(lock.wheels, args.wheels.glob("*.whl"))
        lay_out(lock.packages, kept, args.to / "image")
        lay_out(lock.tools, kept, args.to / "tools")
    except (OSError, BuildError) as error:
        sys.exit(f"locked: {error}")


def _others(package: Package, kept: Mapping[str, Path]) -> str:
    """Say which versions of a package were kept, if any."""
    versions = [
        name.removeprefix(f"{package.name}_").rpartition("_")[0].replace("%3a", ":")
        for name in kept
        if name.startswith(f"{package.name}_") and name.endswith(f"_{package.architecture}.deb")
    ]
    return f"{', '.join(versions)} was kept" if versions else "none was kept"


def _control(path: Path, package: Package) -> str:
    """Give a package's paragraph of a list of packages (deb-src-control's fields, and where)."""
    words = ["dpkg-deb", "--field", str(path)]
    read = subprocess.run(words, capture_output=True, check=False)  # noqa: S603 - its hash is known
    if read.returncode:
        raise BuildError(f"{path.name}: is no package of Debian's")
    fields = read.stdout.decode(errors="replace").strip()
    size = path.stat().st_size
    return f"{fields}\nFilename: ./{path.name}\nSize: {size}\nSHA256: {package.sha256}\n"


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m node_image.build.locked")
    parser.add_argument("lock", type=Path, help="lock.json of an image")
    parser.add_argument("--packages", type=Path, required=True, help="where packages were kept")
    parser.add_argument("--wheels", type=Path, required=True, help="wheels of the image")
    parser.add_argument("--to", type=Path, required=True, help="folder for the repositories")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()

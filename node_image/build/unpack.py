"""Unpacks wheels into a folder, as an installer would, without an installer.

    python3 unpack.py FOLDER WHEEL...

Runs in the build's own tree, with nothing but the standard library: names are checked against each
wheel's own list (its RECORD), and no script, no data scheme and no other wheel's file is touched.
"""

import base64
import csv
import hashlib
import sys
import zipfile
from pathlib import Path, PurePosixPath


def main() -> None:
    """Run the command line."""
    folder, *wheels = map(Path, sys.argv[1:])
    for wheel in sorted(wheels, key=lambda path: path.name):
        try:
            unpack(wheel, folder)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            sys.exit(f"{wheel.name}: {error}")


def unpack(wheel: Path, folder: Path) -> None:
    """Write the files of a wheel that its list names.

    Raises:
        ValueError: a file that is not as listed, stands outside, or is there already.
    """
    with zipfile.ZipFile(wheel) as archive:
        (record,) = [name for name in archive.namelist() if name.endswith(".dist-info/RECORD")]
        for name, digest, _ in csv.reader(archive.read(record).decode().splitlines()):
            if name == record or PurePosixPath(name).parts[0].endswith(".data"):
                continue
            data = archive.read(name)
            check(name, data, digest)
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                file.write(data)


def check(name: str, data: bytes, digest: str) -> None:
    """Judge one file by its place and its digest. Raises: ValueError."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{name}: outside the folder")
    found = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    if digest != f"sha256={found}":
        raise ValueError(f"{name}: {digest} expected, sha256={found} found")


if __name__ == "__main__":
    main()

"""Says in an image's description on which machines it runs, and from which files.

    python -m node_image.build.machines IMAGE FILE

FILE is JSON, beside the files that it names:

    {"version": 1,
     "artifacts": {"firmware": "OVMF.fd", "log": "boot.bin"},
     "machines": {"simulated-vtpm": {"boot": "disk", "measurement": "5a…", "log": "log", …}}}

`machines` is the member of image.json (docs/formats.md, 12); `artifacts` are firmware and event
logs. They are copied to IMAGE/machines, and image.json names them; IMAGE/machines.json is FILE for
these copies, so that the image can be made again with it. Machines that were named before go.
"""

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attestation.errors import ArtifactError
from attestation.measure.files import IMAGE_JSON, read_image
from attestation.measure.firmware import MAX_FIRMWARE
from attestation.measure.image import FILE, MAX_IMAGE_JSON, ImageFolder
from attestation.strict_json import StrictJSONError, parse_object
from node_image.build.inventory import write
from node_image.build.lock import BuildError

FOLDER = "machines"
"""Where their files stand in an image's folder."""


@dataclass(frozen=True, kw_only=True)
class Machines:
    """What FILE says. Its machines are judged with the whole description.

    Attributes:
        files: name of an artifact to where it is.
        machines: the member of image.json.
    """

    files: Mapping[str, Path]
    machines: Mapping[str, object]

    @classmethod
    def read(cls, file: Path) -> "Machines":
        """Read FILE.

        Raises:
            BuildError: another spelling.
        """
        try:
            data = _read(file, MAX_IMAGE_JSON)
            members = parse_object(data, limit=MAX_IMAGE_JSON, name=str(file))
            members.integer("version", low=1, high=1)
            artifacts = members.child("artifacts")
            files = {name: artifacts.text(name, limit=4096) for name in artifacts.names()}
            members.child("machines")
            members.end()
        except StrictJSONError as error:
            raise BuildError(str(error)) from error
        for name, path in files.items():
            if not FILE.fullmatch(path):
                raise BuildError(
                    f"artifacts: {name}: expected a path beside {file}, found {path!r}"
                )
        return cls(
            files={name: file.parent / path for name, path in files.items()},
            machines=json.loads(data)["machines"],
        )


def add_machines(image: Path, file: Path) -> None:
    """Describe machines in an image's folder; what is refused changes nothing there.

    Raises:
        BuildError: FILE is of another spelling, or its machines are none that can be measured.
    """
    said = Machines.read(file)
    found = {name: _read(path, MAX_FIRMWARE) for name, path in said.files.items()}
    copies = {name: f"{FOLDER}/{name}{path.suffix}" for name, path in said.files.items()}
    document = _described(image, found, copies) | {"machines": said.machines}
    ImageFolder.parse(json.dumps(document).encode())
    shutil.rmtree(image / FOLDER, ignore_errors=True)
    for name, copy in copies.items():
        (image / copy).parent.mkdir(exist_ok=True)
        (image / copy).write_bytes(found[name])
    write(image / IMAGE_JSON, document)
    write(image / f"{FOLDER}.json", {"version": 1, "artifacts": copies, "machines": said.machines})


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m node_image.build.machines")
    parser.add_argument("image", type=Path, help="folder with image.json")
    parser.add_argument("file", type=Path, help="machines, with the files they are started from")
    args = parser.parse_args(argv)
    try:
        add_machines(args.image, args.file)
    except (OSError, BuildError, ArtifactError) as error:
        sys.exit(f"machines: {error}")


def _read(path: Path, limit: int) -> bytes:
    """Read a file of at most so many bytes; an event log has less than firmware."""
    if path.is_symlink() or not path.is_file():
        raise BuildError(f"{path}: expected a file, and no link to one")
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise BuildError(f"{path}: more than {limit} bytes; is it the right file?")
    return data


def _described(
    image: Path, found: Mapping[str, bytes], copies: Mapping[str, str]
) -> dict[str, object]:
    """Give `image.json` with these artifacts in the place of those of earlier machines."""
    read_image(image)
    document: dict[str, Any] = json.loads((image / IMAGE_JSON).read_bytes())
    own = {
        name: one
        for name, one in document["artifacts"].items()
        if not one["file"].startswith(f"{FOLDER}/")
    }
    for name, data in found.items():
        if name in own:
            raise BuildError(f"artifacts: {name!r} is the image's own")
        own[name] = {
            "file": copies[name],
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    return document | {"artifacts": own}


if __name__ == "__main__":
    main()

"""The host's disk: the only bytes that a node of the image takes from its host at boot.

The image is the same everywhere, so what differs comes from outside: the settings file, and which
release this is (an image cannot contain the hash of a document that contains the image's own). Both
are quoted, and clients judge both. On a simulated machine its keys come the same way.

    {"version":1,"settings":BASE64,"release":HEX,"machine":{NAME:BASE64}} then zeros to the end

There is no file system on it: a kernel that mounts what a host wrote would be open to the host.

    python -m node_image.agent.host_disk read DEVICE FOLDER
    python -m node_image.agent.host_disk write DISK --settings FILE --release HEX [--machine FOLDER]
"""

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from attestation.strict_json import StrictJSONError, b64encode, dumps, parse_object
from node_image.agent.errors import ConfigurationError

SIZE = 2**20
"""Bytes of the disk that are read; a document, and zeros."""

MAX_SETTINGS = 2**16
"""Bytes of the settings file."""

MAX_FILES = 16
"""Files of a simulated machine; it has eight."""

NAME = re.compile(r"[a-z][a-z0-9-]{0,62}(?:\.[a-z]{1,8})?", re.ASCII)
"""What a file of a machine may be called: it stays in its folder."""


@dataclass(frozen=True, kw_only=True)
class HostDisk:
    """What a host says to a node.

    Attributes:
        settings: the exact bytes of the settings file (docs/formats.md, 3.4).
        release: leaf hash of the release that the host says this image is.
        machine: name to content; empty on real hardware, where nothing reads it.
    """

    settings: bytes
    release: bytes
    machine: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, disk: bytes) -> "HostDisk":
        """Read the first bytes of a disk.

        Raises:
            ConfigurationError: another spelling, or anything but zeros behind the document.
        """
        document = disk.rstrip(b"\0")
        try:
            members = parse_object(document, limit=SIZE, name="host disk")
            members.integer("version", low=1, high=1)
            files = members.child("machine")
            names = files.names()
            if len(names) > MAX_FILES or not all(map(NAME.fullmatch, names)):
                raise StrictJSONError(f"machine: at most {MAX_FILES} files, named like chain.pem")
            parsed = cls(
                settings=members.data("settings", limit=MAX_SETTINGS),
                release=members.hex("release", size=32),
                machine={name: files.data(name) for name in names},
            )
            files.end()
            members.end()
        except StrictJSONError as error:
            raise ConfigurationError(f"host disk: {error}; write it anew") from error
        return parsed

    def encode(self) -> bytes:
        """Write the disk. Raises: ConfigurationError: more than a disk holds."""
        document = dumps(
            {
                "version": 1,
                "settings": b64encode(self.settings),
                "release": self.release.hex(),
                "machine": {name: b64encode(data) for name, data in self.machine.items()},
            }
        )
        if len(document) > SIZE:
            raise ConfigurationError(f"host disk: {len(document)} bytes, at most {SIZE} fit")
        return document.ljust(SIZE, b"\0")

    def unpack(self, folder: Path) -> None:
        """Put everything where the agent looks for it, readable by nobody else.

        Raises:
            ConfigurationError: the folder cannot be written.
        """
        machine = folder / "machine"
        try:
            machine.mkdir(mode=0o700)
            # A simulated machine is a folder; below a TPM it needs the kernel's beside its own.
            (machine / "dev").symlink_to("/dev")
            (machine / "sys").symlink_to("/sys")
            for name, data in self.machine.items():
                _create(machine / name, data)
            _create(folder / "host.toml", self.settings)
            _create(folder / "release", self.release.hex().encode() + b"\n")
        except OSError as error:
            raise ConfigurationError(f"{error.filename}: {error.strerror}") from error


def read(device: Path) -> HostDisk:
    """Read a disk. Raises: ConfigurationError."""
    try:
        with device.open("rb") as file:
            return HostDisk.parse(file.read(SIZE))
    except OSError as error:
        raise ConfigurationError(
            f"{device}: {error.strerror}; attach the host's disk, named openpcc-host"
        ) from error


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    args = _parse(argv)
    try:
        if args.command == "read":
            read(args.device).unpack(args.folder)
        else:
            _write(args)
    except ConfigurationError as error:
        print(f"openpcc-node: {error}", file=sys.stderr)  # noqa: T201 - a program's own word
        return 2
    return 0


def _write(args: argparse.Namespace) -> None:
    try:
        files = sorted(args.machine.iterdir()) if args.machine is not None else []
        disk = HostDisk(
            settings=args.settings.read_bytes(),
            release=args.release,
            machine={path.name: path.read_bytes() for path in files if NAME.fullmatch(path.name)},
        )
        args.disk.write_bytes(disk.encode())
    except OSError as error:
        raise ConfigurationError(f"{error.filename}: {error.strerror}") from error


def _create(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m node_image.agent.host_disk", description="What a host says to a node."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    reading = commands.add_parser("read", help="unpack a disk, at boot")
    reading.add_argument("device", type=Path)
    reading.add_argument("folder", type=Path)
    writing = commands.add_parser("write", help="make a disk, on the host")
    writing.add_argument("disk", type=Path)
    writing.add_argument("--settings", type=Path, required=True, help="the settings file, TOML")
    writing.add_argument("--release", type=_release, required=True, help="leaf hash, 64 hex digits")
    writing.add_argument("--machine", type=Path, help="a simulated machine's folder")
    return parser.parse_args(argv)


def _release(text: str) -> bytes:
    if not re.fullmatch(r"[0-9a-f]{64}", text, re.ASCII):
        raise argparse.ArgumentTypeError("write 64 hex digits")
    return bytes.fromhex(text)


if __name__ == "__main__":
    sys.exit(main())

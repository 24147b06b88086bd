"""Opens the bundle, at boot: engine and model, on a disk of their own under dm-verity.

The disk is the host's to attach (serial number or partition `openpcc-bundle`). What is on it is
decided by this image, which holds its root hash in `bundle.json` (docs/formats.md, 12.3): so the
image's own root hash covers the bundle, and whatever measures the image measures both.

    data    file system (erofs), in blocks of 4096 bytes
    tree    dm-verity's hashes behind it, SHA-256, no salt, no superblock

There is no superblock, because it would be the host's word: size, algorithm and salt are said here.

    python -m node_image.agent.bundle BUNDLE.JSON DEVICE
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from attestation.strict_json import StrictJSONError, parse_object
from node_image.agent.errors import ConfigurationError

OPENER = "/usr/lib/systemd/systemd-veritysetup"
NAME = "openpcc-bundle"
"""Of the device that is made: /dev/mapper/NAME."""

BLOCK = 4096
"""Bytes of a block, of data and of hashes."""

MAX_BLOCKS = 1 << 32
"""Blocks of data: 16 TiB."""

MAX_BUNDLE_JSON = 1 << 16
"""Bytes of `bundle.json`."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What this image says of its bundle.

    Attributes:
        blocks: of data.
        root_hash: of dm-verity.
        model: name of the model in it, below `models/`.
        digest: of that model; the agent measures it again.
    """

    blocks: int
    root_hash: bytes
    model: str
    digest: bytes

    @classmethod
    def parse(cls, data: bytes) -> "Bundle":
        """Read `bundle.json`.

        Raises:
            ConfigurationError: another spelling.
        """
        try:
            members = parse_object(data, limit=MAX_BUNDLE_JSON, name="bundle.json")
            members.integer("version", low=1, high=1)
            members.text("file", limit=256)
            members.integer("size")
            members.hex("sha256", size=32)
            bundle = cls(
                blocks=members.integer("blocks", low=1, high=MAX_BLOCKS),
                root_hash=members.hex("root_hash", size=32),
                model=members.text("model", limit=64),
                digest=members.hex("digest", size=32),
            )
            members.end()
        except StrictJSONError as error:
            raise ConfigurationError(str(error)) from error
        return bundle

    def opening(self, device: str) -> tuple[str, ...]:
        """Give the command that opens it (systemd-veritysetup@.service(8), veritytab(5))."""
        options = (
            "superblock=no",
            "format=1",
            "hash=sha256",
            "salt=-",
            f"data-block-size={BLOCK}",
            f"hash-block-size={BLOCK}",
            f"data-blocks={self.blocks}",
            f"hash-offset={self.blocks * BLOCK}",
        )
        return (OPENER, "attach", NAME, device, device, self.root_hash.hex(), ",".join(options))


def read(path: Path) -> Bundle:
    """Read the image's file. Raises: ConfigurationError."""
    try:
        with path.open("rb") as file:
            return Bundle.parse(file.read(MAX_BUNDLE_JSON + 1))
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error


def attached(device: str) -> str:
    """Give a disk's name if it is there. Raises: ConfigurationError."""
    if not Path(device).is_block_device():
        raise ConfigurationError(f"{device}: no disk; attach the bundle, named {NAME}")
    return device


def main() -> None:
    """Run the command line: become the program that opens it."""
    if len(sys.argv) != 3:
        sys.exit("usage: python -m node_image.agent.bundle BUNDLE.JSON DEVICE")
    try:
        command = read(Path(sys.argv[1])).opening(attached(sys.argv[2]))
    except ConfigurationError as error:
        sys.exit(f"openpcc-node: {error}")
    os.execv(command[0], command)  # noqa: S606 - a fixed program, arguments of the image


if __name__ == "__main__":
    main()

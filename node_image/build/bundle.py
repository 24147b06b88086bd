"""Says what a bundle is: `bundle.json`, which an image holds, and the lock of its wheels.

    python -m node_image.build.bundle OUT --verity FILE --model NAME --wheels DIR

The root hash is computed here from the disk, and has to be the one that veritysetup gave (FILE, its
output), as does the tree behind the data: an image that held another would not boot, and the
time to say so is now.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from attestation.measure.verity import HashTree, block_hashes
from node_image.build.inventory import write
from node_image.build.lock import BuildError, Lock, Wheel, sha256

DISK = "bundle.raw"
"""The disk: data, and behind it the hash tree."""

BLOCK = 4096
"""Bytes of a block, of data and of hashes."""

PIECE = 1 << 20
"""Bytes that are read at once."""

VERSION = 1
"""Of `bundle.json`."""


def told(printed: str) -> tuple[int, str]:
    """Read the number of blocks and the root hash from what `veritysetup format` printed.

    Raises:
        BuildError: they are not there.
    """
    blocks = re.search(r"^Data blocks:\s+([1-9][0-9]{0,12})$", printed, re.MULTILINE | re.ASCII)
    root = re.search(r"^Root hash:\s+([0-9a-f]{64})$", printed, re.MULTILINE)
    if blocks is None or root is None:
        raise BuildError("bundle: veritysetup printed no root hash")
    return int(blocks[1]), root[1]


def check(disk: Path, blocks: int, root_hash: str) -> None:
    """Judge that a disk has this root hash, and its tree behind the data.

    Raises:
        BuildError: it has not.
    """
    tree = HashTree.over(block_hashes(_data(disk, blocks), size=BLOCK, salt=b""), block=BLOCK,
                         salt=b"")  # fmt: skip
    if tree.root.hex() != root_hash:
        raise BuildError(f"{disk.name}: root hash {root_hash} expected, {tree.root.hex()} found")
    with disk.open("rb") as file:
        file.seek(blocks * BLOCK)
        if file.read(len(tree.blocks) + 1) != tree.blocks:
            raise BuildError(f"{disk.name}: the hash tree behind its data is another one")


def description(
    disk: Path, blocks: int, root_hash: str, model: str, digest: str
) -> dict[str, object]:
    """Give `bundle.json` (docs/formats.md, 12.3)."""
    return {
        "version": VERSION,
        "file": disk.name,
        "size": disk.stat().st_size,
        "sha256": sha256(disk),
        "blocks": blocks,
        "root_hash": root_hash,
        "model": model,
        "digest": digest,
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = _parse(argv)
    try:
        blocks, root_hash = told(args.verity.read_text())
        check(args.out / DISK, blocks, root_hash)
        digest = json.loads((args.out / "models" / f"{args.model}.json").read_text())["digest"]
        described = description(args.out / DISK, blocks, root_hash, args.model, digest)
        write(args.out / "bundle.json", described)
        wheels = tuple(map(Wheel.read, args.wheels.glob("*.whl")))
        write(args.out / "lock.json", Lock(packages=(), wheels=wheels, tools=()).document())
    except (OSError, BuildError) as error:
        sys.exit(f"bundle: {error}")


def _data(disk: Path, blocks: int) -> Iterator[bytes]:
    left = blocks * BLOCK
    with disk.open("rb") as file:
        while left:
            piece = file.read(min(PIECE, left))
            if not piece:
                raise BuildError(f"{disk.name}: ends inside its data")
            left -= len(piece)
            yield piece


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m node_image.build.bundle")
    parser.add_argument("out", type=Path, help="folder of the bundle")
    parser.add_argument("--verity", type=Path, required=True, help="what veritysetup printed")
    parser.add_argument("--model", required=True, help="name of the model")
    parser.add_argument("--wheels", type=Path, required=True, help="wheels of the engine")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()

"""Makes the files that Terraform's modules upload or attach, and says what they are made of.

    OUT/disks.json                 cloud, release, image, settings, and each file's SHA-256
    OUT/release.auto.tfvars.json   the variables that depend on a release; goes beside main.tf
    gcp        node.tar.gz host.tar.gz   disk.raw of whole GiB
    azure      node.vhd host.vhd         fixed, of whole MiB
    aws        node.raw host.raw
    baremetal  host.raw                  without partitions: a virtio disk has a serial number

The image is read once, held to image.json, and changed in nothing but its length.
"""

import argparse
import gzip
import hashlib
import json
import os
import re
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from attestation.errors import ArtifactError
from attestation.measure.files import read_file, read_image
from attestation.measure.image import DISK
from deploy.terraform.disks.gpt import partitioned
from deploy.terraform.disks.vhd import MIB, footer
from node_image.agent.errors import ConfigurationError
from node_image.agent.host_disk import HostDisk

GIB = 2**30
"""Google takes disks of whole GiB."""

HOST_SIZE = 64 * MIB
"""Bytes of the host's disk on the other clouds, which round them up by themselves."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    args = _parse(argv)
    try:
        args.out.mkdir(mode=0o755)
        print(_made(args))  # noqa: T201 - a program's own word
    except (ArtifactError, ConfigurationError) as error:
        print(f"disks: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except OSError as error:
        print(f"disks: {error.filename}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _made(args: argparse.Namespace) -> str:
    settings = args.settings.read_bytes()
    host = HostDisk(settings=settings, release=bytes.fromhex(args.release))
    document = HostDisk.parse(host.encode()).encode()
    image = read_image(args.image)
    if DISK not in image.artifacts:
        raise ArtifactError(f"{args.image}: no disk in image.json; clouds boot from one")
    found = read_file(args.image, image, DISK)
    if found.wrong:
        raise ArtifactError(f"{args.image}: disk: {found.wrong}")
    node = args.image / found.said.file
    names = tuple(_write(args.cloud, args.out, node, document))
    facts = {
        "version": 1,
        "cloud": args.cloud,
        "release": args.release,
        "image_sha256": found.sha256.hex(),
        "settings_sha256": hashlib.sha256(settings).hexdigest(),
        "files": {name: _sha256(args.out / name) for name in names},
    }
    _json(args.out / "disks.json", facts)
    variables = {name: facts[name] for name in ("release", "image_sha256")}
    _json(args.out / "release.auto.tfvars.json", variables | {"disks": str(args.out.resolve())})
    return f"{args.out}: {', '.join(names)}; copy release.auto.tfvars.json beside main.tf"


def _write(cloud: str, out: Path, node: Path, document: bytes) -> Iterator[str]:
    """Write the files of one cloud, and name them."""
    if cloud == "baremetal":
        (out / "host.raw").write_bytes(document)
        yield "host.raw"
        return
    unit = GIB if cloud == "gcp" else MIB
    for name in ("node", "host"):
        raw = out / f"{name}.raw"
        with raw.open("xb") as file:
            if name == "node":
                with node.open("rb") as source:
                    _copy(source, file)
            else:
                _host_disk(file, document, size=max(HOST_SIZE, unit))
            file.truncate(-(-file.tell() // unit) * unit)
        yield _packed(cloud, raw).name


def _host_disk(file: BinaryIO, document: bytes, *, size: int) -> None:
    head, tail = partitioned(document, size=size)
    file.write(head)
    file.seek(size - len(tail))
    file.write(tail)


def _packed(cloud: str, raw: Path) -> Path:
    match cloud:
        case "gcp":
            return _tar(raw)
        case "azure":
            with raw.open("r+b") as file:
                size = file.seek(0, os.SEEK_END)
                file.write(footer(size))
            return raw.rename(raw.with_suffix(".vhd"))
        case _:
            return raw


def _tar(raw: Path) -> Path:
    """Pack as Google wants it: one file named disk.raw, in a gzipped tar. Nothing varies in it."""
    packed = raw.with_suffix(".tar.gz")
    entry = tarfile.TarInfo("disk.raw")
    entry.size, entry.mode = raw.stat().st_size, 0o644
    with (
        packed.open("xb") as out,
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=out, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive,
        raw.open("rb") as file,
    ):
        archive.addfile(entry, file)
    raw.unlink()
    return packed


def _copy(source: BinaryIO, target: BinaryIO) -> None:
    while piece := source.read(MIB):
        # Zeros become holes: most of a disk that was lengthened is nothing.
        if piece.count(0) == len(piece):
            target.seek(len(piece), os.SEEK_CUR)
        else:
            target.write(piece)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=1) + "\n")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="disks", description="Disks of nodes, for one cloud.")
    parser.add_argument("cloud", choices=("gcp", "azure", "aws", "baremetal"))
    parser.add_argument("--image", type=Path, required=True, help="folder with image.json")
    parser.add_argument("--settings", type=Path, required=True, help="host.toml of the nodes")
    parser.add_argument("--release", type=_release, required=True, help="leaf hash, 64 hex digits")
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    return parser.parse_args(argv)


def _release(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text, re.ASCII):
        raise argparse.ArgumentTypeError("write 64 hex digits")
    return text


if __name__ == "__main__":
    sys.exit(main())

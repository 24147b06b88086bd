"""The command line of `node_image.measure`.

`release` prints `release.toml`, which release signers sign; `platforms` only what stands in it
under that name (docs/formats.md, 4.1), as JSON or TOML; `model` a model's manifest. `simulated`
prints the platform of simulated nodes, which run the very files that are installed here: run it
where they will run. Exit 1 if a file cannot be measured; the error is one line that names it.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from attestation.errors import ArtifactError, AttesterError
from attestation.measure import files
from attestation.measure.artifact import Artifact
from attestation.measure.image import DISK, RECIPE, UKI, ImageFolder
from attestation.measure.model import MAX_MANIFEST, ModelManifest, read_model
from attestation.measure.recompute import Values, measure
from attestation.measure.uki import Uki
from attestation.simulated.collect import expected_values
from attestation.simulated.machine import DEVICE_KIND
from node_image.measure import release
from node_image.measure.release import Said

DEVICES = {"count": 0, "kinds": list[str]()}
"""What a machine without confidential devices has."""

TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
"""A time, as it stands in `release.toml`."""

Models = Sequence[tuple[str, bytes]]
"""Name and digest of each."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """An image's folder, read whole: every file is as `image.json` says."""

    folder: ImageFolder
    found: Mapping[str, Artifact]

    @classmethod
    def read(cls, path: Path) -> "Measured":
        """Read it. Raises: ArtifactError."""
        folder = files.read_image(path)
        found: dict[str, Artifact] = {}
        for name in folder.artifacts:
            one = files.read_file(path, folder, name)
            if one.wrong:
                raise ArtifactError(f"{name}: {one.wrong}")
            found[name] = one.artifact
        return cls(folder=folder, found=found)

    def platforms(
        self, args: argparse.Namespace, models: Models, engine: Sequence[str]
    ) -> dict[str, dict[str, object]]:
        """Give what a release says of each machine. Raises: ArtifactError."""
        devices = {"count": args.devices, "kinds": [args.kind]} if args.devices else DEVICES
        return {
            name: release.platform(
                measure(machine, self.found, models=models, engine_arguments=engine), devices
            )
            for name, machine in self.folder.machines.items()
        }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    words = list(sys.argv[1:] if argv is None else argv)
    split = words.index("--") if "--" in words else len(words)
    args, engine = _parse(words[:split]), words[split + 1 :]
    try:
        match args.command:
            case "model":
                print(read_model(args.folder).encode().decode())
            case "simulated":
                print(_simulated(args, engine), end="")
            case "platforms":
                print(_platforms(args, engine))
            case _:
                print(_release(args, engine), end="")
    except (ArtifactError, AttesterError) as error:
        print(f"node_image.measure: {error}", file=sys.stderr)
        return 1
    return 0


def _platforms(args: argparse.Namespace, engine: Sequence[str]) -> str:
    models = _models(args)
    platforms = Measured.read(args.folder).platforms(args, models, engine)
    return release.platforms_toml(platforms) if args.toml else json.dumps(platforms, indent=1)


def _simulated(args: argparse.Namespace, engine: Sequence[str]) -> str:
    """Give the tables of simulated nodes; with `--manifest` of what they run as well."""
    models = _models(args)
    measurement, registers = expected_values(models, engine)
    values = Values(measurement=measurement, registers=registers)
    platform = release.platform(values, {"count": 1, "kinds": [DEVICE_KIND]})
    tables = [release.platforms_toml({"simulated": platform})]
    if args.manifest is not None:
        tables.append(release.software_toml(models, args.manifest, engine))
    return "\n".join(tables)


def _models(args: argparse.Namespace) -> Models:
    return [(name, _digest(Path(path))) for name, path in args.model]


def _release(args: argparse.Namespace, engine: Sequence[str]) -> str:
    """Give `release.toml` of an image with its models' manifests beside it."""
    read = Measured.read(args.folder)
    artifacts = read.folder.artifacts
    if not read.folder.machines:
        raise ArtifactError("image.json: names no machine, and a release is of one at least")
    if RECIPE not in artifacts:
        raise ArtifactError(f"image.json: needs artifact {RECIPE!r}")
    manifests = sorted((args.folder / "models").glob("*.json"))
    models = [(path.stem, _digest(path)) for path in manifests]
    said = Said(
        version=args.version,
        engine=args.engine,
        arguments=engine,
        source=(args.source, args.commit),
        expires=args.expires,
    )
    return release.release_toml(
        said,
        image=artifacts[DISK if DISK in artifacts else UKI].file,
        recipe=artifacts[RECIPE].file,
        mode=release.DEBUG if Uki.parse(read.found[UKI]).debug else release.ATTESTED,
        platforms=read.platforms(args, models, engine),
        models=models,
    )


def _digest(path: Path) -> bytes:
    """Give a model's digest, from its folder or from a manifest of it."""
    if path.is_dir():
        return read_model(path).digest
    try:
        with path.open("rb") as file:
            return ModelManifest.parse(file.read(MAX_MANIFEST + 1)).digest
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}; name a model's folder") from error


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise argparse.ArgumentTypeError("write it with = in the middle")
    return name, value


def _time(text: str) -> str:
    if not TIME.fullmatch(text):
        raise argparse.ArgumentTypeError("write a time as 2026-12-20T00:00:00Z")
    return text


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m node_image.measure",
        description="Compute what a node image measures to.",
        epilog="The engine's arguments stand at the end, behind --.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    platforms = commands.add_parser("platforms", help="what a release says of its platforms")
    _add_image(platforms)
    _add_models(platforms)
    platforms.add_argument("--toml", action="store_true", help="print tables for release.toml")
    simulated = commands.add_parser("simulated", help="the same of simulated nodes, as TOML")
    _add_models(simulated)
    simulated.add_argument("--manifest", type=_pair, metavar="ENGINE=VERSION",
                           help="print models and engine as well, for release.toml")  # fmt: skip
    whole = commands.add_parser("release", help="release.toml, of an image and its models/*.json")
    _add_image(whole)
    for name, form, text in (
        ("version", str, "version of the release"),
        ("engine", _pair, "NAME=VERSION of the engine"),
        ("source", str, "URI of the source"),
        ("commit", str, "its commit, in hex"),
        ("expires", _time, "end of the release, 2026-12-20T00:00:00Z"),
    ):
        whole.add_argument(f"--{name}", type=form, required=True, help=text)
    model = commands.add_parser("model", help="the manifest of a model")
    model.add_argument("folder", type=Path, help="folder with the files of one model")
    return parser.parse_args(argv)


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=_pair, action="append", default=[], metavar="NAME=PATH",
                        help="a model's folder or manifest, repeatable")  # fmt: skip


def _add_image(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="folder with image.json")
    parser.add_argument("--devices", type=int, default=0, help="confidential devices")
    parser.add_argument("--kind", default="nvidia-gpu", help="their kind")

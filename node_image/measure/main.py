"""The command line of `node_image.measure`.

`platforms` prints what goes under `platforms` of a release (docs/formats.md, 4.1), as JSON or as
TOML for `release.toml`; `model` prints a model's manifest. Exit 1 if a file cannot be measured; the
error is one line that names it.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from attestation.errors import ArtifactError
from attestation.event_rules import EventRule
from attestation.measure import files
from attestation.measure.artifact import Artifact
from attestation.measure.model import ModelManifest, read_model
from attestation.measure.recompute import Values, measure

DEVICES = {"count": 0, "kinds": list[str]()}
"""What a machine without confidential devices has."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    words = list(sys.argv[1:] if argv is None else argv)
    split = words.index("--") if "--" in words else len(words)
    args, engine = _parse(words[:split]), words[split + 1 :]
    try:
        if args.command == "model":
            print(read_model(args.folder).encode().decode())
        else:
            print(_platforms(args, engine))
    except ArtifactError as error:
        print(f"node_image.measure: {error}", file=sys.stderr)
        return 1
    return 0


def document(values: Values, devices: Mapping[str, object]) -> dict[str, object]:
    """Give what a release says of one platform."""
    written: dict[str, object] = {
        "measurement": values.measurement.hex(),
        "registers": {str(index): one.hex() for index, one in values.registers.items()},
        "devices": devices,
    }
    if values.events:
        written["events"] = {str(index): list(map(_rule, own)) for index, own in
                             values.events.items()}  # fmt: skip
    return written


def toml(platforms: Mapping[str, Mapping[str, object]]) -> str:
    """Give the same as tables of `release.toml`."""
    return "\n".join(
        f"[platforms.{name}]\n"
        + "".join(f"{key} = {_toml_value(value)}\n" for key, value in one.items())
        for name, one in platforms.items()
    )


def _platforms(args: argparse.Namespace, engine: Sequence[str]) -> str:
    folder = files.read_image(args.folder)
    found: dict[str, Artifact] = {}
    for name in folder.artifacts:
        one = files.read_file(args.folder, folder, name)
        if one.wrong:
            raise ArtifactError(f"{name}: {one.wrong}")
        found[name] = one.artifact
    models = [(name, _digest(Path(path))) for name, path in args.model]
    devices = {"count": args.devices, "kinds": [args.kind]} if args.devices else DEVICES
    platforms = {
        name: document(measure(machine, found, models=models, engine_arguments=engine), devices)
        for name, machine in folder.machines.items()
    }
    return toml(platforms) if args.toml else json.dumps(platforms, indent=1)


def _digest(path: Path) -> bytes:
    """Give a model's digest, from its folder or from a manifest of it."""
    if path.is_dir():
        return read_model(path).digest
    try:
        return ModelManifest.parse(path.read_bytes()).digest
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}; name a model's folder") from error


def _rule(rule: EventRule) -> dict[str, object]:
    return {
        "type": rule.type,
        "digests": sorted(digest.hex() for digest in rule.digests),
        "least": rule.least,
        "most": rule.most,
    }


def _toml_value(value: object) -> str:
    match value:
        case Mapping():
            inside = ", ".join(f"{key} = {_toml_value(one)}" for key, one in value.items())
            return f"{{ {inside} }}" if inside else "{}"
        case list():
            return "[" + ", ".join(map(_toml_value, value)) + "]"
        case _:
            return json.dumps(value)


def _model(text: str) -> tuple[str, str]:
    name, sign, path = text.partition("=")
    if not (name and sign and path):
        raise argparse.ArgumentTypeError("write NAME=FOLDER")
    return name, path


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m node_image.measure",
        description="Compute what a node image measures to.",
        epilog="The engine's arguments stand at the end, behind --.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    platforms = commands.add_parser("platforms", help="what a release says of its platforms")
    platforms.add_argument("folder", type=Path, help="folder with image.json")
    platforms.add_argument("--model", type=_model, action="append", default=[], metavar="NAME=PATH",
                           help="a model's folder or manifest, repeatable")  # fmt: skip
    platforms.add_argument("--devices", type=int, default=0, help="confidential devices")
    platforms.add_argument("--kind", default="nvidia-gpu", help="their kind")
    platforms.add_argument("--toml", action="store_true", help="print tables for release.toml")
    model = commands.add_parser("model", help="the manifest of a model")
    model.add_argument("folder", type=Path, help="folder with the files of one model")
    return parser.parse_args(argv)

"""What release signers sign about an image: `release.toml` (docs/keys.md, 3). Pure.

Everything that files decide comes from the files; the rest is said by whoever builds: who made it,
from which source, until when it is good. Signers make the same file from the same image and compare
(docs/node-image.md).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from attestation.event_rules import EventRule
from attestation.measure.recompute import Values

ATTESTED = "attested"
"""Mode of a release that clients accept."""

DEBUG = "debug"
"""Mode of an image that says on its console what it does. `openpcc-log publish` refuses to sign it,
and no reader of the log knows it."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What no file decides.

    Attributes:
        version: of the release.
        engine: name and version of the engine.
        arguments: of the engine.
        source: URI of the source, and its commit in hex.
        expires: a time, as 2026-12-20T00:00:00Z.
    """

    version: str
    engine: tuple[str, str]
    arguments: Sequence[str]
    source: tuple[str, str]
    expires: str


def platform(values: Values, devices: Mapping[str, object]) -> dict[str, object]:
    """Give what a release says of one platform."""
    written: dict[str, object] = {
        "measurement": values.measurement.hex(),
        "registers": {str(index): one.hex() for index, one in values.registers.items()},
        "devices": devices,
    }
    if values.events:
        written["events"] = {
            str(index): list(map(_rule, own)) for index, own in values.events.items()
        }
    return written


def platforms_toml(platforms: Mapping[str, Mapping[str, object]]) -> str:
    """Give platforms as tables of `release.toml`."""
    return "\n".join(_table(f"[platforms.{name}]", one) for name, one in platforms.items())


def release_toml(
    said: Said,
    *,
    image: str,
    recipe: str,
    mode: str,
    platforms: Mapping[str, Mapping[str, object]],
    models: Sequence[tuple[str, bytes]],
) -> str:
    """Give `release.toml`.

    Args:
        said: what no file decides.
        image: file of the image, which `openpcc-log publish` hashes; of the recipe `recipe`.
        recipe: see `image`.
        mode: `ATTESTED` or `DEBUG`.
        platforms: what the release says of each (`platform`).
        models: name and digest of each.
    """
    tables = [
        _table("", {"name": "openpcc-node", "version": said.version, "image": {"file": image}})
        + f"mode = {_value(mode)}\nexpires = {said.expires}\n",
        platforms_toml(platforms),
        software_toml(models, said.engine, said.arguments),
        _table("[source]", {"uri": said.source[0], "commit": said.source[1]}),
        _table("[recipe]", {"uri": "node_image/build", "file": recipe}),
    ]
    return "\n".join(tables)


def software_toml(
    models: Sequence[tuple[str, bytes]], engine: tuple[str, str], arguments: Sequence[str]
) -> str:
    """Give models and engine as tables of `release.toml`."""
    name, version = engine
    ran = {"name": name, "version": version, "arguments": list(arguments)}
    return "\n".join(
        [
            *(_table("[[models]]", {"name": one, "digest": own.hex()}) for one, own in models),
            _table("[engine]", ran),
        ]
    )


def _table(head: str, members: Mapping[str, object]) -> str:
    lines = [f"{key} = {_value(value)}" for key, value in members.items()]
    return "\n".join([*([head] if head else []), *lines, ""])


def _rule(rule: EventRule) -> dict[str, object]:
    return {
        "type": rule.type,
        "digests": sorted(digest.hex() for digest in rule.digests),
        "least": rule.least,
        "most": rule.most,
    }


def _value(value: object) -> str:
    match value:
        case Mapping():
            inside = ", ".join(f"{key} = {_value(one)}" for key, one in value.items())
            return f"{{ {inside} }}" if inside else "{}"
        case list():
            return "[" + ", ".join(map(_value, value)) + "]"
        case _:
            return json.dumps(value)

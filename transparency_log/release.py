"""Release entries: an image, and what a machine that runs it must measure to.

docs/formats.md, 4.1. Signed by the release signers; accepted only while a status entry lists it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from transparency_log.strict_json import Members, StrictJSONError

RELEASE_TYPE = "tag:openpcc.org,2026:release/v1"
"""Predicate type."""

MAX_PLATFORMS = 16
"""Platforms in a release; the specification of evidence knows six."""

MAX_MODELS = 64
"""Models in a release or served by a service."""

REGISTERS = frozenset(str(number) for number in range(24))
"""Register indexes as texts: RTMRs are 0 to 3, PCRs 0 to 23."""

MAX_RULES = 64
"""Rules of a register, and digests of a rule; firmware writes about 20 events into one."""

MAX_TYPE = 2**32 - 1
"""Highest type of an event."""

MOST_EVENTS = 1024
"""Events of a log, at most."""

MEASUREMENT_SIZE = 48
"""Bytes of a launch measurement or register: SHA-384."""


DIGEST = re.compile(r"[0-9a-f]{96}", re.ASCII)
"""A digest of an event: SHA-384."""


@dataclass(frozen=True, kw_only=True)
class Devices:
    """How many confidential devices a machine has, and of which kinds."""

    count: int
    kinds: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class EventRule:
    """Events that a register may have: their type, what their digests may be (empty: anything)."""

    type: int
    digests: tuple[bytes, ...]
    least: int
    most: int


@dataclass(frozen=True, kw_only=True)
class PlatformReference:
    """Reference values of a release on one platform.

    Attributes:
        measurement: launch measurement.
        registers: index to value.
        devices: confidential devices of the machine.
        events: index to the rules of a register whose value is not known; left out: none is.
    """

    measurement: bytes
    registers: Mapping[int, bytes]
    devices: Devices
    events: Mapping[int, tuple[EventRule, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model and the digest of its files."""

    name: str
    digest: bytes


@dataclass(frozen=True, kw_only=True)
class Engine:
    """The inference engine of the image and the arguments it is started with."""

    name: str
    version: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the source stands; `commit` is 40 or 64 hex digits."""

    uri: str
    commit: str


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the image is built from the source."""

    uri: str
    sha256: bytes


@dataclass(frozen=True, kw_only=True)
class ReleaseStatement:
    """What a release entry says. `entry.Release` is one whose signatures were checked."""

    name: str
    version: str
    image: bytes
    platforms: Mapping[str, PlatformReference]
    models: tuple[Model, ...]
    engine: Engine
    source: Source
    recipe: Recipe
    expires: int
    mode: str = "attested"

    def predicate(self) -> dict[str, object]:
        """Write the predicate's members, in the order of docs/formats.md."""
        return {
            "name": self.name,
            "version": self.version,
            "image": {"sha256": self.image.hex()},
            "platforms": {name: _platform_json(one) for name, one in self.platforms.items()},
            "models": [{"name": one.name, "digest": one.digest.hex()} for one in self.models],
            "engine": {
                "name": self.engine.name,
                "version": self.engine.version,
                "arguments": list(self.engine.arguments),
            },
            "source": {"uri": self.source.uri, "commit": self.source.commit},
            "recipe": {"uri": self.recipe.uri, "sha256": self.recipe.sha256.hex()},
            "mode": self.mode,
            "expires": self.expires,
        }


def parse_release(predicate: Members) -> ReleaseStatement:
    """Read a release predicate.

    Raises:
        StrictJSONError: another spelling, or a mode this version does not know.
    """
    image = predicate.child("image")
    release = ReleaseStatement(
        name=predicate.text("name", limit=256),
        version=predicate.text("version", limit=256),
        image=image.hex("sha256", size=32),
        platforms=_platforms(predicate.child("platforms")),
        models=tuple(_model(one) for one in predicate.children("models", limit=MAX_MODELS)),
        engine=_engine(predicate.child("engine")),
        source=_source(predicate.child("source")),
        recipe=_recipe(predicate.child("recipe")),
        mode=predicate.choice("mode", frozenset({"attested"})),
        expires=predicate.integer("expires"),
    )
    image.end()
    predicate.end()
    return release


def _platforms(members: Members) -> dict[str, PlatformReference]:
    names = members.names()
    if not 1 <= len(names) <= MAX_PLATFORMS:
        raise StrictJSONError(f"{members.name}: expected 1 to {MAX_PLATFORMS} platforms")
    return {name: _platform(members.child(name)) for name in names}


def _platform(members: Members) -> PlatformReference:
    devices = members.child("devices")
    registers = members.child("registers")
    platform = PlatformReference(
        measurement=members.hex("measurement", size=MEASUREMENT_SIZE),
        registers={
            _register(registers, key): registers.hex(key, size=MEASUREMENT_SIZE)
            for key in registers.names()
        },
        devices=Devices(
            count=devices.integer("count", high=64),
            kinds=tuple(devices.texts("kinds", limit=16, length=64)),
        ),
        events=_events(members.child("events")) if "events" in members else {},
    )
    devices.end()
    members.end()
    both = sorted(set(platform.registers) & set(platform.events))
    if both:
        raise StrictJSONError(f"{members.name}: register {both[0]} has a value and rules")
    return platform


def _events(members: Members) -> dict[int, tuple[EventRule, ...]]:
    names = members.names()
    if not names:
        raise StrictJSONError(f"{members.name}: rules of no register; leave it out")
    return {
        _register(members, key): tuple(map(_rule, members.children(key, limit=MAX_RULES)))
        for key in names
    }


def _rule(members: Members) -> EventRule:
    rule = EventRule(
        type=members.integer("type", high=MAX_TYPE),
        digests=tuple(map(_digest, members.texts("digests", limit=MAX_RULES, length=96))),
        least=members.integer("least", high=MOST_EVENTS),
        most=members.integer("most", low=1, high=MOST_EVENTS),
    )
    members.end()
    if rule.least > rule.most or len(set(rule.digests)) != len(rule.digests):
        raise StrictJSONError(f"{members.name}: least above most, or a digest twice")
    return rule


def _digest(text: str) -> bytes:
    if not DIGEST.fullmatch(text):
        raise StrictJSONError("events: a digest is 96 lower-case hex digits")
    return bytes.fromhex(text)


def _register(members: Members, key: str) -> int:
    if key not in REGISTERS:
        raise StrictJSONError(f"{members.name}: {key[:8]!r} is not a register of 0 to 23")
    return int(key)


def _model(members: Members) -> Model:
    model = Model(name=members.text("name", limit=256), digest=members.hex("digest", size=32))
    members.end()
    return model


def _engine(members: Members) -> Engine:
    engine = Engine(
        name=members.text("name", limit=256),
        version=members.text("version", limit=256),
        arguments=tuple(members.texts("arguments", limit=256, length=4096)),
    )
    members.end()
    return engine


def _source(members: Members) -> Source:
    source = Source(uri=members.text("uri"), commit=members.text("commit", limit=64))
    members.end()
    if len(source.commit) not in (40, 64) or set(source.commit) - set("0123456789abcdef"):
        raise StrictJSONError(f"{members.name}.commit: expected 40 or 64 lower-case hex digits")
    return source


def _recipe(members: Members) -> Recipe:
    recipe = Recipe(uri=members.text("uri"), sha256=members.hex("sha256", size=32))
    members.end()
    return recipe


def _platform_json(platform: PlatformReference) -> dict[str, object]:
    written: dict[str, object] = {
        "measurement": platform.measurement.hex(),
        "registers": {str(key): value.hex() for key, value in platform.registers.items()},
        "devices": {"count": platform.devices.count, "kinds": list(platform.devices.kinds)},
    }
    if platform.events:
        written["events"] = {str(key): _rules_json(rules) for key, rules in platform.events.items()}
    return written


def _rules_json(rules: Sequence[EventRule]) -> list[dict[str, object]]:
    return [
        {
            "type": rule.type,
            "digests": [digest.hex() for digest in rule.digests],
            "least": rule.least,
            "most": rule.most,
        }
        for rule in rules
    ]

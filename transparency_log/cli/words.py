"""What a statement says, in words, for whoever is about to sign it. Pure.

Every member is shown: what is not shown could be signed unread.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import assert_never

from transparency_log.cli.memory import Memory
from transparency_log.draft import Draft, Groups, progress, signed_by
from transparency_log.dsse import key_hint
from transparency_log.payload import EntryStatement
from transparency_log.release import EventRule, ReleaseStatement
from transparency_log.rotation import RotationStatement
from transparency_log.service import ServiceStatement
from transparency_log.status import Floors, StatusStatement


def describe(
    draft: Draft, groups: Groups, *, now: int, memory: Memory | None = None
) -> Iterator[str]:
    """Give the lines that are shown before anybody signs; `memory` None: the log was not read."""
    yield f"{draft.kind.name.lower()}, payload SHA-256 {draft.digest.hex()}"
    for line in _statement(draft.statement, now, memory):
        yield f"  {line}"
    signed = signed_by(draft, groups)
    for name, (have, need) in progress(signed, groups).items():
        yield f"{name}: {have} of {need} needed signatures"
    for key in sorted(signed):
        yield f"  signed by {key_hint(key)}"


def lines(statement: EntryStatement, *, now: int, memory: Memory | None = None) -> Iterator[str]:
    """Give what a statement says, every member of it."""
    return _statement(statement, now, memory)


def when(seconds: int, now: int) -> str:
    """Write a time, and how far it is.

    2026-12-20T00:00:00Z, in 29 d
    """
    try:
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        text = f"{seconds} (no year of four digits)"
    ahead = seconds - now
    return f"{text}, {f'in {_span(ahead)}' if ahead >= 0 else f'{_span(-ahead)} ago'}"


def _span(seconds: int) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _statement(statement: EntryStatement, now: int, memory: Memory | None) -> Iterator[str]:
    match statement:
        case ReleaseStatement():
            yield from _release(statement, now)
        case StatusStatement():
            yield from _status(statement, now, memory)
        case RotationStatement():
            yield from _rotation(statement, now)
        case ServiceStatement():
            yield f"service {statement.service}, number {statement.sequence}"
        case _:
            assert_never(statement)


def _release(release: ReleaseStatement, now: int) -> Iterator[str]:
    yield f"{release.name} {release.version}, mode {release.mode}"
    yield f"expires {when(release.expires, now)}"
    yield f"image SHA-256 {release.image.hex()}"
    for name, platform in release.platforms.items():
        yield f"on {name}: launch measurement {platform.measurement.hex()}"
        for register, value in platform.registers.items():
            yield f"  register {register} {value.hex()}"
        for register, rules in platform.events.items():
            for rule in rules:
                yield f"  register {register} is ruled: {_rule(rule)}"
        devices = platform.devices
        yield f"  devices: {devices.count}{_of(devices.kinds)}"
    for model in release.models:
        yield f"model {model.name}: {model.digest.hex()}"
    engine = release.engine
    yield f"engine {engine.name} {engine.version}, arguments {list(engine.arguments)!r}"
    yield f"source {release.source.uri}, commit {release.source.commit}"
    yield f"recipe {release.recipe.uri}, SHA-256 {release.recipe.sha256.hex()}"


def _rule(rule: EventRule) -> str:
    digests = " or ".join(one.hex() for one in rule.digests) or "ANY digest: the host's to choose"
    return f"{rule.least} to {rule.most} events of type 0x{rule.type:08x}, {digests}"


def _of(kinds: tuple[str, ...]) -> str:
    return f", {', '.join(kinds)}" if kinds else ""


def _status(status: StatusStatement, now: int, memory: Memory | None) -> Iterator[str]:
    previous = "the first" if status.previous is None else f"after {status.previous.hex()}"
    yield f"of the log {status.log}, number {status.sequence}, {previous}"
    yield f"issued {when(status.issued, now)}"
    yield f"accepts {len(status.releases)} release(s), and no other:"
    for leaf in status.releases:
        yield f"  {leaf.hex()}{_known(leaf, now, memory)}"
    yield from _floors(status.floors, now)


def _known(leaf: bytes, now: int, memory: Memory | None) -> str:
    if memory is None:
        return ""
    found = memory.releases.get(leaf)
    if found is None:
        return " NOT FOUND in the log as a release of these signers"
    return f" {found.name} {found.version}, expires {when(found.expires, now)}"


def _floors(floors: Floors, now: int) -> Iterator[str]:
    yield f"tcbEvaluationDataNumber at least {floors.tcb_evaluation}"
    for issuer, floor in floors.crl.items():
        since = f"not before {when(floor.time, now)}" if floor.time else "of any time"
        yield f"revocation lists by {issuer.hex()}: number at least {floor.number}, {since}"
    for platform, versions in floors.minimum_tcb.items():
        text = ", ".join(f"{name} {version}" for name, version in versions.items())
        yield f"firmware on {platform} at least: {text}"


def _rotation(rotation: RotationStatement, now: int) -> Iterator[str]:
    yield f"of the log {rotation.log}: new keys of the {rotation.role.value} {rotation.name}"
    yield f"issued {when(rotation.issued, now)}; new keys from {when(rotation.not_before, now)}"
    for word, keys in (("old", rotation.old), ("new", rotation.new)):
        yield f"{word} keys, {keys.threshold} of {len(keys.keys)}:"
        for key in keys.keys:
            yield f"  {key}"

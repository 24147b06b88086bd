"""Step 4: each entry by itself. Runs in processes of its own, so what goes in and out is small.

An entry is one of these, and each is counted:

- malformed   it does not parse, or its signers signed what does not
- unsigned    too few signatures of the policy's signers of its kind
- foreign     signed by them, and about another log; or an announcement about others' keys; or one
              of more services than a monitor follows (`book`)
- verified    the rest: given back, for the chains
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from transparency_log.entry import (
    EntryKind,
    Release,
    Rotation,
    Service,
    Status,
    UnverifiedEntry,
    parse_entry,
    verify_parsed,
)
from transparency_log.errors import MalformedEntryError, NotSignedError
from transparency_log.monitor.watch import Stage, Watch, role_signers
from transparency_log.payload import read_payload
from transparency_log.rotation import Role, RotationStatement, public_keys


class Passed(StrEnum):
    """Why an entry was passed over."""

    MALFORMED = "malformed"
    UNSIGNED = "unsigned"
    FOREIGN = "foreign"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A model's directory, as a service entry has it."""

    model: str
    root: bytes
    size: int


@dataclass(frozen=True, kw_only=True)
class Link:
    """A verified entry of a chain.

    Attributes:
        kind: STATUS or SERVICE.
        name: of the log or the service.
        index: in the log.
        sequence: its number.
        previous: leaf hash that it names.
        leaf: its own.
        digest: of its payload.
        time: when it says it was made or begins to count, Unix seconds.
        releases: of a status, those it lists.
        directories: of a service entry.
    """

    kind: EntryKind
    name: str
    index: int
    sequence: int
    previous: bytes | None
    leaf: bytes
    digest: bytes
    time: int
    releases: tuple[bytes, ...] = ()
    directories: tuple[Listed, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SeenRelease:
    """A verified release; `digest` is of its payload."""

    index: int
    leaf: bytes
    digest: bytes
    expires: int


@dataclass(frozen=True, kw_only=True)
class SeenRotation:
    """A verified announcement about keys that the policy lists, or is to list."""

    index: int
    role: Role
    name: str
    stage: Stage
    not_before: int


Seen = Link | SeenRelease | SeenRotation


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What became of a stretch's entries; `seen` in the order of the log."""

    passed: Mapping[Passed, int]
    seen: tuple[Seen, ...]


def judge(start: int, entries: Sequence[bytes], watch: Watch) -> Judged:
    """Judge consecutive entries, the first of which stands at `start`."""
    passed: Counter[Passed] = Counter()
    seen: list[Seen] = []
    for index, data in enumerate(entries, start=start):
        found = _entry(index, data, watch)
        if isinstance(found, Passed):
            passed[found] += 1
        else:
            seen.append(found)
    return Judged(passed=dict(passed), seen=tuple(seen))


def _entry(index: int, data: bytes, watch: Watch) -> Seen | Passed:
    try:
        unverified = parse_entry(data)
        if unverified.kind is EntryKind.ROTATION:
            return _rotation(index, unverified, watch)
        return _signed(index, unverified, watch)
    except MalformedEntryError:
        return Passed.MALFORMED
    except NotSignedError:
        return Passed.UNSIGNED


def _signed(index: int, unverified: UnverifiedEntry, watch: Watch) -> Seen | Passed:
    match verify_parsed(unverified, watch.signers[unverified.kind]):
        case Release() as release:
            return SeenRelease(
                index=index,
                leaf=release.leaf_hash,
                digest=release.payload_digest,
                expires=release.expires,
            )
        case Status() as status:
            return _status(index, status) if status.log == watch.log.origin else Passed.FOREIGN
        case Service() as service:
            return _service(index, service)
        case Rotation():
            return Passed.FOREIGN


def _status(index: int, status: Status) -> Link:
    return Link(
        kind=EntryKind.STATUS,
        name=status.log,
        index=index,
        sequence=status.sequence,
        previous=status.previous,
        leaf=status.leaf_hash,
        digest=status.payload_digest,
        time=status.issued,
        releases=status.releases,
    )


def _service(index: int, service: Service) -> Link:
    return Link(
        kind=EntryKind.SERVICE,
        name=service.service,
        index=index,
        sequence=service.sequence,
        previous=service.previous,
        leaf=service.leaf_hash,
        digest=service.payload_digest,
        time=service.not_before,
        directories=tuple(
            Listed(model=one.name, root=one.directory.root, size=one.directory.size)
            for one in service.models
        ),
    )


def _rotation(index: int, unverified: UnverifiedEntry, watch: Watch) -> SeenRotation | Passed:
    """Judge an announcement: of keys that the policy does not list, nothing can be said."""
    statement = read_payload(unverified.envelope.unverified_payload)
    if not isinstance(statement, RotationStatement):
        return Passed.MALFORMED
    stage = watch.stage(statement)
    if stage is None:
        return Passed.FOREIGN
    old = role_signers(statement.old, public_keys(statement.role, statement.old.keys))
    verify_parsed(unverified, old)
    return SeenRotation(
        index=index,
        role=statement.role,
        name=statement.name,
        stage=stage,
        not_before=statement.not_before,
    )

"""What an entry says: kinds, subjects, writing and reading. Nothing here says who signed it.

docs/formats.md, 4. The payload of an entry is an in-toto Statement with exactly one subject; the
predicate type is the kind. `entry` checks signatures, `draft` collects them.
"""

import hashlib
from enum import Enum
from typing import assert_never

from transparency_log.errors import MalformedEntryError
from transparency_log.release import RELEASE_TYPE, ReleaseStatement, parse_release
from transparency_log.rotation import ROTATION_TYPE, RotationStatement, parse_rotation
from transparency_log.service import SERVICE_TYPE, ServiceStatement, parse_service
from transparency_log.statement import Statement, encode_statement, parse_statement
from transparency_log.status import STATUS_TYPE, StatusStatement, parse_status
from transparency_log.strict_json import StrictJSONError
from transparency_log.tile import MAX_ENTRY


class EntryKind(Enum):
    """Kinds of entries; the values are the predicate types."""

    RELEASE = RELEASE_TYPE
    STATUS = STATUS_TYPE
    SERVICE = SERVICE_TYPE
    ROTATION = ROTATION_TYPE


EntryStatement = ReleaseStatement | StatusStatement | ServiceStatement | RotationStatement
"""What can be signed into an entry."""


def encode_payload(statement: EntryStatement) -> bytes:
    """Write what is signed.

    Raises:
        MalformedEntryError: it would not be read back, for instance because it is too long.
    """
    name, digest, kind = _subject(statement)
    payload = encode_statement(
        subject=name,
        sha256=digest,
        predicate_type=kind.value,
        predicate=statement.predicate(),
    )
    read_payload(payload)
    return payload


def kind_of(statement: Statement) -> EntryKind:
    """Give the kind that a statement claims.

    Raises:
        MalformedEntryError: none that we know.
    """
    try:
        return EntryKind(statement.predicate_type)
    except ValueError as error:
        raise MalformedEntryError("statement.predicateType: no kind of entry we know") from error


def read_payload(payload: bytes) -> EntryStatement:
    """Read the predicate, and check that the one subject is the predicate's.

    Raises:
        MalformedEntryError: not the one spelling of an entry of a known kind.
    """
    statement = parse_statement(payload, limit=MAX_ENTRY)
    if len(statement.subjects) != 1:
        raise MalformedEntryError("statement: expected one subject")
    found = statement.subjects[0]
    try:
        parsed = _predicate(kind_of(statement), statement)
    except StrictJSONError as error:
        raise MalformedEntryError(str(error)) from error
    name, digest, _ = _subject(parsed)
    if (found.name, dict(found.digest)) != (name, {"sha256": digest.hex()}) or found.uri:
        raise MalformedEntryError("statement.subject: not the subject of this predicate")
    return parsed


def _predicate(kind: EntryKind, statement: Statement) -> EntryStatement:
    match kind:
        case EntryKind.RELEASE:
            return parse_release(statement.predicate)
        case EntryKind.STATUS:
            return parse_status(statement.predicate, log=statement.subjects[0].name)
        case EntryKind.SERVICE:
            return parse_service(statement.predicate)
        case EntryKind.ROTATION:
            return parse_rotation(statement.predicate, log=statement.subjects[0].name)
        case _:
            assert_never(kind)


def _subject(statement: EntryStatement) -> tuple[str, bytes, EntryKind]:
    """Name the subject: a release's image; the SHA-256 of a log's or service's name."""
    match statement:
        case ReleaseStatement():
            return statement.name, statement.image, EntryKind.RELEASE
        case StatusStatement():
            name, kind = statement.log, EntryKind.STATUS
        case ServiceStatement():
            name, kind = statement.service, EntryKind.SERVICE
        case RotationStatement():
            name, kind = statement.log, EntryKind.ROTATION
        case _:
            assert_never(statement)
    return name, hashlib.sha256(name.encode()).digest(), kind

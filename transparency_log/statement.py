"""in-toto Statement v1, and SLSA provenance v1 as one of its predicates.

    {"_type": "https://in-toto.io/Statement/v1",
     "subject": [{"name": "image", "digest": {"sha256": "6105d6cc…"}}],
     "predicateType": "https://slsa.dev/provenance/v1", "predicate": {…}}

`parse_statement` reads any such document: subjects and predicate type, unknown members ignored, as
in-toto asks. What a predicate of ours must hold is left to `entry`; whether a provenance is by a
builder somebody trusts is left to the one who verified its envelope.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from transparency_log.errors import MalformedEntryError
from transparency_log.strict_json import Members, StrictJSONError, dumps, parse_object

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
"""The `_type` of a Statement v1."""

OLD_STATEMENT_TYPE = "https://in-toto.io/Statement/v0.1"
"""The `_type` of a Statement before v1: the same members."""

PAYLOAD_TYPE = "application/vnd.in-toto+json"
"""The DSSE payload type of a Statement."""

MAX_STATEMENT = 16 * 2**20
"""Bytes of a statement; build provenances can list thousands of dependencies."""

MAX_RESOURCES = 65536
"""Subjects or dependencies in one list."""

DIGEST_SIZES: Mapping[str, tuple[int, ...]] = {
    "md5": (32,),
    "sha1": (40,),
    "sha224": (56,),
    "sha256": (64,),
    "sha384": (96,),
    "sha512": (128,),
    "sha512_224": (56,),
    "sha512_256": (64,),
    "sha3_224": (56,),
    "sha3_256": (64,),
    "sha3_384": (96,),
    "sha3_512": (128,),
    "dirHash": (64,),
    "gitCommit": (40, 64),
    "gitTree": (40, 64),
    "gitBlob": (40, 64),
    "gitTag": (40, 64),
}
"""Hex digits of the digests whose algorithm in-toto fixes; others are any text."""


@dataclass(frozen=True, kw_only=True)
class ResourceDescriptor:
    """What identifies an artifact; "" and an empty map mean that a member is absent."""

    name: str = ""
    uri: str = ""
    digest: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Statement:
    """Subjects and the type of what is said about them; `predicate` is read by who knows it."""

    subjects: tuple[ResourceDescriptor, ...]
    predicate_type: str
    predicate: Members


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The members of a SLSA provenance v1 that a verifier compares with its expectations."""

    build_type: str
    builder_id: str
    resolved_dependencies: tuple[ResourceDescriptor, ...]
    external_parameters: Members


def encode_statement(
    *, subject: str, sha256: bytes, predicate_type: str, predicate: object
) -> bytes:
    """Write a statement about one subject."""
    return dumps(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": subject, "digest": {"sha256": sha256.hex()}}],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
    )


def parse_statement(
    data: bytes,
    *,
    limit: int = MAX_STATEMENT,
    types: frozenset[str] = frozenset({STATEMENT_TYPE}),
) -> Statement:
    """Read a Statement, v1 unless `types` names others.

    Raises:
        MalformedEntryError: another `_type`, no subject, a subject without digest, a digest that
            does not fit its algorithm, or no predicate type or predicate.
    """
    try:
        members = parse_object(data, limit=limit, name="statement")
        members.choice("_type", types)
        subjects = _resources(members, "subject")
        if not subjects or not all(subject.digest for subject in subjects):
            raise MalformedEntryError("statement.subject: expected subjects with a digest each")
        return Statement(
            subjects=subjects,
            predicate_type=_filled(members, "predicateType"),
            predicate=members.child("predicate"),
        )
    except StrictJSONError as error:
        raise MalformedEntryError(str(error)) from error


def parse_provenance(predicate: Members) -> Provenance:
    """Read a SLSA provenance v1 predicate: what build level 1 requires, and all dependencies.

    Raises:
        MalformedEntryError: build type, external parameters or builder id is missing, or a resource
            descriptor is not valid.
    """
    try:
        build = predicate.child("buildDefinition")
        run = predicate.child("runDetails")
        builder = run.child("builder")
        _resources(builder, "builderDependencies")
        _resources(run, "byproducts")
        return Provenance(
            build_type=_filled(build, "buildType"),
            builder_id=_filled(builder, "id"),
            resolved_dependencies=_resources(build, "resolvedDependencies"),
            external_parameters=build.child("externalParameters"),
        )
    except StrictJSONError as error:
        raise MalformedEntryError(str(error)) from error


def parse_resource(members: Members) -> ResourceDescriptor:
    """Read a resource descriptor.

    Raises:
        MalformedEntryError: none of name, uri and digest, or a digest of the wrong spelling.
    """
    try:
        resource = ResourceDescriptor(
            name=members.text("name", limit=4096) if "name" in members else "",
            uri=members.text("uri", limit=4096) if "uri" in members else "",
            digest=_digests(members.child("digest")) if "digest" in members else {},
        )
    except StrictJSONError as error:
        raise MalformedEntryError(str(error)) from error
    if not (resource.name or resource.uri or resource.digest):
        raise MalformedEntryError(f"{members.name}: expected one of name, uri and digest")
    return resource


def _resources(members: Members, key: str) -> tuple[ResourceDescriptor, ...]:
    if key not in members:
        return ()
    return tuple(parse_resource(one) for one in members.children(key, limit=MAX_RESOURCES))


def _digests(members: Members) -> dict[str, str]:
    found = {}
    for algorithm in members.names():
        value = members.text(algorithm, limit=4096)
        sizes = DIGEST_SIZES.get(algorithm)
        if sizes and not (re.fullmatch(r"[0-9a-f]+", value) and len(value) in sizes):
            raise MalformedEntryError(f"{members.name}.{algorithm}: not a digest of its algorithm")
        found[algorithm] = value
    return found


def _filled(members: Members, key: str) -> str:
    value = members.text(key, limit=4096)
    if not value:
        raise MalformedEntryError(f"{members.name}.{key}: expected a text that is not empty")
    return value

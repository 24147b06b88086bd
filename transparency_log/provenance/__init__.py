"""Build provenance: who built an image, and from which source, in a form that needs no network.

A Sigstore bundle around an in-toto Statement with a SLSA provenance v1. The argument:

1. parse         the bundle is read within limits                           bundle
2. authenticate  signed by the certificate's key, the certificate by a      signed,
                 trusted authority, both in public logs, at a witnessed     sigstore
                 time; the certificate names the expected identity
3. appraise      the statement is about this image; builder, build type,    here
                 parameters, source and commit are the expected ones

It proves what the builder says under an identity that the policy trusts, and that this was public.
Not that the source is good, and not that the builder was not broken into: an image counts because
the release signers signed it (`release`); provenance is asked for beside that, never instead.

Provenance does not age: what counts is that everything was valid when it was signed. So nothing
here needs the time.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from transparency_log.errors import ProvenanceError
from transparency_log.provenance.signed import Signed, Signer, check_subject, verify_statement
from transparency_log.statement import (
    Provenance,
    ResourceDescriptor,
    Statement,
    parse_provenance,
)
from transparency_log.strict_json import Members, StrictJSONError

PROVENANCE_TYPE = "https://slsa.dev/provenance/v1"
"""Predicate type; provenance of another version says the same things elsewhere, and is refused."""

GIT_COMMIT = "gitCommit"
"""Name of the digest that is a commit."""

MAX_PARAMETER = 4096
"""Characters of a text among the external parameters, and texts of a list there."""

Parameters = Mapping[str, object]
"""External parameters: names to texts, integers, booleans, lists of texts, or parameters."""


@dataclass(frozen=True, kw_only=True)
class ProvenancePolicy:
    """Whose word about a build counts, and what it must say. Every text is compared exactly.

    Attributes:
        signer: who must have signed the provenance, and the roots that vouch for that.
        builder: `runDetails.builder.id`: the platform that the build ran on.
        build_type: `buildDefinition.buildType`: how the rest of the provenance is to be read.
        source: URI of the source; see `_names`.
        parameters: exactly the external parameters of the build; None: whatever they were, so that
            identity, source and commit alone say what was built.
    """

    signer: Signer
    builder: str
    build_type: str
    source: str
    parameters: Parameters | None = None


@dataclass(frozen=True, kw_only=True)
class VerifiedProvenance:
    """What was shown about a build. Made only by `verify_provenance`.

    Attributes:
        image: SHA-256 of what was built.
        commit: of the source, hex.
        signed: when it was signed at the latest, Unix seconds, by a witnessed clock.
        log_index: its place in the public log.
    """

    image: bytes
    builder: str
    build_type: str
    source: str
    commit: str
    identity: str
    issuer: str
    signed: int
    log_index: int


def verify_provenance(
    bundle: bytes, *, policy: ProvenancePolicy, image_sha256: bytes, commit: str
) -> VerifiedProvenance:
    """Verify that the image was built from the commit, as the policy wants it.

    Args:
        bundle: a Sigstore bundle, JSON.
        policy: whose word counts.
        image_sha256: of the release.
        commit: source commit of the release, hex.

    Raises:
        PolicyError: the package `sigstore` is not installed.
        MalformedError: not a bundle, or not a SLSA provenance v1 inside.
        ProvenanceError: authentic for all we know or not, and not what the policy asks for.
    """
    signed, statement = verify_statement(bundle, policy.signer)
    check_subject(statement, image_sha256)
    found = _provenance(statement)
    _equal("builder", policy.builder, found.builder_id)
    _equal("build type", policy.build_type, found.build_type)
    if policy.parameters is not None:
        _check_parameters(found.external_parameters, policy.parameters)
    _check_source(found.resolved_dependencies, policy.source, commit)
    _check_certificate(signed, policy.source, commit)
    return VerifiedProvenance(
        image=image_sha256,
        builder=found.builder_id,
        build_type=found.build_type,
        source=policy.source,
        commit=commit,
        identity=policy.signer.identity,
        issuer=policy.signer.issuer,
        signed=signed.time,
        log_index=signed.log_index,
    )


def _provenance(statement: Statement) -> Provenance:
    _equal("predicate type", PROVENANCE_TYPE, statement.predicate_type)
    return parse_provenance(statement.predicate)


def _check_source(found: tuple[ResourceDescriptor, ...], source: str, commit: str) -> None:
    """Every dependency that names the source must be at the commit, and one must be there."""
    commits = [one.digest.get(GIT_COMMIT) for one in found if _names(one.uri, source)]
    if not commits:
        raise ProvenanceError("source", expected=source, actual=f"{len(found)} other dependencies")
    for one in commits:
        _equal("source commit", commit, one or "none")


def _names(uri: str, source: str) -> bool:
    """Say whether a dependency is the source: its URI, as SPDX writes it, with or without a ref.

    Of `https://example.org/code`: `https://example.org/code`, `git+https://example.org/code`, and
    either with `@refs/heads/main` behind it. A source with a ref is itself, with that ref.
    """
    bare = uri.removeprefix("git+")
    wanted = source.removeprefix("git+")
    return bare == wanted or bare.startswith(f"{wanted}@")


def _check_certificate(signed: Signed, source: str, commit: str) -> None:
    """Where the certificate itself speaks of the source, it must speak of the same commit.

    That word is the identity provider's, not the build's. It may be about another repository, that
    of a workflow which builds the source of others; then it says nothing here.
    """
    if signed.source_uri is not None and _names(signed.source_uri, source):
        _equal("source commit of the certificate", commit, signed.source_commit or "none")


def _check_parameters(found: Members, expected: Parameters) -> None:
    try:
        _match(found, expected)
    except StrictJSONError as error:
        raise ProvenanceError(
            "parameters", expected="those of the policy", actual=str(error)
        ) from (error)


def _match(found: Members, expected: Parameters) -> None:
    """Compare name by name, both ways: a parameter nobody expects may change what is built."""
    for name, value in expected.items():
        match value:
            case Mapping():
                _match(found.child(name), value)
            case _:
                _equal(f"{found.name}.{name}", str(value), str(_plain(found, name, value)))
    found.end()


def _plain(found: Members, name: str, expected: object) -> object:
    """Take a value of the type expected; another type is refused by `Members`."""
    match expected:
        case bool():
            return found.boolean(name)
        case int():
            return found.integer(name)
        case list():
            return found.texts(name, limit=MAX_PARAMETER, length=MAX_PARAMETER)
        case _:
            return found.text(name, limit=MAX_PARAMETER)


def _equal(claim: str, expected: str, actual: str) -> None:
    if actual != expected:
        raise ProvenanceError(claim, expected=expected, actual=actual)

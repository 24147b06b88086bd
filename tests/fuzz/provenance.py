"""Sigstore bundles, and the trusted roots and statements that go with them."""

import functools
import hashlib
import json

from tests.fakes.sigstore import (
    BUILD_TYPE,
    BUILDER,
    COMMIT,
    IDENTITY,
    ISSUER,
    SOURCE,
    Sigstore,
    second,
    statement,
)
from tests.fuzz.target import Bytes, target
from transparency_log.errors import LogError, MalformedBundleError, PolicyError
from transparency_log.provenance import ProvenancePolicy, verify_provenance
from transparency_log.provenance.bundle import SigstoreBundle
from transparency_log.provenance.root import TrustRoot
from transparency_log.provenance.signed import Signer, verify_artifact, verify_statement

IMAGE = bytes(range(32))


@functools.cache
def instances() -> tuple[Sigstore, Sigstore]:
    return Sigstore(), second()


def artifacts() -> Bytes:
    return [json.dumps(one.artifact_bundle(b"")).encode() for one in instances()]


def envelopes() -> Bytes:
    first, later = instances()
    for made in (
        first.envelope_bundle(statement(IMAGE)),
        later.envelope_bundle(statement(IMAGE)),
        first.envelope_bundle(statement(IMAGE), kind="intoto"),
    ):
        yield json.dumps(made).encode()


def bundles() -> Bytes:
    return [*artifacts(), *envelopes()]


def roots() -> Bytes:
    return [one.trusted_root() for one in instances()]


@functools.cache
def policy() -> ProvenancePolicy:
    """Believe both instances."""
    first, later = (TrustRoot.parse(root) for root in roots())
    both = TrustRoot(
        logs=first.logs + later.logs,
        certificate_logs=first.certificate_logs + later.certificate_logs,
        authorities=first.authorities + later.authorities,
        timestamp_authorities=first.timestamp_authorities + later.timestamp_authorities,
    )
    return ProvenancePolicy(
        signer=Signer(root=both, identity=IDENTITY, issuer=ISSUER),
        builder=BUILDER,
        build_type=BUILD_TYPE,
        source=SOURCE,
    )


@target(SigstoreBundle.parse, seeds=bundles, refusals=(MalformedBundleError,))
def sigstore_bundle(data: bytes) -> None:
    """Any bytes give a bundle, or MalformedBundleError."""
    assert SigstoreBundle.parse(data) == SigstoreBundle.parse(data)


@target(verify_artifact, seeds=artifacts, refusals=(LogError,))
def sigstore_artifact(data: bytes) -> None:
    """Any bytes are signed over an artifact, or a LogError, whatever the libraries raise."""
    verify_artifact(data, policy().signer, sha256=hashlib.sha256(b"").digest())


@target(verify_provenance, verify_statement, seeds=envelopes, refusals=(LogError,))
def provenance(data: bytes) -> None:
    """Any bytes are a provenance of the image, or a LogError."""
    verify_provenance(data, policy=policy(), image_sha256=IMAGE, commit=COMMIT)


@target(TrustRoot.parse, seeds=roots, refusals=(PolicyError,))
def trusted_root(data: bytes) -> None:
    """Any bytes give a trusted root, or PolicyError."""
    assert TrustRoot.parse(data) == TrustRoot.parse(data)

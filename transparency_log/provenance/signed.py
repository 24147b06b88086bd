"""Who signed what, by a Sigstore bundle: an artifact, or a statement about artifacts.

`sigstore`, which verifies, is imported when it is first needed: it takes the package
`sigstore`, an extra that only those install whose policy asks for provenance.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec

from transparency_log.errors import PolicyError, ProvenanceError
from transparency_log.provenance.bundle import BundledEnvelope, SigstoreBundle
from transparency_log.provenance.root import TrustRoot
from transparency_log.statement import (
    OLD_STATEMENT_TYPE,
    PAYLOAD_TYPE,
    STATEMENT_TYPE,
    Statement,
    parse_statement,
)

STATEMENT_TYPES = frozenset({STATEMENT_TYPE, OLD_STATEMENT_TYPE})
"""Statements whose subjects are read."""

LIBRARY_VERSION = "4.5.1"
"""The version that `sigstore` builds on: it overrides what is private there."""


@dataclass(frozen=True, kw_only=True)
class Signer:
    """Whose signature counts.

    Attributes:
        root: who vouches for identities, logs and times.
        identity: the certificate's subject alternative name, a URI or an address; exactly.
        issuer: the OIDC issuer that knows the identity; exactly.
    """

    root: TrustRoot
    identity: str
    issuer: str


@dataclass(frozen=True, kw_only=True)
class Signed:
    """What a verified bundle shows beside its content.

    Attributes:
        time: when it was signed at the latest, Unix seconds, by a clock of the trusted root.
        log_index: the entry's place in its log.
        source_uri: the source repository of the build, by the identity provider's word, or None.
        source_commit: its commit, likewise.
    """

    time: int
    log_index: int
    source_uri: str | None
    source_commit: str | None


def require_package() -> None:
    """Refuse to start where bundles could not be verified.

    Raises:
        PolicyError: the package is not installed, or in another version.
    """
    found = "none" if find_spec("sigstore") is None else version("sigstore")
    if found != LIBRARY_VERSION:
        raise PolicyError(
            f"provenance needs the package sigstore {LIBRARY_VERSION}, found {found}; "
            "run: pip install '.[provenance]' in the source tree"
        )


def verify_statement(bundle: bytes, signer: Signer) -> tuple[Signed, Statement]:
    """Verify a bundle that holds an in-toto Statement, and give it.

    Raises:
        PolicyError: the package is not installed.
        MalformedError: not a bundle, or not a statement inside.
        ProvenanceError: it does not verify, or is signed by somebody else.
    """
    parsed = SigstoreBundle.parse(bundle)
    signed = _verify(parsed, signer, None)
    return signed, parse_statement(_payload(parsed))


def verify_artifact(bundle: bytes, signer: Signer, *, sha256: bytes) -> Signed:
    """Verify that the bundle signs an artifact, or a statement of which it is a subject.

    Raises:
        PolicyError: the package is not installed.
        MalformedError: not a bundle, or not a statement inside.
        ProvenanceError: it does not verify, is signed by somebody else, or about something else.
    """
    parsed = SigstoreBundle.parse(bundle)
    signed = _verify(parsed, signer, sha256)
    if isinstance(parsed.content, BundledEnvelope):
        check_subject(parse_statement(_payload(parsed), types=STATEMENT_TYPES), sha256)
    return signed


def check_subject(statement: Statement, sha256: bytes) -> None:
    """Judge that an artifact is among the subjects, by its digest; names mean nothing.

    Raises:
        ProvenanceError: it is not.
    """
    if not any(subject.digest.get("sha256") == sha256.hex() for subject in statement.subjects):
        count = len(statement.subjects)
        raise ProvenanceError("subject", expected=sha256.hex(), actual=f"{count} others")


def _verify(bundle: SigstoreBundle, signer: Signer, sha256: bytes | None) -> Signed:
    return _library()(bundle, signer, sha256)


@lru_cache(maxsize=1)
def _library() -> Callable[[SigstoreBundle, Signer, bytes | None], Signed]:
    require_package()
    from transparency_log.provenance.sigstore import verify_bundle

    return verify_bundle


def _payload(bundle: SigstoreBundle) -> bytes:
    """Give the verified payload, if it is a statement."""
    content = bundle.content
    if not isinstance(content, BundledEnvelope):
        raise ProvenanceError("bundle", expected="an envelope", actual="a bare signature")
    if content.payload_type != PAYLOAD_TYPE:
        raise ProvenanceError("payload type", expected=PAYLOAD_TYPE, actual=content.payload_type)
    return content.unverified_payload

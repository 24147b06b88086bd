"""Entries of kind `intoto`, version 0.0.2, as Rekor's first version has them for DSSE envelopes.

The one kind of entry with a body of its own that the library does not know. The body holds the
envelope without, or with, its payload:

    {"apiVersion": "0.0.2", "kind": "intoto", "spec": {"content": {
        "envelope": {"payloadType": "application/vnd.in-toto+json",
                     "signatures": [{"publicKey": base64(PEM), "sig": base64(base64(signature))}]},
        "hash": {"algorithm": "sha256", "value": "c8ef…"},
        "payloadHash": {"algorithm": "sha256", "value": "0ebb…"}}}}

`hash` is of an envelope that nobody has in the spelling that was hashed; it says nothing here.
`payloadHash`, signature and certificate are compared with those of the bundle: a log entry about
another envelope, with whatever proof, shows nothing about this one.
"""

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from transparency_log.errors import MalformedBundleError, ProvenanceError
from transparency_log.provenance.bundle import (
    MAX_CERTIFICATE,
    MAX_SIGSTORE_BUNDLE,
    BundledEnvelope,
    LogEntry,
)
from transparency_log.strict_json import Members, StrictJSONError, b64encode, parse_object

KIND, VERSION = "intoto", "0.0.2"
"""What the entry must say of itself; version 0.0.1 has another body, and is not read."""


def is_intoto(entry: LogEntry) -> bool:
    """Say whether an entry is of this kind."""
    return (entry.kind, entry.version) == (KIND, VERSION)


def check_intoto(entry: LogEntry, envelope: BundledEnvelope, certificate: bytes) -> None:
    """Judge that the entry is about this envelope, signed under this certificate.

    Raises:
        MalformedBundleError: not such a body.
        ProvenanceError: it is about another one.
    """
    try:
        found = _content(entry.body)
        logged, payload_hash = found.child("envelope"), found.child("payloadHash")
        _equal("algorithm", "sha256", payload_hash.text("algorithm"))
        payload = hashlib.sha256(envelope.unverified_payload).hexdigest()
        _equal("payload", payload, payload_hash.text("value"))
        _equal("payload type", envelope.payload_type, logged.text("payloadType"))
        signature = _only_signature(logged)
        logged_signature = signature.data("sig", limit=4096)
        _same("signature", b64encode(envelope.signature).encode(), logged_signature)
        pem = signature.data("publicKey", limit=2 * MAX_CERTIFICATE)
        _same("certificate", certificate, _der(pem))
    except StrictJSONError as error:
        raise MalformedBundleError(str(error)) from error


def _content(body: bytes) -> Members:
    members = parse_object(body, limit=MAX_SIGSTORE_BUNDLE, name="log entry")
    _equal("kind", KIND, members.text("kind"))
    _equal("version", VERSION, members.text("apiVersion"))
    return members.child("spec").child("content")


def _only_signature(envelope: Members) -> Members:
    signatures = envelope.children("signatures", limit=1)
    if len(signatures) != 1:
        raise StrictJSONError(f"{envelope.name}.signatures: expected exactly one")
    return signatures[0]


def _der(pem: bytes) -> bytes:
    try:
        return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    except ValueError as error:
        raise StrictJSONError("log entry: expected a certificate as public key") from error


def _same(claim: str, expected: bytes, actual: bytes) -> None:
    """Compare bytes that are too long to be shown."""
    _equal(claim, hashlib.sha256(expected).hexdigest(), hashlib.sha256(actual).hexdigest())


def _equal(claim: str, expected: str, actual: str) -> None:
    if actual != expected:
        raise ProvenanceError(f"log entry's {claim}", expected=expected, actual=actual)

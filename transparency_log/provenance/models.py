"""What the Sigstore library is given to verify: our bundle and our trusted root, written anew.

It never sees the bytes that arrived, so no second reader of JSON can find anything else in them
than ours did; and it sees no validity of roots, because it takes the end of one as excluded and
looks at the clock: `root` has judged that before.
"""

from sigstore.models import Bundle, TrustedRoot
from sigstore_models.trustroot import v1 as trustroot

from transparency_log.provenance.bundle import (
    CERTIFICATE_TYPES,
    BundledEnvelope,
    LogEntry,
    MessageSignature,
    SigstoreBundle,
)
from transparency_log.provenance.root import Authority, TrustedLog, TrustRoot
from transparency_log.strict_json import b64encode, dumps

ROOT_TYPE = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
"""Media type of a trusted root."""

ALWAYS = {"start": "1970-01-01T00:00:00Z"}
"""A validity that nothing fails at."""


def library_bundle(bundle: SigstoreBundle) -> Bundle:
    """Write a bundle as the library has it; it raises what it does for those it refuses."""
    material = {
        **_certificate(bundle),
        "tlogEntries": [_entry(bundle.entry)],
        "timestampVerificationData": {
            "rfc3161Timestamps": [{"signedTimestamp": b64encode(one)} for one in bundle.timestamps]
        },
    }
    document = {"mediaType": bundle.media_type, "verificationMaterial": material}
    return Bundle.from_json(dumps(document | _content(bundle.content)))


def library_root(root: TrustRoot) -> TrustedRoot:
    """Write a trusted root as the library has it, without validity."""
    document = {
        "mediaType": ROOT_TYPE,
        "tlogs": [_log(one) for one in root.logs],
        "ctlogs": [_log(one) for one in root.certificate_logs],
        "certificateAuthorities": [_authority(one) for one in root.authorities],
        "timestampAuthorities": [_authority(one) for one in root.timestamp_authorities],
    }
    return TrustedRoot(trustroot.TrustedRoot.from_json(dumps(document)))


def _certificate(bundle: SigstoreBundle) -> dict[str, object]:
    raw = {"rawBytes": b64encode(bundle.certificate)}
    if bundle.media_type in CERTIFICATE_TYPES:
        return {"certificate": raw}
    return {"x509CertificateChain": {"certificates": [raw]}}


def _entry(entry: LogEntry) -> dict[str, object]:
    optional: dict[str, object] = {}
    if entry.integrated_time:
        optional["integratedTime"] = str(entry.integrated_time)
    if entry.promise is not None:
        optional["inclusionPromise"] = {"signedEntryTimestamp": b64encode(entry.promise)}
    return {
        "logIndex": str(entry.log_index),
        "logId": {"keyId": b64encode(entry.log_id)},
        "kindVersion": {"kind": entry.kind, "version": entry.version},
        **optional,
        "inclusionProof": {
            "logIndex": str(entry.proof.log_index),
            "rootHash": b64encode(entry.proof.root_hash),
            "treeSize": str(entry.proof.tree_size),
            "hashes": [b64encode(one) for one in entry.proof.hashes],
            "checkpoint": {"envelope": entry.proof.checkpoint},
        },
        "canonicalizedBody": b64encode(entry.body),
    }


def _content(content: MessageSignature | BundledEnvelope) -> dict[str, object]:
    if isinstance(content, BundledEnvelope):
        envelope = {
            "payload": b64encode(content.unverified_payload),
            "payloadType": content.payload_type,
            "signatures": [{"sig": b64encode(content.signature), "keyid": content.keyid}],
        }
        return {"dsseEnvelope": envelope}
    message: dict[str, object] = {"signature": b64encode(content.signature)}
    if content.algorithm:
        hint = {"algorithm": content.algorithm, "digest": b64encode(content.digest)}
        message["messageDigest"] = hint
    return {"messageSignature": message}


def _log(log: TrustedLog) -> dict[str, object]:
    key = {"rawBytes": b64encode(log.key), "keyDetails": log.details, "validFor": ALWAYS}
    return {
        "baseUrl": log.url,
        "hashAlgorithm": log.hash_algorithm,
        "publicKey": key,
        "logId": {"keyId": b64encode(min(log.ids))},  # the library takes that of the key instead
    }


def _authority(authority: Authority) -> dict[str, object]:
    chain = [{"rawBytes": b64encode(one)} for one in authority.certificates]
    return {
        "subject": {"organization": "", "commonName": ""},
        "certChain": {"certificates": chain},
        "validFor": ALWAYS,
    }

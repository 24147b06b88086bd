"""Sigstore bundles as they arrive: bytes become fields, nothing is trusted yet.

Sigstore bundle format 0.1 to 0.3: JSON of a protobuf, so members are in camel case, bytes in
base64 and 64-bit integers in texts.

    {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
     "verificationMaterial": {"certificate": {"rawBytes": "MIIC…"}, "tlogEntries": [{…}],
      "timestampVerificationData": {"rfc3161Timestamps": [{"signedTimestamp": "MIIC…"}]}},
     "dsseEnvelope": {"payload": "eyJf…", "payloadType": "application/vnd.in-toto+json",
                      "signatures": [{"sig": "MEUC…"}]}}

Exactly one log entry, one signature, and a certificate: a bundle that names a key is not
for us to judge, as it says nothing of an identity. Of the certificates that old bundles carry
behind the signer's only the signer's is kept: trust comes from the trusted root.
"""

import re
from dataclasses import dataclass, field

from transparency_log.errors import MalformedBundleError
from transparency_log.strict_json import Members, StrictJSONError, b64decode, parse_object

MAX_SIGSTORE_BUNDLE = 2**20
"""Bytes of a bundle; most have 10 KiB, and a provenance may list some thousand dependencies."""

MAX_CERTIFICATE = 2**14
"""Bytes of a certificate; Fulcio's have 3 KiB at most."""

MAX_CERTIFICATES = 8
"""Certificates in an old bundle's chain."""

MAX_HASHES = 64
"""Hashes of an inclusion proof: the height of the tallest tree there can be."""

MAX_TIMESTAMPS = 32
"""Timestamps of a bundle; one is usual. The library's own limit."""

MAX_TIME = 2**38
"""Seconds of an integrated time: some thousand years, which every calendar can write."""

MAX_NOTE = 2**14
"""Characters of a checkpoint."""

OLD_TYPE = "application/vnd.dev.sigstore.bundle+json;version="
NEW_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"

CHAIN_TYPES = frozenset({f"{OLD_TYPE}0.1", f"{OLD_TYPE}0.2"})
"""Media types of bundles that hold the certificate in a chain."""

CERTIFICATE_TYPES = frozenset({f"{OLD_TYPE}0.3", NEW_TYPE})
"""Media types of bundles that hold it alone."""

_UNSIGNED = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
"""How a 64-bit integer is written; none above 10^19 - 1 is of use, as indexes are signed."""


@dataclass(frozen=True, kw_only=True)
class InclusionProof:
    """That an entry is in a tree, and the checkpoint that names the tree's root."""

    log_index: int
    root_hash: bytes
    tree_size: int
    hashes: tuple[bytes, ...]
    checkpoint: str


@dataclass(frozen=True, kw_only=True)
class LogEntry:
    """An entry of a Rekor log.

    Attributes:
        integrated_time: when the log says it took the entry, Unix seconds; 0: it does not say.
        promise: the log's signature over entry and time; None: none.
        body: what is in the log.
    """

    log_index: int
    log_id: bytes
    kind: str
    version: str
    integrated_time: int
    promise: bytes | None
    proof: InclusionProof
    body: bytes = field(repr=False)

    @property
    def type(self) -> str:
        """Name kind and version: `hashedrekord 0.0.2`."""
        return f"{self.kind} {self.version}"


@dataclass(frozen=True, kw_only=True)
class MessageSignature:
    """A signature over an artifact; `digest` is what the bundle says of it, "" and b"" if nothing.

    Attributes:
        algorithm: name of the digest's algorithm.
        digest: a hint, compared and not believed.
    """

    signature: bytes
    algorithm: str = ""
    digest: bytes = b""


@dataclass(frozen=True, kw_only=True)
class BundledEnvelope:
    """A DSSE envelope with one signature; its payload is not to be acted on before it is verified.

    Attributes:
        keyid: a hint that nobody looks at; kept because it is part of what was read.
    """

    unverified_payload: bytes = field(repr=False)
    payload_type: str
    signature: bytes
    keyid: str


@dataclass(frozen=True, kw_only=True)
class SigstoreBundle:
    """A parsed bundle.

    Attributes:
        certificate: of the signer, DER.
        timestamps: RFC 3161 responses, DER.
        content: what was signed, or the signature over it.
    """

    media_type: str
    certificate: bytes = field(repr=False)
    entry: LogEntry
    timestamps: tuple[bytes, ...] = field(repr=False)
    content: MessageSignature | BundledEnvelope

    @classmethod
    def parse(cls, data: bytes) -> "SigstoreBundle":
        """Read a bundle.

        Raises:
            MalformedBundleError: another type, unknown or missing members, or over a limit.
        """
        try:
            members = parse_object(data, limit=MAX_SIGSTORE_BUNDLE, name="bundle")
            media_type = members.choice("mediaType", CHAIN_TYPES | CERTIFICATE_TYPES)
            material = members.child("verificationMaterial")
            bundle = cls(
                media_type=media_type,
                certificate=_certificate(material, media_type),
                entry=_only(material.children("tlogEntries", limit=1), "bundle.tlogEntries"),
                timestamps=_timestamps(material),
                content=_content(members),
            )
            material.end()
            members.end()
        except StrictJSONError as error:
            raise MalformedBundleError(str(error)) from error
        return bundle


def _certificate(members: Members, media_type: str) -> bytes:
    if "publicKey" in members:
        raise StrictJSONError(f"{members.name}: expected a certificate, which names an identity")
    if media_type in CERTIFICATE_TYPES:
        return _raw(members.child("certificate"))
    chain = members.child("x509CertificateChain")
    found = [_raw(one) for one in chain.children("certificates", limit=MAX_CERTIFICATES)]
    chain.end()
    if not found:
        raise StrictJSONError(f"{chain.name}: expected at least one certificate")
    return found[0]


def _raw(members: Members) -> bytes:
    data = members.data("rawBytes", limit=MAX_CERTIFICATE)
    members.end()
    return data


def _only(entries: list[Members], name: str) -> LogEntry:
    if len(entries) != 1:
        raise StrictJSONError(f"{name}: expected exactly one log entry")
    return _entry(entries[0])


def _entry(members: Members) -> LogEntry:
    kind = members.child("kindVersion")
    promise = _optional(members, "inclusionPromise")
    entry = LogEntry(
        log_index=_integer(members, "logIndex"),
        log_id=_id(members.child("logId")),
        kind=kind.text("kind", limit=64),
        version=kind.text("version", limit=64),
        integrated_time=_time(members),
        promise=None if promise is None else promise.data("signedEntryTimestamp", limit=1024),
        proof=_proof(members.child("inclusionProof")),
        body=members.data("canonicalizedBody", limit=MAX_SIGSTORE_BUNDLE),
    )
    for one in (kind, promise, members):
        if one is not None:
            one.end()
    return entry


def _proof(members: Members) -> InclusionProof:
    checkpoint = members.child("checkpoint")
    proof = InclusionProof(
        log_index=_integer(members, "logIndex"),
        root_hash=members.data("rootHash", size=32),
        tree_size=_integer(members, "treeSize"),
        hashes=tuple(_hash(one, members) for one in members.texts("hashes", limit=MAX_HASHES)),
        checkpoint=checkpoint.text("envelope", limit=MAX_NOTE),
    )
    checkpoint.end()
    members.end()
    return proof


def _hash(text: str, members: Members) -> bytes:
    value = b64decode(text)
    if len(value) != 32:
        raise StrictJSONError(f"{members.name}.hashes: expected 32 bytes of base64 each")
    return value


def _timestamps(members: Members) -> tuple[bytes, ...]:
    data = _optional(members, "timestampVerificationData")
    if data is None or "rfc3161Timestamps" not in data:
        return ()
    found = []
    for one in data.children("rfc3161Timestamps", limit=MAX_TIMESTAMPS):
        found.append(one.data("signedTimestamp", limit=MAX_CERTIFICATE * MAX_CERTIFICATES))
        one.end()
    data.end()
    return tuple(found)


def _content(members: Members) -> MessageSignature | BundledEnvelope:
    envelope, message = _optional(members, "dsseEnvelope"), _optional(members, "messageSignature")
    if envelope is not None and message is None:
        return _envelope(envelope)
    if message is None or envelope is not None:
        raise StrictJSONError(f"{members.name}: expected one of dsseEnvelope and messageSignature")
    hint = _optional(message, "messageDigest")
    content = MessageSignature(
        signature=message.data("signature", limit=1024),
        algorithm="" if hint is None else hint.text("algorithm", limit=64),
        digest=b"" if hint is None else hint.data("digest", limit=64),
    )
    for one in (hint, message):
        if one is not None:
            one.end()
    return content


def _envelope(members: Members) -> BundledEnvelope:
    signatures = members.children("signatures", limit=1)
    if len(signatures) != 1:
        raise StrictJSONError(f"{members.name}.signatures: expected exactly one")
    signature = signatures[0]
    envelope = BundledEnvelope(
        unverified_payload=members.data("payload", limit=MAX_SIGSTORE_BUNDLE),
        payload_type=members.text("payloadType", limit=256),
        signature=signature.data("sig", limit=1024),
        keyid=(signature.text_or_null("keyid") if "keyid" in signature else None) or "",
    )
    signature.end()
    members.end()
    return envelope


def _optional(members: Members, key: str) -> Members | None:
    return members.child_or_null(key) if key in members else None


def _time(members: Members) -> int:
    text = members.text_or_null("integratedTime", limit=32) if "integratedTime" in members else None
    time = 0 if text is None else _decimal(text, f"{members.name}.integratedTime")
    if time > MAX_TIME:
        raise StrictJSONError(f"{members.name}.integratedTime: out of range")
    return time


def _integer(members: Members, key: str) -> int:
    return _decimal(members.text(key, limit=32), f"{members.name}.{key}")


def _decimal(text: str, name: str) -> int:
    if not _UNSIGNED.fullmatch(text):
        raise StrictJSONError(f"{name}: expected a decimal integer in a text")
    return int(text)


def _id(members: Members) -> bytes:
    data = members.data("keyId", limit=32)
    members.end()
    return data

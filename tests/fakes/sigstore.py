"""A Sigstore of one's own: Fulcio, certificate log, Rekor of both versions, clock; bundles by them.

Every part may be replaced before `bundle`, and every part of a bundle after it, so that a test can
break exactly one thing.
"""

import hashlib
import json
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.fakes.timestamps import (
    OCTETS,
    TimestampAuthority,
    authority,
    moment,
    signed_by,
    tlv,
    usage,
)
from transparency_log import dsse, jcs
from transparency_log.merkle import leaf_hash, tree_root
from transparency_log.prover import inclusion_proof, memory_reader

NOW = 1_800_000_000
SIGNED = NOW - 3600
START = NOW - 10_000_000

IDENTITY = "https://example.org/openpcc/.github/workflows/release.yml@refs/heads/main"
ISSUER = "https://token.example.org"
SOURCE = "https://example.org/openpcc"
COMMIT = "0" * 40
BUILDER = "https://example.org/runner/hosted"
BUILD_TYPE = "https://example.org/workflow/v1"
ORIGIN = "rekor.example.org"

PrivateKey = ec.EllipticCurvePrivateKey | Ed25519PrivateKey


def p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def der(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def b64(data: bytes) -> str:
    return b64encode(data).decode()


def rfc3339(time: int | datetime) -> str:
    when = time if isinstance(time, datetime) else moment(time)
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def sign(key: PrivateKey, message: bytes) -> bytes:
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(message)
    return key.sign(message, ec.ECDSA(hashes.SHA256()))


def statement(image: bytes, **changes: Any) -> dict[str, Any]:
    """A SLSA provenance v1 of an image, as a hosted builder writes it."""
    workflow = {"ref": "refs/heads/main", "repository": SOURCE, "path": "release.yml"}
    document = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "image", "digest": {"sha256": image.hex()}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"workflow": workflow},
                "internalParameters": {"runner": {"minutes": 3}},
                "resolvedDependencies": [
                    {"uri": f"git+{SOURCE}@refs/heads/main", "digest": {"gitCommit": COMMIT}},
                    {"uri": "pkg:pypi/build@1", "digest": {"sha256": "11" * 32}},
                ],
            },
            "runDetails": {"builder": {"id": BUILDER}, "metadata": {"invocationId": "1"}},
        },
    }
    return document | changes


@dataclass
class Sigstore:
    """One instance, honest until a test replaces a part."""

    fulcio: ec.EllipticCurvePrivateKey = field(default_factory=p256)
    certificate_log: ec.EllipticCurvePrivateKey = field(default_factory=p256)
    rekor: PrivateKey = field(default_factory=p256)
    tsa: TimestampAuthority = field(default_factory=lambda: TimestampAuthority.make(start=START))
    signer: ec.EllipticCurvePrivateKey = field(default_factory=p256)
    identity: str = IDENTITY
    issuer: str = ISSUER
    signed: int = SIGNED
    start: int = START
    end: int | None = None
    lifetime: int = 600
    source: str | None = SOURCE
    commit: str = COMMIT
    sct_signer: ec.EllipticCurvePrivateKey | None = None
    checkpoint_signer: PrivateKey | None = None

    def __post_init__(self) -> None:
        self.ca = authority("fulcio", self.fulcio, start=self.start)

    # --- the trusted root

    def trusted_root(self, **changes: Any) -> bytes:
        """Write the file that a deployer pins."""
        chain = [self.ca.public_bytes(Encoding.DER)]
        document = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [self._log(self.rekor, self.log_id)],
            "certificateAuthorities": [self._authority(chain)],
            "ctlogs": [self._log(self.certificate_log, sha256(der(self.certificate_log)))],
            "timestampAuthorities": [self._authority(self.tsa.chain)],
        }
        return json.dumps(document | changes).encode()

    def _window(self) -> dict[str, str]:
        end = {} if self.end is None else {"end": rfc3339(self.end)}
        return {"start": rfc3339(self.start), **end}

    def _log(self, key: PrivateKey, log_id: bytes) -> dict[str, Any]:
        details = (
            "PKIX_ED25519" if isinstance(key, Ed25519PrivateKey) else "PKIX_ECDSA_P256_SHA_256"
        )
        public = {"rawBytes": b64(der(key)), "keyDetails": details, "validFor": self._window()}
        return {
            "baseUrl": f"https://{ORIGIN}",
            "hashAlgorithm": "SHA2_256",
            "publicKey": public,
            "logId": {"keyId": b64(log_id)},
        }

    def _authority(self, chain: list[bytes]) -> dict[str, Any]:
        return {
            "subject": {"organization": "example", "commonName": "example"},
            "certChain": {"certificates": [{"rawBytes": b64(one)} for one in chain]},
            "validFor": self._window(),
        }

    # --- the certificate

    def certificate(self) -> bytes:
        """Issue a certificate, promised to the certificate log."""
        builder = (
            signed_by(self.signer, self.ca)
            .subject_name(x509.Name([]))
            .not_valid_before(moment(self.signed - 10))
            .not_valid_after(moment(self.signed - 10) + timedelta(seconds=self.lifetime))
            .add_extension(usage(digital_signature=True), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False
            )
            .add_extension(
                x509.SubjectAlternativeName(self.names()),
                critical=True,
            )
        )
        for number, value in self._says():
            oid = x509.ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{number}")
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
        promised = builder.sign(self.fulcio, hashes.SHA256())
        scts = x509.UnrecognizedExtension(
            x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2"),
            self._scts(promised.tbs_certificate_bytes),
        )
        whole = builder.add_extension(scts, critical=False).sign(self.fulcio, hashes.SHA256())
        return whole.public_bytes(Encoding.DER)

    def names(self) -> list[x509.GeneralName]:
        return [x509.UniformResourceIdentifier(self.identity)]

    def _says(self) -> list[tuple[int, bytes]]:
        says = [(1, self.issuer.encode()), (8, tlv(0x0C, self.issuer.encode()))]
        if self.source is not None:
            says += [(12, tlv(0x0C, self.source.encode())), (13, tlv(0x0C, self.commit.encode()))]
        return says

    def _scts(self, certificate: bytes) -> bytes:
        """The list with one SCT; RFC 6962, 3.2 and 3.3."""
        issuer = sha256(self.fulcio.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        ))  # fmt: skip
        time = ((self.signed - 10) * 1000).to_bytes(8, "big")
        entry = b"\0\1" + issuer + len(certificate).to_bytes(3, "big") + certificate
        signed = sign(self.sct_signer or self.certificate_log, b"\0\0" + time + entry + b"\0\0")
        log = sha256(der(self.certificate_log))
        sct = b"\0" + log + time + b"\0\0" + b"\4\3" + len(signed).to_bytes(2, "big") + signed
        listed = len(sct).to_bytes(2, "big") + sct
        return tlv(OCTETS, len(listed).to_bytes(2, "big") + listed)

    # --- the log

    @property
    def version(self) -> int:
        return 2 if isinstance(self.rekor, Ed25519PrivateKey) else 1

    @property
    def log_id(self) -> bytes:
        if isinstance(self.rekor, Ed25519PrivateKey):
            raw = self.rekor.public_key().public_bytes_raw()
            return sha256(ORIGIN.encode() + b"\n\1" + raw)
        return sha256(der(self.rekor))

    def entry(self, kind: str, version: str, body: object) -> dict[str, Any]:
        """Log a body; the tree has three entries, this is the second."""
        data = jcs.encode(body)
        leaves = [leaf_hash(one) for one in (b"first", data, b"third")]
        root = tree_root(leaves)
        proof = {
            "logIndex": "1",
            "rootHash": b64(root),
            "treeSize": "3",
            "hashes": [b64(one) for one in inclusion_proof(1, 3, memory_reader(leaves))],
            "checkpoint": {"envelope": self._checkpoint(root)},
        }
        entry: dict[str, Any] = {
            "logIndex": "71",
            "logId": {"keyId": b64(self.log_id)},
            "kindVersion": {"kind": kind, "version": version},
            "inclusionProof": proof,
            "canonicalizedBody": b64(data),
        }
        return entry | (self._promise(data) if self.version == 1 else {})

    def _promise(self, body: bytes) -> dict[str, Any]:
        promised = {
            "body": b64(body),
            "integratedTime": self.signed,
            "logID": self.log_id.hex(),
            "logIndex": 71,
        }
        signature = b64(sign(self.rekor, jcs.encode(promised)))
        return {
            "integratedTime": str(self.signed),
            "inclusionPromise": {"signedEntryTimestamp": signature},
        }

    def _checkpoint(self, root: bytes) -> str:
        text = f"{ORIGIN}\n3\n{b64(root)}\n"
        signature = sign(self.checkpoint_signer or self.rekor, text.encode())
        return f"{text}\n— {ORIGIN} {b64(self.log_id[:4] + signature)}\n"

    # --- bundles

    def envelope_bundle(self, document: object, *, kind: str = "") -> dict[str, Any]:
        """Sign a statement; `kind` `intoto` logs it as old clients did."""
        payload = json.dumps(document).encode()
        kind_of_payload = "application/vnd.in-toto+json"
        message = dsse.pae(kind_of_payload, payload)
        certificate, signature = self.certificate(), sign(self.signer, message)
        signatures = [{"sig": b64(signature)}]
        envelope = {
            "payload": b64(payload), "payloadType": kind_of_payload, "signatures": signatures,
        }  # fmt: skip
        if self.version == 2:
            entry = self._hashedrekord(certificate, signature, sha256(message))
        elif kind == "intoto":
            entry = self._intoto(certificate, signature, payload)
        else:
            entry = self._dsse(certificate, signature, payload)
        return self._bundle(certificate, signature, entry) | {"dsseEnvelope": envelope}

    def artifact_bundle(self, artifact: bytes) -> dict[str, Any]:
        """Sign an artifact."""
        digest = sha256(artifact)
        signature = self.signer.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))
        certificate = self.certificate()
        entry = self._hashedrekord(certificate, signature, digest)
        message = {
            "messageDigest": {"algorithm": "SHA2_256", "digest": b64(digest)},
            "signature": b64(signature),
        }
        return self._bundle(certificate, signature, entry) | {"messageSignature": message}

    def _bundle(self, certificate: bytes, signature: bytes, entry: object) -> dict[str, Any]:
        material: dict[str, Any] = {
            "certificate": {"rawBytes": b64(certificate)},
            "tlogEntries": [entry],
        }
        if self.version == 2:
            stamp = self.tsa.response(signature, time=self.signed)
            stamps = [{"signedTimestamp": b64(stamp)}]
            material["timestampVerificationData"] = {"rfc3161Timestamps": stamps}
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": material,
        }

    def _hashedrekord(self, certificate: bytes, signature: bytes, digest: bytes) -> dict[str, Any]:
        if self.version == 1:
            public = {"content": b64(pem(certificate))}
            hashed = {"hash": {"algorithm": "sha256", "value": digest.hex()}}
            signed = {"content": b64(signature), "publicKey": public}
            body = {"data": hashed, "signature": signed}
            return self._entry("hashedrekord", "0.0.1", body)
        verifier = {
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "x509Certificate": {"rawBytes": b64(certificate)},
        }
        body = {
            "data": {"algorithm": "SHA2_256", "digest": b64(digest)},
            "signature": {"content": b64(signature), "verifier": verifier},
        }
        return self._entry("hashedrekord", "0.0.2", {"hashedRekordV002": body})

    def _dsse(self, certificate: bytes, signature: bytes, payload: bytes) -> dict[str, Any]:
        body = {
            "envelopeHash": {"algorithm": "sha256", "value": "00" * 32},
            "payloadHash": {"algorithm": "sha256", "value": sha256(payload).hex()},
            "signatures": [{"signature": b64(signature), "verifier": b64(pem(certificate))}],
        }
        return self._entry("dsse", "0.0.1", body)

    def _intoto(self, certificate: bytes, signature: bytes, payload: bytes) -> dict[str, Any]:
        signed = {"publicKey": b64(pem(certificate)), "sig": b64(b64(signature).encode())}
        envelope = {"payloadType": "application/vnd.in-toto+json", "signatures": [signed]}
        content = {
            "envelope": envelope,
            "hash": {"algorithm": "sha256", "value": "00" * 32},
            "payloadHash": {"algorithm": "sha256", "value": sha256(payload).hex()},
        }
        return self._entry("intoto", "0.0.2", {"content": content})

    def _entry(self, kind: str, version: str, spec: object) -> dict[str, Any]:
        return self.entry(kind, version, {"apiVersion": version, "kind": kind, "spec": spec})


def second(**changes: Any) -> Sigstore:
    """An instance with a Rekor of the second version."""
    return Sigstore(rekor=Ed25519PrivateKey.generate(), **changes)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def pem(certificate: bytes) -> bytes:
    return x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)


__all__ = ["UTC", "Sigstore", "second", "statement"]

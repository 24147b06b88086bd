"""Sigstore bundles: an honest one of each kind is accepted; with one thing wrong, refused."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sigstore
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.fakes.sigstore import (
    IDENTITY,
    ISSUER,
    SIGNED,
    Sigstore,
    b64,
    p256,
    rfc3339,
    second,
    statement,
)
from tests.fakes.timestamps import TimestampAuthority
from transparency_log.errors import MalformedBundleError, PolicyError, ProvenanceError
from transparency_log.provenance_root import TrustRoot
from transparency_log.provenance_signed import (
    Signed,
    Signer,
    require_package,
    verify_artifact,
    verify_statement,
)

ARTIFACT = b"an artifact"
DIGEST = hashlib.sha256(ARTIFACT).digest()
SIGNATURE = ec.ECDSA(hashes.SHA256())
Document = dict[str, Any]


def signer(instance: Sigstore, root: bytes | None = None) -> Signer:
    trusted = TrustRoot.parse(root or instance.trusted_root())
    return Signer(root=trusted, identity=IDENTITY, issuer=ISSUER)


def judge(instance: Sigstore, document: Document, root: bytes | None = None) -> Signed:
    return verify_artifact(json.dumps(document).encode(), signer(instance, root), sha256=DIGEST)


def refusal(instance: Sigstore, document: Document, root: bytes | None = None) -> str:
    with pytest.raises(ProvenanceError) as caught:
        judge(instance, document, root)
    return str(caught.value)


def entry(document: Document) -> Document:
    found: Document = document["verificationMaterial"]["tlogEntries"][0]
    return found


KINDS: dict[str, Callable[[], tuple[Sigstore, Document]]] = {
    "hashedrekord 0.0.1": lambda: made(Sigstore(), lambda one: one.artifact_bundle(ARTIFACT)),
    "hashedrekord 0.0.2": lambda: made(second(), lambda one: one.artifact_bundle(ARTIFACT)),
    "dsse 0.0.1": lambda: made(Sigstore(), lambda one: one.envelope_bundle(statement(DIGEST))),
    "envelope 0.0.2": lambda: made(second(), lambda one: one.envelope_bundle(statement(DIGEST))),
    "intoto 0.0.2": lambda: made(
        Sigstore(), lambda one: one.envelope_bundle(statement(DIGEST), kind="intoto")
    ),
}
EVERY = pytest.mark.parametrize("kind", KINDS)


def made(instance: Sigstore, bundle: Callable[[Sigstore], Document]) -> tuple[Sigstore, Document]:
    return instance, bundle(instance)


@EVERY
def test_an_honest_bundle_is_accepted_with_its_time(kind: str):
    signed = judge(*KINDS[kind]())
    assert (signed.time, signed.log_index) == (SIGNED, 71)


@EVERY
def test_another_artifact_is_refused(kind: str):
    instance, document = KINDS[kind]()
    with pytest.raises(ProvenanceError):
        verify_artifact(json.dumps(document).encode(), signer(instance), sha256=bytes(32))


@EVERY
def test_another_identity_is_refused_by_name(kind: str):
    instance, document = KINDS[kind]()
    data = json.dumps(document).encode()
    believed = signer(instance)
    for claim, other in (
        ("identity", replace(believed, identity=IDENTITY + "s")),
        ("issuer", replace(believed, issuer=ISSUER + "/")),
    ):
        with pytest.raises(ProvenanceError) as caught:
            verify_artifact(data, other, sha256=DIGEST)
        assert caught.value.claim == claim


@EVERY
def test_a_signature_by_another_key_is_refused(kind: str):
    instance, document = KINDS[kind]()
    content = document.get("messageSignature") or document["dsseEnvelope"]["signatures"][0]
    name = "signature" if "signature" in content else "sig"
    content[name] = b64(p256().sign(b"something else", SIGNATURE))
    with pytest.raises(ProvenanceError):
        judge(instance, document)


@EVERY
def test_an_entry_about_another_signature_is_refused(kind: str):
    instance, document = KINDS[kind]()
    other = instance.artifact_bundle(b"another")
    if "dsseEnvelope" in document:
        logged = "intoto" if kind.startswith("intoto") else ""
        other = instance.envelope_bundle(statement(bytes(32)), kind=logged)
    document["verificationMaterial"]["tlogEntries"] = other["verificationMaterial"]["tlogEntries"]
    assert "log entry" in refusal(instance, document)


@EVERY
def test_a_proof_that_does_not_hold_is_refused(kind: str):
    instance, document = KINDS[kind]()
    entry(document)["inclusionProof"]["hashes"][0] = b64(bytes(32))
    assert "inclusion proof" in refusal(instance, document)


@EVERY
def test_a_checkpoint_of_another_size_is_refused(kind: str):
    instance, document = KINDS[kind]()
    entry(document)["inclusionProof"]["treeSize"] = "4"
    assert "tree size 4" in refusal(instance, document)


@EVERY
def test_a_checkpoint_by_another_key_is_refused(kind: str):
    instance, document = KINDS[kind]()
    other = Ed25519PrivateKey.generate() if instance.version == 2 else p256()
    instance.checkpoint_signer = other
    again = instance.artifact_bundle(ARTIFACT)
    if "dsseEnvelope" in document:
        logged = "intoto" if kind.startswith("intoto") else ""
        again = instance.envelope_bundle(statement(DIGEST), kind=logged)
    assert "checkpoint: invalid signature" in refusal(instance, again)


@EVERY
def test_a_promise_by_another_certificate_log_is_refused(kind: str):
    instance, document = KINDS[kind]()
    instance.sct_signer = p256()
    document["verificationMaterial"]["certificate"] = {"rawBytes": b64(instance.certificate())}
    assert "SCT" in refusal(instance, document)


@EVERY
def test_a_certificate_of_another_authority_is_refused(kind: str):
    instance, document = KINDS[kind]()
    other = json.loads(Sigstore().trusted_root())["certificateAuthorities"]
    root = instance.trusted_root(certificateAuthorities=other)
    assert "certificate chain" in refusal(instance, document, root)


@EVERY
def test_logs_that_the_root_does_not_name_are_refused(kind: str):
    instance, document = KINDS[kind]()
    other = json.loads(Sigstore().trusted_root())
    for name, claim in (("tlogs", "log"), ("ctlogs", "certificate log")):
        root = instance.trusted_root(**{name: other[name]})
        with pytest.raises(ProvenanceError) as caught:
            judge(instance, document, root)
        assert caught.value.claim == claim


@EVERY
def test_a_certificate_that_had_expired_when_it_signed_is_refused(kind: str):
    make = KINDS[kind]
    instance, _ = make()
    instance.lifetime = 9  # it begins ten seconds before
    again = instance.artifact_bundle(ARTIFACT)
    assert "not valid at validation time" in refusal(instance, again)


@EVERY
@pytest.mark.parametrize("part", ["tlogs", "ctlogs", "certificateAuthorities"])
def test_nothing_vouches_outside_its_validity_and_both_ends_belong_to_it(kind: str, part: str):
    instance, document = KINDS[kind]()
    moment = SIGNED - 10 if part == "ctlogs" else SIGNED
    for start, end, accepted in (
        (moment, moment, True),
        (moment + 1, None, False),
        (moment - 5, moment - 1, False),
    ):
        root = windowed(instance, part, start, end)
        if accepted:
            assert judge(instance, document, root).time == SIGNED
        else:
            assert "that counts" in refusal(instance, document, root)


def windowed(instance: Sigstore, part: str, start: int, end: int | None) -> bytes:
    document = json.loads(instance.trusted_root())
    holder = document[part][0]
    window = {"start": rfc3339(start)} | ({} if end is None else {"end": rfc3339(end)})
    holder.get("publicKey", holder)["validFor"] = window
    return json.dumps(document).encode()


def test_a_clock_counts_until_the_end_of_its_validity_included():
    instance, document = KINDS["hashedrekord 0.0.2"]()
    for start, end in ((SIGNED, SIGNED), (SIGNED - 9, SIGNED), (SIGNED, SIGNED + 9)):
        root = windowed(instance, "timestampAuthorities", start, end)
        assert judge(instance, document, root).time == SIGNED
    for start, end in ((SIGNED + 1, SIGNED + 9), (SIGNED - 9, SIGNED - 1)):
        root = windowed(instance, "timestampAuthorities", start, end)
        assert "not enough sources of verified time" in refusal(instance, document, root)


def test_a_second_rekor_needs_a_timestamp_over_this_signature_by_a_trusted_clock():
    instance, document = KINDS["hashedrekord 0.0.2"]()
    signature = document["messageSignature"]["signature"].encode()
    stranger = TimestampAuthority.make(start=SIGNED - 99)
    for stamp in (
        instance.tsa.response(b"else", time=SIGNED),
        stranger.response(signature, time=1),
    ):
        stamps = [{"signedTimestamp": b64(stamp)}]
        document["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"] = stamps
        assert "not enough sources of verified time" in refusal(instance, document)
    del document["verificationMaterial"]["timestampVerificationData"]
    assert "signed timestamp" in refusal(instance, document)


def test_a_time_without_the_logs_promise_is_none():
    instance, document = KINDS["hashedrekord 0.0.1"]()
    del entry(document)["inclusionPromise"]
    assert "signed timestamp" in refusal(instance, document)


@pytest.mark.parametrize("kind", ["hashedrekord 0.0.1", "dsse 0.0.1", "intoto 0.0.2"])
def test_another_time_than_the_promised_one_is_refused(kind: str):
    instance, document = KINDS[kind]()
    entry(document)["integratedTime"] = str(SIGNED + 1)
    assert "inclusion promise" in refusal(instance, document)


def test_a_second_rekor_has_no_time_of_its_own():
    instance, document = KINDS["hashedrekord 0.0.2"]()
    promise = {"signedEntryTimestamp": b64(b"made up")}
    entry(document).update(integratedTime=str(SIGNED), inclusionPromise=promise)
    assert "that of hashedrekord 0.0.2" in refusal(instance, document)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("envelope", "payloadType"), "text/plain"),
        (("envelope", "signatures", 0, "sig"), b64(b"MEUC")),
        (("envelope", "signatures", 0, "publicKey"), b64(b"no certificate")),
        (("envelope", "signatures"), []),
        (("payloadHash", "value"), "00" * 32),
        (("payloadHash", "algorithm"), "sha512"),
    ],
)
def test_an_old_entry_that_says_something_else_is_refused(path: tuple[Any, ...], value: object):
    class Forging(Sigstore):
        def _entry(self, kind: str, version: str, spec: Any) -> Document:
            found = spec["content"]
            for name in path[:-1]:
                found = found[name]
            found[path[-1]] = value
            return super()._entry(kind, version, spec)

    instance = Forging()
    with pytest.raises((ProvenanceError, MalformedBundleError), match="log entry"):
        judge(instance, instance.envelope_bundle(statement(DIGEST), kind="intoto"))


def test_an_entry_of_another_kind_is_refused():
    instance, document = KINDS["dsse 0.0.1"]()
    entry(document)["kindVersion"] = {"kind": "rekord", "version": "0.0.1"}
    assert "rekord 0.0.1" in refusal(instance, document)
    entry(document)["kindVersion"] = {"kind": "intoto", "version": "0.0.2"}
    assert "log entry's kind" in refusal(instance, document)


def test_a_key_instead_of_a_certificate_is_not_ours_to_judge():
    instance, document = KINDS["hashedrekord 0.0.1"]()
    material = document["verificationMaterial"]
    del material["certificate"]
    material["publicKey"] = {"hint": "abc"}
    with pytest.raises(MalformedBundleError, match="names an identity"):
        judge(instance, document)


def test_certificates_behind_the_signers_are_not_believed():
    instance, document = KINDS["hashedrekord 0.0.1"]()
    root = json.loads(instance.trusted_root())["certificateAuthorities"][0]["certChain"]
    document["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.2"
    material = document["verificationMaterial"]
    chain = [material.pop("certificate"), *root["certificates"]]
    material["x509CertificateChain"] = {"certificates": chain}
    assert judge(instance, document).time == SIGNED
    other = Sigstore().trusted_root()
    untrusting = instance.trusted_root(
        certificateAuthorities=json.loads(other)["certificateAuthorities"]
    )
    assert "certificate chain" in refusal(instance, document, untrusting)


def test_a_bare_signature_is_no_statement():
    instance, document = KINDS["hashedrekord 0.0.1"]()
    with pytest.raises(ProvenanceError, match="a bare signature"):
        verify_statement(json.dumps(document).encode(), signer(instance))


def test_a_refusal_is_not_remembered_as_an_acceptance():
    instance, document = KINDS["dsse 0.0.1"]()
    assert judge(instance, document).time == SIGNED
    broken = deepcopy(document)
    entry(broken)["inclusionPromise"]["signedEntryTimestamp"] = b64(b"nothing")
    assert "inclusion promise" in refusal(instance, broken)
    assert judge(instance, document).time == SIGNED


def test_no_network_is_touched(root: Path, tmp_path: Path):
    instance, document = KINDS["hashedrekord 0.0.2"]()
    (tmp_path / "bundle").write_text(json.dumps(document))
    (tmp_path / "root").write_bytes(instance.trusted_root())
    script = f"""
import sys
from pathlib import Path
def hook(event, args):
    # urllib3, which the library imports, binds to its own machine to see whether it has IPv6.
    if event.startswith("socket.") and event not in ("socket.__new__", "socket.bind"):
        raise SystemExit(event)
sys.addaudithook(hook)
from transparency_log.provenance_root import TrustRoot
from transparency_log.provenance_signed import Signer, verify_artifact
root = TrustRoot.parse(Path("root").read_bytes())
signer = Signer(root=root, identity={IDENTITY!r}, issuer={ISSUER!r})
print(verify_artifact(Path("bundle").read_bytes(), signer, sha256={DIGEST!r}).time)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True, check=False, text=True, cwd=tmp_path, env={"PYTHONPATH": str(root)},
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == (str(SIGNED), "")


def test_a_missing_package_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sigstore", None)
    with pytest.raises(PolicyError, match="provenance"):
        require_package()


def test_the_library_is_the_version_whose_inner_methods_are_used():
    """Another version may name or order them differently: read provenance_sigstore.py again."""
    assert sigstore.__version__ == "4.5.1"

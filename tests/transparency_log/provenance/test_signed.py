"""Sigstore bundles: an honest one of each kind is accepted; with one thing wrong, refused."""

import hashlib
import json
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sigstore.verify
from cryptography import x509
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
from transparency_log.errors import (
    MalformedBundleError,
    MalformedError,
    PolicyError,
    ProvenanceError,
)
from transparency_log.provenance import signed
from transparency_log.provenance.root import TrustRoot
from transparency_log.provenance.signed import (
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


def test_a_timestamp_that_nobody_could_judge_is_refused_beside_a_good_time():
    instance, document = KINDS["hashedrekord 0.0.1"]()
    stamp = instance.tsa.response(b"anything", time=SIGNED)
    stamps = {"rfc3161Timestamps": [{"signedTimestamp": b64(stamp)}]}
    document["verificationMaterial"]["timestampVerificationData"] = stamps
    assert judge(instance, document).time == SIGNED  # one good source is enough
    assert "no authority" in refusal(
        instance, document, instance.trusted_root(timestampAuthorities=[])
    )


def test_the_earliest_of_several_times_is_told_and_all_must_fit():
    instance, document = KINDS["hashedrekord 0.0.1"]()
    signature = b64decode(document["messageSignature"]["signature"])
    for time, accepted in ((SIGNED - 5, True), (SIGNED + 5, True), (SIGNED + 9000, False)):
        stamps = [{"signedTimestamp": b64(instance.tsa.response(signature, time=time))}]
        data = {"rfc3161Timestamps": stamps}
        document["verificationMaterial"]["timestampVerificationData"] = data
        if accepted:
            assert judge(instance, document).time == min(time, SIGNED)
        else:
            assert "not valid at validation time" in refusal(instance, document)


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
from transparency_log.provenance.root import TrustRoot
from transparency_log.provenance.signed import Signer, verify_artifact
root = TrustRoot.parse(Path("root").read_bytes())
signer = Signer(root=root, identity={IDENTITY!r}, issuer={ISSUER!r})
print(verify_artifact(Path("bundle").read_bytes(), signer, sha256={DIGEST!r}).time)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True, check=False, text=True, cwd=tmp_path, env={"PYTHONPATH": str(root)},
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == (str(SIGNED), "")


@pytest.mark.parametrize("found", [None, "4.5.2", "4.6.0"])
def test_a_missing_package_or_another_version_is_named(
    monkeypatch: pytest.MonkeyPatch, found: str | None
):
    """Another version may name its private methods otherwise, and so skip ours."""
    if found is None:
        monkeypatch.setitem(sys.modules, "sigstore", None)
    else:
        monkeypatch.setattr(signed, "version", lambda _: found)
    with pytest.raises(PolicyError, match=r"sigstore 4\.5\.1.*\.\[provenance\]"):
        require_package()


def test_what_is_overridden_is_there_and_called():
    for name in ("_establish_time", "_verify_signed_timestamp", "_verify_chain_at_time"):
        assert name in vars(sigstore.verify.Verifier)


def test_a_certificate_without_a_positive_serial_number_is_refused():
    instance, document = KINDS["hashedrekord 0.0.1"]()
    raw = document["verificationMaterial"]["certificate"]
    certificate = b64decode(raw["rawBytes"])
    serial = x509.load_der_x509_certificate(certificate).serial_number
    place = certificate.index(serial.to_bytes(serial.bit_length() // 8 + 1, "big"))
    raw["rawBytes"] = b64(certificate[:place] + b"\x80" + certificate[place + 1 :])
    assert "serial number" in refusal(instance, document)


def test_a_certificate_with_a_key_of_another_kind_is_refused():
    instance, document = KINDS["hashedrekord 0.0.1"]()
    instance.signer = Ed25519PrivateKey.generate()  # type: ignore[assignment]
    raw = {"rawBytes": b64(instance.certificate())}
    document["verificationMaterial"]["certificate"] = raw
    assert "certificate key" in refusal(instance, document)


def test_a_certificate_of_two_names_is_nobodys():
    class TwoNames(Sigstore):
        def names(self) -> list[x509.GeneralName]:
            return [*super().names(), x509.UniformResourceIdentifier("https://example.org/else")]

    instance = TwoNames()
    assert "2 names" in refusal(instance, instance.artifact_bundle(ARTIFACT))


def test_an_address_is_an_identity():
    class Person(Sigstore):
        def names(self) -> list[x509.GeneralName]:
            return [x509.RFC822Name("person@example.org")]

    instance = Person()
    data = json.dumps(instance.artifact_bundle(ARTIFACT)).encode()
    person = replace(signer(instance), identity="person@example.org")
    assert verify_artifact(data, person, sha256=DIGEST).time == SIGNED


@pytest.mark.parametrize("numbers", [(1,), (8,), ()])
def test_the_issuer_may_stand_in_either_extension_and_must_stand_in_one(numbers: tuple[int, ...]):
    class Saying(Sigstore):
        def _says(self) -> list[tuple[int, bytes]]:
            return [one for one in super()._says() if one[0] in numbers]

    instance = Saying()
    document = instance.artifact_bundle(ARTIFACT)
    if numbers:
        assert judge(instance, document).time == SIGNED
    else:
        assert "issuer" in refusal(instance, document)


def test_two_issuers_are_none():
    class Saying(Sigstore):
        def _says(self) -> list[tuple[int, bytes]]:
            return [(1, b"https://other.example.org"), *super()._says()[1:]]

    instance = Saying()
    assert "issuer" in refusal(instance, instance.artifact_bundle(ARTIFACT))


@pytest.mark.parametrize("change", ["\n", "\t", "extra", "— x y\n"])
def test_a_checkpoint_that_is_no_note_is_refused(change: str):
    instance, document = KINDS["hashedrekord 0.0.1"]()
    entry(document)["inclusionProof"]["checkpoint"]["envelope"] += change
    with pytest.raises(MalformedError):
        judge(instance, document)

"""Bundles and trusted roots as bytes: one spelling, within limits, and no other error than ours."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.sigstore import SIGNED, Sigstore, b64, second, statement
from tests.fakes.timestamps import moment
from transparency_log.errors import MalformedBundleError, PolicyError
from transparency_log.provenance.bundle import (
    MAX_CERTIFICATES,
    MAX_HASHES,
    MAX_SIGSTORE_BUNDLE,
    MAX_TIMESTAMPS,
    BundledEnvelope,
    MessageSignature,
    SigstoreBundle,
)
from transparency_log.provenance.root import MAX_ROOT, TrustRoot, Window, at, named

Document = dict[str, Any]
OLD = "application/vnd.dev.sigstore.bundle+json;version="


@pytest.fixture(scope="module")
def document() -> str:
    return json.dumps(second().artifact_bundle(b"an artifact"))


def parse(document: object) -> SigstoreBundle:
    return SigstoreBundle.parse(json.dumps(document).encode())


def entry(document: Document) -> Document:
    found: Document = document["verificationMaterial"]["tlogEntries"][0]
    return found


def proof(document: Document) -> Document:
    found: Document = entry(document)["inclusionProof"]
    return found


def test_every_member_is_read():
    instance = Sigstore()
    bundle = parse(instance.envelope_bundle(statement(bytes(32))))
    assert bundle.entry.type == "dsse 0.0.1"
    assert (bundle.entry.log_index, bundle.entry.integrated_time) == (71, SIGNED)
    assert (bundle.entry.proof.log_index, bundle.entry.proof.tree_size) == (1, 3)
    assert isinstance(bundle.content, BundledEnvelope)
    assert isinstance(parse(instance.artifact_bundle(b"")).content, MessageSignature)


def test_no_hint_of_a_digest_and_no_time_are_read_as_such(document: str):
    changed = json.loads(document)
    changed["messageSignature"]["messageDigest"] = None
    for none in ("0", None):
        entry(changed).update(integratedTime=none, inclusionPromise=None)
        bundle = parse(changed)
        assert bundle.content.digest == b""  # type: ignore[union-attr]
        assert (bundle.entry.integrated_time, bundle.entry.promise) == (0, None)


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.update(mediaType=f"{OLD}0.4"),
        lambda one: one.update(mediaType=f"{OLD}0.1"),
        lambda one: one.update(more=1),
        lambda one: one.update(dsseEnvelope={"payload": "", "payloadType": "", "signatures": []}),
        lambda one: one.pop("messageSignature"),
        lambda one: one["messageSignature"].pop("signature"),
        lambda one: one["verificationMaterial"].update(more=1),
        lambda one: one["verificationMaterial"].update(publicKey=None),
        lambda one: one["verificationMaterial"].update(tlogEntries=[]),
        lambda one: one["verificationMaterial"]["tlogEntries"].append(entry(one)),
        lambda one: one["verificationMaterial"]["certificate"].update(rawBytes="MII"),
        lambda one: one["verificationMaterial"]["timestampVerificationData"].update(
            rfc3161Timestamps=[{"signedTimestamp": ""}] * (MAX_TIMESTAMPS + 1)
        ),
        lambda one: entry(one).update(logIndex="-1"),
        lambda one: entry(one).update(logIndex=71),
        lambda one: entry(one).update(logIndex="071"),
        lambda one: entry(one).update(integratedTime=str(2**62)),
        lambda one: entry(one).pop("inclusionProof"),
        lambda one: entry(one)["logId"].update(keyId=b64(bytes(33))),
        lambda one: proof(one).pop("checkpoint"),
        lambda one: proof(one).update(rootHash=b64(bytes(31))),
        lambda one: proof(one).update(hashes=[b64(bytes(31))]),
        lambda one: proof(one).update(hashes=[b64(bytes(32))] * (MAX_HASHES + 1)),
    ],
)
def test_another_spelling_is_refused(document: str, change: Callable[[Document], object]):
    changed = json.loads(document)
    assert parse(changed).media_type
    change(changed)
    with pytest.raises(MalformedBundleError):
        parse(changed)


def test_a_chain_has_a_first_certificate_and_an_end(document: str):
    changed = json.loads(document)
    changed["mediaType"] = f"{OLD}0.2"
    raw = changed["verificationMaterial"].pop("certificate")
    for count, good in (
        (0, False),
        (1, True),
        (MAX_CERTIFICATES, True),
        (MAX_CERTIFICATES + 1, False),
    ):
        changed["verificationMaterial"]["x509CertificateChain"] = {"certificates": [raw] * count}
        if good:
            assert parse(changed).certificate
        else:
            with pytest.raises(MalformedBundleError):
                parse(changed)


def test_what_is_too_long_is_not_read():
    with pytest.raises(MalformedBundleError, match="bytes"):
        SigstoreBundle.parse(b" " * (MAX_SIGSTORE_BUNDLE + 1))
    with pytest.raises(PolicyError, match="bytes"):
        TrustRoot.parse(b" " * (MAX_ROOT + 1))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_bundle_or_malformed(data: bytes):
    with pytest.raises(MalformedBundleError):
        SigstoreBundle.parse(data)
    with pytest.raises(PolicyError):
        TrustRoot.parse(data)


@settings(max_examples=200)
@given(place=st.integers(min_value=0), new=st.binary(max_size=3))
def test_a_changed_bundle_is_a_bundle_or_malformed(document: str, place: int, new: bytes):
    data = document.encode()
    place %= len(data)
    try:
        SigstoreBundle.parse(data[:place] + new + data[place + 1 :])
    except MalformedBundleError:
        pass


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("start", lambda one: one["publicKey"]["validFor"].pop("start")),
        ("validFor", lambda one: one["publicKey"].pop("validFor")),
        ("start", lambda one: one["publicKey"]["validFor"].update(start="2023-01-01")),
        ("end", lambda one: one["publicKey"]["validFor"].update(end="2023-13-01T00:00:00Z")),
        ("keyId", lambda one: one["logId"].pop("keyId")),
        ("more", lambda one: one.update(more=1)),
    ],
)
def test_a_root_with_a_part_missing_is_our_mistake(name: str, change: Callable[[Document], object]):
    root = json.loads(Sigstore().trusted_root())
    for part in ("tlogs", "ctlogs"):
        changed = json.loads(json.dumps(root))
        change(changed[part][0])
        with pytest.raises(PolicyError, match=name):
            TrustRoot.parse(json.dumps(changed).encode())


def test_an_authority_without_certificates_or_start_is_our_mistake():
    root = json.loads(Sigstore().trusted_root())
    for part in ("certificateAuthorities", "timestampAuthorities"):
        for change in (
            lambda one: one["certChain"].update(certificates=[]),
            lambda one: one["validFor"].pop("start"),
            lambda one: one.pop("validFor"),
        ):
            changed = json.loads(json.dumps(root))
            change(changed[part][0])
            with pytest.raises(PolicyError):
                TrustRoot.parse(json.dumps(changed).encode())


def test_a_log_that_cannot_be_verified_vouches_for_nothing():
    instance = Sigstore()
    whole = json.loads(instance.trusted_root())
    assert named(TrustRoot.parse(json.dumps(whole).encode()).logs, instance.log_id)
    for change in (
        lambda one: one["publicKey"].update(keyDetails="ML_DSA_65"),
        lambda one: one.update(hashAlgorithm="SHA2_512"),
    ):
        changed = json.loads(json.dumps(whole))
        change(changed["tlogs"][0])
        assert named(TrustRoot.parse(json.dumps(changed).encode()).logs, instance.log_id) == ()


def test_finer_times_are_cut_and_both_ends_belong_to_a_validity():
    root = json.loads(Sigstore().trusted_root())
    times = {"start": "2027-01-15T07:00:00.123456789Z", "end": "2027-01-15T07:00:00.5Z"}
    root["timestampAuthorities"][0]["validFor"] = times
    (found,) = TrustRoot.parse(json.dumps(root).encode()).timestamp_authorities
    assert found.window.start.microsecond == 123456
    assert at((found,), found.window.start) == (found,)
    assert found.window.end is not None
    assert at((found,), found.window.end) == (found,)
    assert at((found,), moment(0)) == ()
    assert Window(start=moment(5)).covers(moment(2**33))

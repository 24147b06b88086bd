"""The pins are those of the vendors, and a policy's own root takes the vendor's place whole."""

import json
from pathlib import Path

import pytest

from attestation.anchors import VENDOR_ROOTS, anchors_of
from attestation.certificates import check_issued, check_path, parse_certificate
from attestation.policy import AppraisalPolicy

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "vectors"


def test_every_pin_is_told_in_the_readme():
    text = (ROOT / "attestation" / "anchors" / "README.md").read_text()
    for anchor in VENDOR_ROOTS:
        pinned = anchor.certificate_sha256
        assert pinned is not None
        for told in (anchor.name, pinned.hex(), anchor.spki_sha256.hex()):
            assert told in text


def test_vendor_roots_count_where_the_policy_pins_none():
    policy = AppraisalPolicy(platforms=("sev-snp", "tdx"))
    names = [anchor.name for anchor in anchors_of("sev-snp", policy)]
    assert names == ["ARK-Milan", "ARK-Genoa", "ARK-Turin"]
    assert [anchor.name for anchor in anchors_of("tdx", policy)] == ["Intel SGX Root CA"]
    assert not policy.simulated


def test_a_root_of_ones_own_replaces_the_vendors():
    policy = AppraisalPolicy(platforms=("sev-snp",), roots={"sev-snp": bytes(32)})
    assert [anchor.spki_sha256 for anchor in anchors_of("sev-snp", policy)] == [bytes(32)]
    assert policy.simulated


def test_there_is_no_root_of_the_simulated_platform():
    assert anchors_of("simulated", AppraisalPolicy(platforms=("sev-snp",))) == ()


@pytest.mark.parametrize("kind", ["sev-snp", "tdx"])
def test_each_pin_is_a_published_self_signed_root(kind: str):
    if not SHARED.is_dir():
        pytest.skip("../shared is absent")
    index = json.loads((SHARED / kind / "INDEX.json").read_bytes())
    found = set()
    for entry in index["certificates"]:
        certificate = parse_certificate((SHARED / kind / entry["file"]).read_bytes())
        anchors = [one for one in VENDOR_ROOTS if one.is_certificate(certificate)]
        if anchors:
            found.add(anchors[0].name)
            assert certificate.name == anchors[0].name
            check_path((certificate,), anchors=anchors, now=certificate.not_before)
            check_issued(certificate, certificate)
    assert found == {anchor.name for anchor in VENDOR_ROOTS if anchor.platform == kind}

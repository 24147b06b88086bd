"""A RIM says which chip, which version and which values; and what is not plain is refused."""

from dataclasses import replace

import pytest

from attestation.certificates import Anchor
from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.nvidia.rim import Rim, SignedRim, find_rim, mismatches, overlap
from tests.fakes.amd import NOW
from tests.fakes.nvidia import DAY, DRIVER, VBIOS, Nvidia, nvidia, value_of

VENDOR = nvidia()
ACTIVE = range(1, 64, 2)
MEASURED = {n: value_of(n) for n in range(1, 65)}


def rim(version: str = DRIVER, **changes) -> SignedRim:
    return SignedRim.parse(VENDOR.rim(version, ACTIVE, **changes))


def edited(old: str, new: str) -> SignedRim:
    """Give a RIM that was changed before it was signed."""

    def edit(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return rim(edit=edit)


def authenticate(signed: SignedRim, vendor: Nvidia = VENDOR, now: int = NOW) -> int:
    digest = vendor.roots["nvidia-rim"]
    anchor = Anchor(platform="nvidia-rim", name="", certificate_sha256=None, spki_sha256=digest)
    return signed.authenticate(anchors=(anchor,), now=now)


def test_reads_what_a_rim_says():
    found = rim().rim
    assert (found.name, found.product, found.edition) == ("GH100", "GH100", "GPU")
    assert (found.version, found.tag_version, found.colloquial_version) == ("1.0", "0", DRIVER)
    assert len(found.measurements) == 64
    assert [one.index for one in found.active] == list(ACTIVE)
    assert found.measurements[7].values == {value_of(8)}
    assert found.measurements[7].block == 8


def test_is_authentic_until_its_signer_expires():
    assert authenticate(rim()) == NOW + 365 * DAY
    with pytest.raises(AppraisalError, match="validity"):
        authenticate(rim(), now=NOW + 366 * DAY)


def test_rejects_another_root():
    with pytest.raises(AppraisalError, match="root"):
        authenticate(rim(), Nvidia(root="other"))


def test_rejects_a_chain_without_its_root():
    with pytest.raises(AppraisalError, match="root"):
        authenticate(rim(chain=VENDOR.rim_chain[:-1]))


def test_rejects_the_device_root():
    signed = rim(chain=VENDOR.device().holders)
    with pytest.raises(AppraisalError, match="root"):
        authenticate(signed)


def test_rejects_a_signature_of_another_than_the_leaf():
    with pytest.raises(AppraisalError, match="does not verify"):
        authenticate(rim(key=VENDOR.rim_chain[1].key))


def test_rejects_an_ocsp_responder_as_signer():
    responder = VENDOR.responder(VENDOR.rim_chain[1], usage_critical=False)
    with pytest.raises(AppraisalError, match="an OCSP responder"):
        authenticate(rim(chain=(responder, *VENDOR.rim_chain[1:])))


def test_rejects_a_document_changed_after_signing():
    with pytest.raises(AppraisalError, match="digest"):
        authenticate(rim(after=lambda text: text.replace(DRIVER, "550.90.08")))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("<SoftwareIdentity xmlns=", "<SoftwareIdentity xmlns:x=", "not a SWID tag"),
        ('name="GH100"', 'title="GH100"', "no name"),
        ('version="1.0"', 'form="1.0"', "no version"),
        ('tagVersion="0"', 'tagVersion="00"', "tag version is not a number"),
        ('tagVersion="0"', 'tagVersion="-1"', "tag version is not a number"),
        ('tagVersion="0"', 'tagVersion="٣"', "tag version is not a number"),
        ("colloquialVersion=", "version=", "no colloquialVersion"),
        (' product="GH100"', "", "no product"),
        (' edition="GPU"', "", "no edition"),
        ("</ns0:Meta>", "</ns0:Meta><ns0:Meta></ns0:Meta>", "one Meta, found 2"),
        ("    <ns0:Payload>", "<ns0:Payload></ns0:Payload><ns0:Payload>", "one Payload, found 2"),
        ("<ns0:Payload>", "<ns0:Payload><ns0:Other></ns0:Other>", "other than a measurement"),
        ('type="Measurement"', 'type="File"', "other than a measurement"),
        ('index="7"', 'index="8"', "8 stands there twice"),
        ('index="7"', 'index="255"', "without index"),
        ('index="7"', 'index="07"', "without index"),
        ('index="7"', 'index="-7"', "without index"),
        ('index="7"', 'index="7 "', "without index"),
        ('active="True"', 'active="yes"', "without index, or not said to count"),
        ('active="True"', 'active=""', "without index, or not said to count"),
        ('alternatives="1"', 'alternatives="2"', "not the values that it counts"),
        ('alternatives="1"', 'alternatives="01"', "not the values that it counts"),
        ("ns2:Hash0=", "ns2:Hash1=", "not the values that it counts"),
        ("ns2:Hash0=", "Hash0=", "not the values that it counts"),
        ("ns2:Hash0=", "ns2:hash0=", "not the values that it counts"),
        ('ns2:Hash0="', 'ns2:Hash0="00', "not a SHA-384 digest"),
        ('ns2:Hash0="', 'ns2:Hash0="0x', "not a SHA-384 digest"),
        ('ns2:Hash0="', 'ns2:Hash0=" ', "not a SHA-384 digest"),
        ('ns2:Hash0="', 'ns2:Hash0="00 ', "not a SHA-384 digest"),
    ],
)
def test_rejects_what_is_not_plainly_a_rim(old, new, why):
    with pytest.raises(MalformedEvidenceError, match=why):
        edited(old, new)


def test_rejects_a_rim_in_which_nothing_counts():
    with pytest.raises(MalformedEvidenceError, match="no measurement counts"):
        SignedRim.parse(VENDOR.rim(DRIVER, ()))


def test_rejects_too_many_alternatives():
    values = tuple(value_of(n) for n in range(33))
    with pytest.raises(MalformedEvidenceError, match="not the values that it counts"):
        rim(values={7: values})


def test_a_measurement_without_values_cannot_count():
    none = {0: (), 7: ()}
    with pytest.raises(MalformedEvidenceError, match="7 counts and has no value"):
        rim(values=none)
    assert rim(values={0: ()}).rim.measurements[0].values == frozenset()


def test_every_alternative_is_acceptable():
    values = (bytes(48), value_of(8), b"\1" * 48)
    alternatives = rim(values={7: values}).rim
    assert alternatives.measurements[7].values == set(values)
    assert mismatches(MEASURED, [alternatives]) == []


def test_finds_measurements_that_are_others_or_missing():
    found = rim().rim
    assert mismatches(MEASURED, [found]) == []
    assert mismatches({**MEASURED, 8: bytes(48)}, [found]) == [7]
    assert mismatches({n: v for n, v in MEASURED.items() if n != 8}, [found]) == [7]
    assert mismatches({**MEASURED, 7: bytes(48)}, [found]) == []


def test_counts_from_zero_where_blocks_count_from_one():
    shifted = {n - 1: value for n, value in MEASURED.items()}
    assert mismatches(shifted, [rim().rim]) == list(ACTIVE)


def test_names_an_index_once_for_each_rim_that_it_breaks():
    found = rim().rim
    assert mismatches({**MEASURED, 8: bytes(48)}, [found, found]) == [7, 7]
    assert overlap([found, found]) == list(ACTIVE)
    assert overlap([found]) == []


def test_finds_the_rim_for_chip_and_version():
    rims = [rim(), rim(VBIOS)]
    assert find_rim(rims, chip="GH100", version=DRIVER) is rims[0]
    assert find_rim(rims, chip="GH100", version=VBIOS.lower()) is rims[1]
    assert find_rim(rims, chip="GB100", version=DRIVER) is None
    assert find_rim(rims, chip="GH100", version="550.90.7") is None
    assert find_rim([], chip="GH100", version=DRIVER) is None


def test_of_several_rims_the_one_made_last_counts():
    later = VENDOR.rim_signer(VENDOR.rim_chain[1], not_before=NOW - DAY)
    reissued = rim(chain=(later, *VENDOR.rim_chain[1:]))
    corrected = rim(tag_version=10)
    old = rim(tag_version=9)
    assert find_rim([rim(), reissued], chip="GH100", version=DRIVER) is reissued
    assert find_rim([corrected, reissued, old], chip="GH100", version=DRIVER) is corrected


def test_an_inactive_value_never_decides():
    found = rim().rim
    inactive = replace(found.measurements[7], active=False)
    without: Rim = replace(found, measurements={**found.measurements, 7: inactive})
    assert mismatches({**MEASURED, 8: bytes(48)}, [without]) == []

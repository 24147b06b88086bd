"""A chain has five roles and names a chip and its firmware; anything else is refused."""

from dataclasses import replace

import pytest
from cryptography.x509 import ObjectIdentifier
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.certificates import Anchor, parse_chain
from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.nvidia.endorsements import (
    GPU,
    SWITCH,
    check_chain,
    check_fwid,
    identify,
    leaf_fwids,
)
from attestation.nvidia.evidence import Opaque, Report
from tests.fakes.amd import NOW
from tests.fakes.nvidia import (
    Chip,
    Nvidia,
    composite_device_id,
    fwid_element,
    key_of,
    nvidia,
    tcb_info,
    tlv,
)

FWID = b"\7" * 48
COMPOSITE, INFO = "2.23.133.5.4.1", "2.23.133.5.4.1.1"


def anchors(vendor: Nvidia) -> tuple[Anchor, ...]:
    digest = vendor.root.spki_sha256
    return (Anchor(platform="nvidia", name="", certificate_sha256=None, spki_sha256=digest),)


def check(chip: Chip, vendor: Nvidia | None = None, now: int = NOW) -> None:
    check_chain(parse_chain(chip.pem), anchors=anchors(vendor or nvidia()), now=now)


@pytest.mark.parametrize("chip", ["GH100", "GB100", "LS_10"])
def test_accepts_a_chain_of_each_family(chip):
    check(nvidia(chip).device(), nvidia(chip))


def test_rejects_another_root():
    with pytest.raises(AppraisalError, match="root"):
        check(Nvidia(root="other").device())


def test_rejects_a_chain_with_a_gap():
    chip = nvidia().device()
    short = Chip(
        holders=(*chip.holders[:2], *chip.holders[3:]), kind=GPU, fwid=chip.fwid, pdi=chip.pdi
    )
    with pytest.raises(AppraisalError, match="another issuer is named"):
        check(short)


def test_rejects_a_chain_of_four_roles():
    vendor = nvidia()
    leaf = vendor.authority(
        "GH100 A01 GSP FMC LF",
        by=vendor.provisioner,
        is_ca=False,
        extensions=composite_device_id(FWID),
    )
    holders = (leaf, vendor.provisioner, vendor.identity, vendor.root)
    with pytest.raises(AppraisalError, match="5 certificates"):
        check(Chip(holders=holders, kind=GPU, fwid=FWID, pdi=b""))


@pytest.mark.parametrize("index", [0, 1])
def test_rejects_a_certificate_of_another_key(index):
    chip = nvidia().device()
    by = chip.holders[index + 1]
    other = nvidia().authority(
        chip.holders[index].name, by=by, is_ca=index > 0, signer=key_of("other")
    )
    with pytest.raises(AppraisalError, match="signature"):
        check(chip.instead(index, other))


def test_rejects_an_expired_certificate():
    with pytest.raises(AppraisalError, match="validity"):
        check(nvidia().device(not_after=NOW - 1))


def test_rejects_a_leaf_without_a_firmware_id():
    with pytest.raises(AppraisalError, match="a firmware id"):
        check(nvidia().device(extensions={}))


def test_rejects_a_leaf_whose_firmware_id_is_zero():
    with pytest.raises(AppraisalError, match="a firmware id"):
        check(nvidia().device(fwid=bytes(48)))


def test_the_firmware_id_may_be_critical_and_others_not():
    check(nvidia().device(critical=(COMPOSITE,)))
    extensions = {**composite_device_id(FWID), "1.2.3": b"\5\0"}
    with pytest.raises(AppraisalError, match=r"1\.2\.3"):
        check(nvidia().device(extensions=extensions, critical=("1.2.3",)))


@pytest.mark.parametrize("make", [composite_device_id, tcb_info])
def test_reads_either_form_of_firmware_id(make):
    leaf = parse_chain(nvidia().device(extensions=make(FWID)).pem)[0]
    assert leaf_fwids(leaf) == (FWID,)


@pytest.mark.parametrize(
    ("oid", "value"),
    [
        (COMPOSITE, b"\5\0"),
        (COMPOSITE, tlv(0x30, tlv(0x02, b"\1"), fwid_element(FWID))),
        (COMPOSITE, tlv(0x30, tlv(0x02, b"\1"), tlv(0x30), tlv(0x31))),
        (COMPOSITE, tlv(0x30, tlv(0x02, b"\1"), tlv(0x30), fwid_element(FWID[:32]))),
        (INFO, tlv(0x30, tlv(0x83, b"\1"))),
        (INFO, tlv(0x30, tlv(0xA6, fwid_element(FWID)), tlv(0xA6, fwid_element(FWID)))),
        (INFO, tlv(0x30, tlv(0xA6, tlv(0x30, tlv(0x06, b"\x2a\3"), tlv(0x04, FWID))))),
        (INFO, tlv(0x30, tlv(0xA6, fwid_element(FWID))) + b"\0"),
    ],
)
def test_rejects_other_forms_of_firmware_id(oid, value):
    with pytest.raises(MalformedEvidenceError):
        check(nvidia().device(extensions={oid: value}))


@settings(deadline=None)
@given(st.binary(max_size=64))
def test_any_bytes_are_no_firmware_id(value):
    leaf = parse_chain(nvidia().device().pem)[0]
    for oid in (COMPOSITE, INFO):
        with pytest.raises(MalformedEvidenceError):
            leaf_fwids(replace(leaf, extensions={ObjectIdentifier(oid): value}))


def test_the_firmware_id_of_a_report_must_be_the_leafs():
    vendor, chip = nvidia(), nvidia().device()
    leaf = parse_chain(chip.pem)[0]
    check_fwid(Report.parse(vendor.report(chip)), leaf)
    check_fwid(Report.parse(vendor.report(chip, opaque={Opaque.FWID: None})), leaf)
    for wrong in (FWID, bytes(48)):
        with pytest.raises(AppraisalError, match="FWID"):
            check_fwid(Report.parse(vendor.report(chip, opaque={Opaque.FWID: wrong})), leaf)


def test_the_empty_second_firmware_id_of_blackwell_matches_nothing():
    vendor = nvidia("GB100")
    chip = vendor.device()
    report = Report.parse(vendor.report(chip, opaque={Opaque.FWID: bytes(48)}))
    with pytest.raises(AppraisalError, match="FWID"):
        check_fwid(report, parse_chain(chip.pem)[0])


@pytest.mark.parametrize(
    ("chip", "kind", "name"),
    [("GH100", GPU, "GH100"), ("GB100", GPU, "GB100"), ("LS_10", SWITCH, "LS10")],
)
def test_names_the_chip(chip, kind, name):
    device = nvidia(chip).device()
    named = identify(parse_chain(device.pem), kind)
    assert (named.chip, named.pdi) == (name, device.pdi)


@pytest.mark.parametrize(("chip", "kind"), [("GH100", SWITCH), ("LS_10", GPU), ("GH100", "tpu")])
def test_rejects_a_chip_of_another_kind(chip, kind):
    with pytest.raises(AppraisalError, match="chip"):
        identify(parse_chain(nvidia(chip).device().pem), kind)


def test_rejects_a_leaf_that_names_no_chip():
    with pytest.raises(AppraisalError, match="chip"):
        identify(parse_chain(nvidia().device(leaf_name="NVIDIA something").pem), GPU)
    with pytest.raises(MalformedEvidenceError, match="names no chip"):
        identify(parse_chain(nvidia().device().pem)[:1], GPU)

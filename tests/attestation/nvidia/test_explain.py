"""The grounds of step 6 are the bytes it was about, where they say."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.checks import CHECKS
from attestation.claims import Ground
from attestation.devices import explain_section
from attestation.endorsements import of_type
from attestation.evidence import DeviceEvidence, DevicesSection, Endorsement
from attestation.nvidia.explain import JUDGED, explain_devices, explain_rim
from attestation.nvidia.rim import SignedRim
from tests.fakes import simulated
from tests.fakes.nvidia import NONCE, Chip, Nvidia, nvidia, value_of

VENDOR = nvidia()
CHIP = VENDOR.device()
REPORT = VENDOR.report(CHIP)
STAPLED = VENDOR.endorsements(CHIP)


def grounds_of(vendor: Nvidia = VENDOR, chip: Chip = CHIP) -> list[Ground]:
    return list(explain_devices([chip.evidence(vendor.report(chip))], vendor.endorsements(chip)))


def parts_of(
    devices: Sequence[tuple[str, Chip, bytes]], stapled: tuple[Endorsement, ...]
) -> dict[str, bytes]:
    """Give everything that a ground may be in."""
    parts = {}
    for name, chip, report in devices:
        parts[f"{name}report"] = report
        parts |= {f"{name}certificate {depth}": one.der for depth, one in enumerate(chip.holders)}
    for number, data in enumerate(of_type(stapled, "rim")):
        parts[f"rim {number}"] = data
        chain = SignedRim.parse(data).signed.certificates
        parts |= {f"rim {number} certificate {depth}": one.der for depth, one in enumerate(chain)}
    parts |= {f"ocsp {number}": data for number, data in enumerate(of_type(stapled, "ocsp"))}
    return parts


def check_places(grounds: Sequence[Ground], parts: dict[str, bytes]) -> None:
    for one in grounds:
        assert one.check in CHECKS
        assert one.size == len(one.value) > 0
        assert parts[one.part][one.offset : one.offset + one.size] == one.value, one.field


@pytest.mark.parametrize("name", ["GH100", "GB100", "LS_10"])
def test_every_ground_is_where_it_says(name: str):
    vendor = nvidia(name)
    chip = vendor.device()
    report, stapled = vendor.report(chip), vendor.endorsements(chip)
    grounds = list(explain_devices([chip.evidence(report)], stapled))
    parts = parts_of([("", chip, report)], stapled)
    check_places(grounds, parts)
    assert {one.part for one in grounds} == parts.keys()
    assert {one.check for one in grounds} == {"6.authentic", "6.nonce", "6.measurements"}


def test_shows_the_fields_that_are_judged():
    grounds = explain_devices([CHIP.evidence(REPORT)], STAPLED)
    shown = {(one.check, one.field): one.value for one in grounds if one.part == "report"}
    assert shown["6.nonce", "nonce"] == NONCE
    assert shown["6.authentic", "signed bytes"] + shown["6.authentic", "signature"] == REPORT
    for check, kinds in JUDGED.items():
        named = {kind.name for kind in kinds}
        assert named & {field for about, field in shown if about == check}
    assert (shown["6.measurements", "DRIVER_VERSION"]).rstrip(b"\0").isascii()


def test_a_measurement_stands_beside_its_reference_value():
    grounds = [one for one in grounds_of() if one.check == "6.measurements"]
    blocks = {one.field: one.value for one in grounds if one.field.startswith("block ")}
    tags = {one.field: one.value for one in grounds if one.field.startswith("measurement ")}
    assert {f"measurement {int(name.split()[1]) - 1}" for name in blocks} == tags.keys()
    assert len(blocks) > 40
    for name, value in blocks.items():
        index = int(name.split()[1])
        assert value == value_of(index)
        assert value.hex() in tags[f"measurement {index - 1}"].decode().lower()


def test_what_signs_a_rim_is_shown_whole():
    shown = {one.field: one.value for one in grounds_of() if one.part == "rim 0"}
    assert shown["SignedInfo"].endswith(b"SignedInfo>")
    assert b"DigestValue>" in shown["DigestValue"]
    assert shown["meta"].startswith(b"<")
    assert b"colloquialVersion" in shown["meta"]


def test_a_rim_that_no_report_names_is_not_shown():
    other = nvidia("GB100").rims()
    stapled = (*(Endorsement(type="rim", data=one) for one in other), *STAPLED)
    parts = {one.part for one in explain_devices([CHIP.evidence(REPORT)], stapled)}
    assert "rim 2" in parts
    assert not {"rim 0", "rim 1"} & parts


def test_without_rims_every_block_is_shown():
    grounds = explain_devices([CHIP.evidence(REPORT)], ())
    blocks = [one for one in grounds if one.field.startswith("block ")]
    assert len(blocks) == VENDOR.block_count


def test_answers_stand_under_the_check_that_asks_for_them():
    grounds = [one for one in grounds_of() if one.part.startswith("ocsp ")]
    checks = {one.check for one in grounds}
    assert checks == {"6.authentic", "6.measurements"}
    status = [one.value for one in grounds if one.field == "status"]
    assert set(status) == {b"\x80\x00"}  # good
    assert all(one.value[:1] == b"\x18" for one in grounds if one.field == "this update")


def test_a_rim_alone_is_shown_with_its_answers():
    rim = VENDOR.rims()[0]
    grounds = list(explain_rim(rim, STAPLED))
    assert {one.check for one in grounds} == {"6.measurements"}
    assert {"rim 0", "rim 0 certificate 0"} < {one.part for one in grounds}
    assert any(one.part.startswith("ocsp") for one in grounds)


def test_several_devices_are_numbered_and_the_agents_words_shown():
    chips = [VENDOR.device(name) for name in ("first", "second")]
    fake = simulated.machine().devices(NONCE)[0]
    reports = [VENDOR.report(chip) for chip in chips]
    devices: tuple[DeviceEvidence, ...] = (
        chips[0].evidence(reports[0]),
        replace(fake, mode="devtools"),
        chips[1].evidence(reports[1], mode="protected-pcie"),
    )
    section, stapled = DevicesSection(devices=devices).encode(), VENDOR.endorsements(*chips)
    grounds = explain_section(section, stapled)
    parts = {
        **parts_of(
            [("device 0 ", chips[0], reports[0]), ("device 2 ", chips[1], reports[1])], stapled
        ),
        "device 1 report": fake.report,
        "devices section": section,
    }
    check_places(grounds, parts)
    modes = [one.value for one in grounds if one.check == "6.mode"]
    assert modes == [b"on", b"devtools", b"protected-pcie"]
    assert {one.part.split()[1] for one in grounds if one.part.startswith("device ")} == set("012")


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=300))
def test_what_does_not_parse_has_no_grounds(report: bytes, chain: bytes, stapled: bytes):
    """Any bytes: no grounds, and never an exception."""
    device = DeviceEvidence(kind="nvidia-gpu", report=report, certificates=chain, mode="on")
    endorsements = tuple(Endorsement(type=one, data=stapled) for one in ("rim", "ocsp"))
    assert list(explain_devices([device], endorsements)) == []
    assert list(explain_rim(stapled, endorsements)) == []
    assert explain_section(report, endorsements) == ()


def test_changed_bytes_never_stop_the_explanation():
    """Any byte of report, chain, RIM and answer may be another: what is left is shown."""
    rim, answer = VENDOR.rims()[0], VENDOR.answers(CHIP)[0]
    for data, show in (
        (REPORT, lambda one: explain_devices([CHIP.evidence(one)], STAPLED)),
        (CHIP.pem, lambda one: explain_devices([CHIP.evidence(REPORT, certificates=one)], ())),
        (rim, lambda one: explain_rim(one, ())),
        (answer, lambda one: explain_devices([CHIP.evidence(REPORT)], (ocsp(one),))),
    ):
        for offset in range(0, len(data), max(1, len(data) // 40)):
            list(show(data[:offset] + bytes((data[offset] ^ 0x21,)) + data[offset + 1 :]))


def ocsp(data: bytes) -> Endorsement:
    return Endorsement(type="ocsp", data=data)

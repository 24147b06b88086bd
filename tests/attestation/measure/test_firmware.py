"""OVMF's table and metadata: what they say, and every way to be wrong."""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.errors import ArtifactError
from attestation.measure.artifact import Artifact
from attestation.measure.firmware import Firmware, SevKind, TdxAttribute
from tests.fakes import ovmf


def parse(data: bytes) -> Firmware:
    return Firmware.parse(Artifact(name="OVMF.fd", data=data))


def test_reads_what_it_says() -> None:
    firmware = parse(ovmf.firmware())
    assert firmware.address == (1 << 32) - 8 * 4096
    assert firmware.reset_address == 0x80B004
    assert firmware.hashes_address == 0x810C00
    assert [(one.address, one.size, int(one.kind)) for one in firmware.sev_sections()] == [
        *ovmf.SEV
    ]
    sections = firmware.tdx_sections()
    assert sections[0].attributes is TdxAttribute.EXTEND
    assert sections[0].content == ovmf.firmware()[0x2000:0x8000]
    assert [one.size for one in sections] == [one[3] for one in ovmf.TDX]


def test_plain_firmware_has_neither() -> None:
    firmware = parse(ovmf.firmware(sev=None, tdx=None))
    for call in (firmware.sev_sections, firmware.tdx_sections):
        with pytest.raises(ArtifactError, match=r"OVMF\.fd: has no .* metadata"):
            call()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "0 bytes, expected whole pages"),
        (ovmf.firmware() + b"x", "whole pages"),
        (bytes(17 << 20), "whole pages"),
        (bytes(4096), "no table of GUIDs"),
        (ovmf.with_table(bytes(4096), b"", size=17), "17 bytes, at least 18"),
        (ovmf.with_table(bytes(4096), b"", size=5000), "not inside"),
        (ovmf.with_table(bytes(4096), ovmf.entry(ovmf.SEV_RESET, b"1") * 2), "twice"),
        (ovmf.with_table(bytes(4096), b"x"), "an entry of"),
        (ovmf.with_table(bytes(4096), b"x" * 16 + bytes(2)), "an entry of"),
    ],
)
def test_refuses_a_broken_table(data: bytes, said: str) -> None:
    with pytest.raises(ArtifactError, match=said):
        parse(data)


def sev(*sections: tuple[int, int, int]) -> Callable[[], object]:
    return parse(ovmf.firmware(sev=sections)).sev_sections


def tdx(*sections: tuple[int, int, int, int, int, int]) -> Callable[[], object]:
    return parse(ovmf.firmware(tdx=sections)).tdx_sections


def replaced(old: bytes, new: bytes) -> Firmware:
    data = ovmf.firmware()
    assert old in data
    return parse(data.replace(old, new, 1))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (sev((0x800001, 0x1000, 1)), "are no pages"),
        (sev((0x800000, 0x1001, 1)), "are no pages"),
        (sev((0x800000, 0, 1)), "are no pages"),
        (sev((0x800000, 0xFFFFF000, 1)), "are no pages"),
        (sev((0x800000, 0x1000, 9)), "kind 0x9"),
        (sev(*[(0x800000, 0x1000, 1)] * 65), "65 sections"),
        (sev(), "0 sections"),
        (sev((0x800000, 0x1800000, 1), (0x4000000, 0x1800000, 1)), "bytes of memory"),
        (tdx(*[(0, 0, 0x1000000, 0x1000000, 3, 0)] * 3), "bytes of memory"),
        (tdx((0, 0x2000, 0x1000, 0x1000, 0, 0)), "8192 bytes in 4096"),
        (tdx((0, 0, 0x1001, 0x1000, 0, 0)), "are no pages"),
        (tdx((0, 0, 0x1000, 0x1000, 0, 4)), "attributes 0x4"),
        (tdx((0x7800, 0x1000, 0x1000, 0x1000, 0, 1)), "not inside"),
        (tdx((0, 0, 0x1000, 1 << 40, 0, 1)), "are no pages"),
        (replaced(b"ASEV", b"ASEX").sev_sections, "ASEX"),
        (replaced(b"TDVF", b"TDVX").tdx_sections, "TDVX"),
        (
            replaced(b"ASEV" + struct.pack("<II", 88, 1), b"ASEV" + struct.pack("<II", 88, 2))
            .sev_sections,
            "version 2",
        ),
        (
            replaced(b"ASEV" + struct.pack("<I", 88), b"ASEV" + struct.pack("<I", 100))
            .sev_sections,
            "100 bytes for 6",
        ),
        (
            replaced(b"TDVF" + struct.pack("<I", 208), b"TDVF" + struct.pack("<I", 200))
            .tdx_sections,
            "200 bytes for 6",
        ),
    ],
)  # fmt: skip
def test_refuses_broken_metadata(call: Callable[[], object], said: str) -> None:
    with pytest.raises(ArtifactError, match=said):
        call()


@pytest.mark.parametrize("place", [0, 4, 9000, 1 << 31])
def test_refuses_metadata_outside_of_the_file(place: int) -> None:
    entries = ovmf.entry(ovmf.SEV_METADATA, struct.pack("<I", place))
    firmware = parse(ovmf.with_table(bytes(8192), entries))
    with pytest.raises(ArtifactError):
        firmware.sev_sections()


def test_refuses_a_number_that_is_cut() -> None:
    firmware = parse(ovmf.with_table(bytes(4096), ovmf.entry(ovmf.SEV_RESET, b"123")))
    with pytest.raises(ArtifactError, match="3 bytes, 4 are needed"):
        _ = firmware.reset_address


def test_every_kind_is_known() -> None:
    assert {one[2] for one in ovmf.SEV} == set(SevKind)


@settings(max_examples=300)
@given(st.integers(0, 8 * 4096 - 1), st.binary(min_size=1, max_size=8))
def test_any_changed_bytes_give_a_value_or_this_error(place: int, new: bytes) -> None:
    data = ovmf.firmware()
    try:
        firmware = parse((data[:place] + new + data[place + len(new) :])[: len(data)])
        firmware.sev_sections()
        firmware.tdx_sections()
    except ArtifactError:
        return

"""MRTD, and RTMRs of a boot."""

import hashlib

import pytest

from attestation.measure import tdx
from attestation.measure.artifact import Artifact
from attestation.measure.boot import BootEvent, BootWay, boot_events
from attestation.measure.firmware import Firmware
from attestation.measure.tdx import PageOrder
from attestation.measure.uki import Uki
from attestation.tcg_log import Bank
from tests.fakes import ovmf, tcg, uki


def firmware(data: bytes | None = None) -> Firmware:
    return Firmware.parse(Artifact(name="OVMF.fd", data=ovmf.firmware() if data is None else data))


def written_again(data: bytes, order: PageOrder) -> bytes:
    """MRTD from the module's specification, step by step, over a flat list of operations."""
    operations: list[tuple[str, int, bytes]] = []
    for place, raw, address, size, _, attributes in ovmf.TDX:
        content = data[place : place + raw].ljust(size, b"\0") if raw else bytes(size)
        pages = range(address, address + size, 4096)
        adds = [("MEM.PAGE.ADD", page, b"") for page in pages if not attributes & 2]
        extends = [
            ("MR.EXTEND", at, content[at - address : at - address + 256])
            for at in range(address, address + size, 256)
            if attributes & 1
        ]
        if order is PageOrder.PER_SECTION:
            operations += adds + extends
        else:
            for page in pages:
                operations += [one for one in adds if one[1] == page]
                operations += [one for one in extends if page <= one[1] < page + 4096]
    digest = hashlib.sha384()
    for name, address, content in operations:
        digest.update(name.encode().ljust(16, b"\0") + address.to_bytes(8, "little") + bytes(104))
        digest.update(content)
    return digest.digest()


@pytest.mark.parametrize("order", PageOrder)
def test_mrtd_is_what_the_specification_says(order: PageOrder) -> None:
    data = ovmf.firmware()
    assert tdx.mrtd(firmware(data), order) == written_again(data, order)


def test_the_orders_differ() -> None:
    assert len({tdx.mrtd(firmware(), order) for order in PageOrder}) == 2


@pytest.mark.parametrize(("place", "measured"), [(0x2000, True), (0x5FFF, True), (0x100, False)])
def test_mrtd_has_every_byte_that_is_measured_and_no_other(place: int, *, measured: bool) -> None:
    changed = bytearray(ovmf.firmware())
    changed[place] ^= 1
    found = tdx.mrtd(firmware(bytes(changed)), PageOrder.PER_PAGE)
    assert (found != tdx.mrtd(firmware(), PageOrder.PER_PAGE)) is measured


def test_registers_are_those_of_the_mapping() -> None:
    image = Uki.parse(Artifact(name="uki", data=uki.uki()))
    events = boot_events(image, BootWay.DISK, b"a partition table")
    found = tdx.registers(events)
    assert set(found) == {0, 1, 2}
    register = bytes(48)
    for event in tdx.in_rtmrs(events):
        if event.pcr == 1:
            assert not event.what.startswith("section")
            register = hashlib.sha384(register + event.digest(Bank.SHA384)).digest()
    assert found[1] == register


def test_each_register_has_one_line() -> None:
    image = Uki.parse(Artifact(name="uki", data=uki.uki()))
    lines = [
        event.pcr
        for event in tdx.in_rtmrs(boot_events(image, BootWay.DIRECT, None))
        if event.separates
    ]
    assert lines == [0, 1]


def test_what_is_in_no_register_is_left_out() -> None:
    assert list(tdx.in_rtmrs([BootEvent(pcr=0, what="version", content=b"1")])) == []
    assert tdx.registers([BootEvent(pcr=14, what="a key", content=b"k")]) == {
        2: tcg.replayed("sha384", b"k")
    }

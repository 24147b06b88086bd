"""The table of fields is the specification's: offsets, sizes, no gap and no overlap."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.tdx.layout import (
    EnclaveReport,
    FixedFields,
    Header,
    TdReport10,
    TdReport15,
)

SIZES: list[tuple[type[FixedFields], int]] = [
    (Header, 48),
    (TdReport10, 584),
    (TdReport15, 648),
    (EnclaveReport, 384),
]


@pytest.mark.parametrize(("kind", "size"), SIZES)
def test_every_byte_belongs_to_one_field(kind: type[FixedFields], size: int):
    end = 0
    for place in kind.table():
        assert place.offset == end
        end += place.size
    assert end == kind.size() == size


def test_fields_lie_where_the_sheet_says():
    places = {one.name: one.offset for one in TdReport15.table()}
    wanted = {"mr_td": 0x88, "rt_mr0": 0x148, "report_data": 0x208, "mr_service_td": 0x258}
    assert {name: places[name] for name in wanted} == wanted
    places = {one.name: one.offset for one in EnclaveReport.table()}
    wanted = {"attributes": 48, "mr_signer": 128, "isv_prod_id": 256, "isv_svn": 258}
    assert {name: places[name] for name in wanted} == wanted


@pytest.mark.parametrize(("kind", "size"), SIZES)
@given(st.data())
def test_what_is_read_is_written_back(kind: type[FixedFields], size: int, data: st.DataObject):
    content = data.draw(st.binary(min_size=size, max_size=size))
    assert kind.read(content).write() == content


def test_numbers_are_little_endian():
    report = EnclaveReport.read(bytes(256) + b"\x02\x01" + bytes(126))
    assert report.isv_prod_id == 0x0102
    assert replace(report, isv_svn=3).write()[258:260] == b"\x03\x00"

"""Partition tables: a real firmware's measurement is in test_boot; here, every way to be wrong."""

import struct
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.errors import ArtifactError
from attestation.measure import gpt
from attestation.measure.artifact import Artifact
from attestation.measure.gpt import PartitionTable
from tests.fakes import disk

PARTS = [
    (disk.ESP, disk.ESP_IDENTITY, b"an ESP" * 200),
    (disk.ROOT, uuid.UUID(int=7), b"root" * 400),
]


def parse(data: bytes) -> PartitionTable:
    return PartitionTable.parse(Artifact(name="node.raw", data=data))


def with_table(table: bytes, **changed: int) -> bytes:
    padded = table.ljust(128 * 128, b"\0")
    return bytes(512) + disk.header(padded, **changed) + padded


def entry(begin: int, end: int, kind: uuid.UUID = disk.ROOT) -> bytes:
    return (kind.bytes_le + uuid.UUID(int=begin).bytes_le + struct.pack("<QQ", begin, end)).ljust(
        128, b"\0"
    )


def test_reads_partitions_where_they_lie() -> None:
    data = disk.disk(PARTS)
    found = parse(data)
    assert [one.kind for one in found.partitions] == [gpt.ESP, disk.ROOT]
    assert [one.identity for one in found.partitions] == [disk.ESP_IDENTITY, uuid.UUID(int=7)]
    for one, (_, _, content) in zip(found.partitions, PARTS, strict=True):
        assert data[one.offset :].startswith(content)
        assert one.size >= len(content)
    assert found.of_kind(gpt.ESP) == found.partitions[:1]


def test_what_is_measured_is_header_count_and_used_entries() -> None:
    data = disk.disk(PARTS)
    measured = parse(data).measured
    assert measured == data[512:604] + struct.pack("<Q", 2) + data[1024:1280]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "GPT header"),
        (bytes(gpt.MAX_TABLE), "no GPT of revision"),
        (with_table(entry(64, 70), here=2), "GPT header: 128 entries"),
        (with_table(entry(64, 70), size=256), "of 256 bytes"),
        (with_table(entry(64, 70), count=129), "129 entries"),
        (with_table(entry(64, 70), count=0), "0 entries"),
        (with_table(entry(64, 70), start=1 << 40), "at sector"),
        (with_table(entry(64, 70), start=30), "GPT entries"),
        (with_table(entry(64, 70), start=3), "not inside"),
        (with_table(entry(20, 70)), "a partition of sectors 20 to 70"),
        (with_table(entry(64, 1001)), "sectors 64 to 1001"),
        (with_table(entry(70, 64)), "sectors 70 to 64"),
        (with_table(entry(64, 70) + entry(70, 80)), "overlaps"),
        (with_table(entry(64, 70)).replace(b"EFI PART", b"EFI PARX"), "no GPT"),
    ],
)
def test_refuses_a_broken_table(data: bytes, said: str) -> None:
    with pytest.raises(ArtifactError, match=f"node.raw: .*{said}"):
        parse(data)


@pytest.mark.parametrize(("place", "said"), [(512 + 60, "header: its"), (1030, "entries: their")])
def test_refuses_wrong_checksums(place: int, said: str) -> None:
    data = bytearray(disk.disk(PARTS))
    data[place] ^= 1
    with pytest.raises(ArtifactError, match=said):
        parse(bytes(data))


@settings(max_examples=200)
@given(st.binary(max_size=300), st.integers(0, 128))
def test_any_bytes_in_a_table_give_a_value_or_this_error(table: bytes, count: int) -> None:
    try:
        found = parse(with_table(table, count=count))
    except ArtifactError:
        return
    assert len(found.partitions) <= 3

"""Linux's own list of measurements."""

import hashlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import MalformedEvidenceError
from attestation.tpm.ima import MAX_LIST, read_list

BOOT_AGGREGATE = (
    b"\x28\0\0\0sha256:\0" + hashlib.sha256(b"PCR 0 to 9").digest() + b"\x0f\0\0\0boot_aggregate\0"
    + bytes(4)
)  # fmt: skip


def record(data: bytes = BOOT_AGGREGATE, *, pcr: int = 10, name: bytes = b"ima-sig") -> bytes:
    """A record as Linux writes it, with the SHA-1 that nobody looks at."""
    head = struct.pack("<I20sI", pcr, bytes(20), len(name)) + name
    return head + struct.pack("<I", len(data)) + data


def test_reads_what_each_record_is_the_hash_of() -> None:
    assert read_list(b"") == ()
    assert read_list(record()) == (BOOT_AGGREGATE,)
    assert read_list(record() + record(b"more")) == (BOOT_AGGREGATE, b"more")


def test_a_real_kernels_pcr_10_is_that_of_its_list() -> None:
    """Linux 6.12.107 of Debian 13 under QEMU: its list, and PCR 10 of its TPM."""
    folder = Path(__file__).parents[1] / "measure" / "known"
    (data,) = read_list((folder / "ima-list.bin").read_bytes())
    held = bytes.fromhex((folder / "ima-pcr-10.txt").read_text().strip())
    assert hashlib.sha384(bytes(48) + hashlib.sha384(data).digest()).digest() == held


@pytest.mark.parametrize(
    "data",
    [
        record()[:-1],
        record()[:30],
        record()[:3],
        record() + b"\0",
        record(pcr=11),
        record(name=b"ima"),
        record(b""),
        bytes(MAX_LIST + 1),
    ],
)
def test_refuses_another_spelling(data: bytes) -> None:
    with pytest.raises(MalformedEvidenceError, match="IMA's list"):
        read_list(data)


@given(st.binary(max_size=200))
def test_any_bytes_give_records_or_this_error(data: bytes) -> None:
    try:
        assert sum(map(len, read_list(data))) <= len(data)
    except MalformedEvidenceError:
        return

"""Judging one entry: any bytes are counted, none stop the monitor."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transparency_log.monitor.chains import Planted
from transparency_log.monitor.judge import Link, SeenRelease, judge
from transparency_log.tile import MAX_ENTRY

PLANTED = Planted().honest(1)
ENTRIES = PLANTED.log.entries


@given(data=st.binary(max_size=300))
def test_any_bytes_are_counted(data: bytes):
    judged = judge(5, [data], PLANTED.watch)
    assert sum(judged.passed.values()) + len(judged.seen) == 1


@given(which=st.sampled_from(ENTRIES), position=st.integers(0, 400), value=st.integers(0, 255))
@settings(max_examples=300)
def test_a_changed_byte_is_counted_or_changes_no_statement(which: bytes, position: int, value: int):
    changed = bytearray(which)
    changed[position] = value
    judged = judge(0, [bytes(changed)], PLANTED.watch)
    assert sum(judged.passed.values()) + len(judged.seen) == 1
    if judged.seen:
        assert digests(judged.seen) == digests(judge(0, [which], PLANTED.watch).seen)


def digests(seen: object) -> list[bytes]:
    assert isinstance(seen, tuple)
    return [one.digest for one in seen if isinstance(one, Link | SeenRelease)]


def test_the_longest_entry_is_counted():
    assert sum(judge(0, [b"[" * MAX_ENTRY, b""], PLANTED.watch).passed.values()) == 2

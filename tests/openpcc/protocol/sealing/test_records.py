"""Records, buckets and the two paces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.protocol.errors import MalformedError, MisuseError, TooLargeError
from openpcc.protocol.sealing import PacedQueue, records
from openpcc.protocol.sealing.records import (
    MAX_DATA,
    MAX_RECORD,
    bucket_for,
    buckets,
    decode_record,
    encode_record,
    paced_record,
    padded_records,
    request_records,
)

LIMIT = 48 << 20


def test_buckets_are_powers_of_two_and_their_halves():
    assert buckets(8192) == [1024, 1536, 2048, 3072, 4096, 6144, 8192]


@given(st.integers(0, 200_000))
def test_a_bucket_is_the_smallest_that_holds_the_data(size):
    bucket = bucket_for(size, limit=LIMIT)
    fitting = [b for b in buckets(LIMIT) if b - 2 * -(-b // 16384) >= size]
    assert bucket == min(fitting)


@pytest.mark.parametrize(
    ("size", "bucket"),
    [(0, 1024), (1022, 1024), (1023, 1536), (16382, 16384), (16383, 24576), (24572, 24576)],
)
def test_bucket_borders_leave_room_for_lengths(size, bucket):
    assert bucket_for(size, limit=LIMIT) == bucket


def test_the_largest_bucket_is_the_limit():
    assert bucket_for(LIMIT - 2 * (LIMIT // 16384), limit=LIMIT) == LIMIT
    with pytest.raises(TooLargeError):
        bucket_for(LIMIT - 2 * (LIMIT // 16384) + 1, limit=LIMIT)


@given(st.integers(0, 120_000))
def test_the_bucket_alone_fixes_every_record_size(size):
    bucket = bucket_for(size, limit=LIMIT)
    made = request_records(b"x" * size, bucket)
    expected = [MAX_RECORD] * (bucket // MAX_RECORD)
    expected += [bucket % MAX_RECORD] if bucket % MAX_RECORD else []
    assert [len(record) for record in made] == expected
    assert b"".join(map(decode_record, made)) == b"x" * size


@given(st.binary(max_size=60), st.integers(0, 40))
def test_a_record_reads_back(data, padding):
    record = encode_record(data, 2 + len(data) + padding)
    assert decode_record(record) == data


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"\0",
        b"\0\1",
        b"\0\1a\1",
        b"\0\0\1",
        b"\xff\xffa",
        bytes(MAX_RECORD + 1),
    ],
)
def test_refuses_a_record_that_is_none(record):
    with pytest.raises(MalformedError):
        decode_record(record)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_record_or_this_error(data):
    try:
        found = decode_record(data)
    except MalformedError:
        return
    assert encode_record(found, len(data)) == data


@pytest.mark.parametrize("size", [0, 1, 260, 510, 511, 16382, 16383, 40000])
def test_latency_records_are_multiples_of_512(size):
    made = padded_records(b"x" * size)
    assert all(len(record) % 512 == 0 for record in made)
    assert sum(map(len, made)) < size + 2 * len(made) + 512
    assert b"".join(map(decode_record, made)) == b"x" * size


@pytest.mark.parametrize("step", [0, 1, 500, 32768])
def test_refuses_a_step_that_does_not_divide_the_largest_record(step):
    with pytest.raises(MalformedError):
        padded_records(b"x", pad_to=step)


@pytest.mark.parametrize("size", [0, 1, 2046])
def test_a_paced_record_has_2048_bytes(size):
    assert len(paced_record(b"x" * size)) == 2048


def test_a_paced_record_holds_no_more():
    with pytest.raises(MalformedError):
        paced_record(bytes(2047))
    with pytest.raises(MalformedError):
        encode_record(bytes(MAX_DATA + 1), MAX_RECORD)


@given(st.lists(st.binary(max_size=5000), max_size=4), st.integers(1, 45))
def test_a_paced_reply_ends_on_every_twentieth_tick_only(pieces, close_after):
    queue = PacedQueue()
    out, ticks, final = [], 0, False
    for piece in pieces:
        queue.push(piece)
    while not final:
        if ticks == close_after:
            queue.close()
        tick = queue.tick()
        ticks += 1
        out.append(tick.data)
        final = tick.final
        assert len(tick.data) <= records.PACED_DATA
    assert ticks % 20 == 0
    assert b"".join(out) == b"".join(pieces)
    with pytest.raises(MisuseError):
        queue.tick()


def test_a_closed_queue_takes_no_more():
    queue = PacedQueue()
    queue.push(b"abc")
    assert len(queue) == 3
    queue.close()
    with pytest.raises(MisuseError):
        queue.push(b"x")

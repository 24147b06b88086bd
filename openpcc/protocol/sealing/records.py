"""Records: what stands inside every chunk, and how much of it is padding (sealing sheet).

    record = length(2) ‖ data ‖ zero bytes        2 to 16384 bytes in all

A record of length 0 is a dummy. A request's size on the wire is fixed by its bucket alone; a reply
is padded to 512 bytes (`latency`), or goes out as one record of 2048 bytes per tick (`paced`).
"""

from openpcc.protocol.errors import MalformedError, TooLargeError

MAX_RECORD = 16384
LENGTH_SIZE = 2
MAX_DATA = MAX_RECORD - LENGTH_SIZE

LATENCY_STEP = 512
"""Bytes: one token's event of 230 to 260 bytes fits well inside, whatever the token's length."""

PACED_RECORD = 2048
PACED_DATA = PACED_RECORD - LENGTH_SIZE

SMALLEST_BUCKET = 1024


def encode_record(data: bytes, size: int) -> bytes:
    """Write one record of `size` bytes.

    Raises:
        MalformedError: the data does not fit, or the size is none a record may have.
    """
    if not LENGTH_SIZE <= size <= MAX_RECORD or len(data) > size - LENGTH_SIZE:
        raise MalformedError("record: the data does not fit its size")
    padding = bytes(size - LENGTH_SIZE - len(data))
    return len(data).to_bytes(LENGTH_SIZE, "big") + data + padding


def decode_record(record: bytes) -> bytes:
    """Read one record; a dummy gives no bytes.

    Raises:
        MalformedError: its size, its length or its padding is wrong.
    """
    if not LENGTH_SIZE <= len(record) <= MAX_RECORD:
        raise MalformedError(f"record: expected {LENGTH_SIZE} to {MAX_RECORD} bytes")
    end = LENGTH_SIZE + int.from_bytes(record[:LENGTH_SIZE], "big")
    if end > len(record):
        raise MalformedError("record: the length runs over its end")
    if record.count(0, end) != len(record) - end:
        raise MalformedError("record: a padding byte is not zero")
    return record[LENGTH_SIZE:end]


def buckets(limit: int) -> list[int]:
    """List the buckets up to a limit: 1024, 1536, 2048, 3072, 4096, and so on."""
    found = []
    bucket = SMALLEST_BUCKET
    while bucket <= limit:
        found += [bucket, bucket + bucket // 2]
        bucket *= 2
    return [bucket for bucket in found if bucket <= limit]


def bucket_for(size: int, *, limit: int) -> int:
    """Give the smallest bucket that holds so many bytes of data.

    Raises:
        TooLargeError: no bucket up to `limit` does.
    """
    for bucket in buckets(limit):
        if bucket - LENGTH_SIZE * _count(bucket) >= size:
            return bucket
    raise TooLargeError("message: larger than a sealed request may be")


def request_records(message: bytes, bucket: int) -> list[bytes]:
    """Fill the records of a bucket in order: all of the largest size but the last."""
    records = []
    for number in range(_count(bucket)):
        size = min(MAX_RECORD, bucket - number * MAX_RECORD)
        start = number * MAX_DATA
        records.append(encode_record(message[start : start + size - LENGTH_SIZE], size))
    return records


def padded_records(data: bytes, *, pad_to: int = LATENCY_STEP) -> list[bytes]:
    """Write one flush as records, each filled to the next multiple of `pad_to`; none is a dummy.

    Nothing to send gives one dummy of `pad_to` bytes.

    Raises:
        MalformedError: `pad_to` does not divide the largest record.
    """
    if pad_to < LENGTH_SIZE or MAX_RECORD % pad_to:
        raise MalformedError("record: the step divides 16384")
    pieces = [data[at : at + MAX_DATA] for at in range(0, max(len(data), 1), MAX_DATA)]
    return [encode_record(piece, _up(LENGTH_SIZE + len(piece), pad_to)) for piece in pieces]


def paced_record(data: bytes) -> bytes:
    """Write the one record of a tick; no data makes it a dummy.

    Raises:
        MalformedError: more than 2046 bytes.
    """
    return encode_record(data, PACED_RECORD)


def _count(bucket: int) -> int:
    return -(-bucket // MAX_RECORD)


def _up(size: int, step: int) -> int:
    return -(-size // step) * step

"""Token requests and answers, alone and in batches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.protocol.errors import (
    MalformedError,
    ProtocolError,
    TooLargeError,
    UnsupportedError,
)
from openpcc.protocol.privacypass import (
    MAX_BATCH,
    TokenRequest,
    encode_batch,
    encode_responses,
    parse_batch,
    parse_responses,
)

REQUEST = TokenRequest(truncated_key_id=7, blinded=b"b" * 256)
ENCODED = REQUEST.encode()
OTHER_KEY = TokenRequest(truncated_key_id=8, blinded=b"b" * 256).encode()


def test_a_request_has_259_bytes():
    assert ENCODED == b"\0\2\7" + b"b" * 256
    assert TokenRequest.parse(ENCODED) == REQUEST


@pytest.mark.parametrize("broken", [b"", b"\0\2", ENCODED[:-1], ENCODED + b"\0"])
def test_refuses_a_request_of_another_length(broken):
    with pytest.raises(MalformedError):
        TokenRequest.parse(broken)


@pytest.mark.parametrize("kind", [b"\0\1", b"\xda\x7a", b"\0\0"])
def test_refuses_a_request_of_another_type(kind):
    with pytest.raises(UnsupportedError):
        TokenRequest.parse(kind + ENCODED[2:])
    with pytest.raises(UnsupportedError):
        parse_batch(ENCODED + kind + ENCODED[2:])


@pytest.mark.parametrize("count", [1, 2, MAX_BATCH])
def test_reads_the_batch_it_wrote(count):
    requests = tuple(
        TokenRequest(truncated_key_id=7, blinded=bytes([number]) * 256) for number in range(count)
    )
    body = encode_batch(requests)
    assert len(body) == 259 * count
    assert parse_batch(body) == requests


def test_a_batch_of_one_is_the_rfcs_request():
    assert encode_batch([REQUEST]) == ENCODED


@pytest.mark.parametrize("broken", [b"", ENCODED[:-1], ENCODED + b"\0", ENCODED + OTHER_KEY])
def test_refuses_a_batch_that_is_none(broken):
    with pytest.raises(MalformedError):
        parse_batch(broken)


def test_refuses_more_than_64_before_reading_one():
    with pytest.raises(TooLargeError):
        parse_batch(ENCODED * (MAX_BATCH + 1))
    with pytest.raises(TooLargeError):
        parse_batch(bytes(1 << 20))


def test_answers_come_in_the_order_of_the_requests():
    signatures = (b"1" * 256, b"2" * 256)
    body = encode_responses(signatures)
    assert body == b"1" * 256 + b"2" * 256
    assert parse_responses(body, 2) == signatures


@pytest.mark.parametrize(
    ("size", "count"), [(0, 0), (0, 1), (256, 2), (512, 1), (257, 1), (65 * 256, 65)]
)
def test_refuses_answers_of_another_number(size, count):
    with pytest.raises(MalformedError):
        parse_responses(bytes(size), count)


@given(st.binary(max_size=600), st.integers(0, 64))
def test_any_bytes_are_a_batch_or_this_packages_error(data, count):
    for read in (TokenRequest.parse, parse_batch, lambda body: parse_responses(body, count)):
        try:
            read(data)
        except ProtocolError:
            continue

"""A sealed request: what opens, and each refusal reached by breaking exactly one thing."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openpcc.protocol import sealing
from openpcc.protocol.errors import (
    MalformedError,
    ProtocolError,
    TooLargeError,
    TruncatedError,
    UnknownKeyError,
    UnsealableError,
    UnsupportedError,
)
from openpcc.protocol.hpke import KEM_XWING
from openpcc.protocol.sealing import Prefix
from openpcc.protocol.sealing.records import MAX_RECORD, encode_record
from tests.openpcc.protocol.sealing.made import (
    HYBRID_KEYS,
    KEYS,
    MESSAGE,
    TERMS,
    open_request,
    seal,
    seal_dishonestly,
    unwrap,
)

SEALED = seal()
BODY = SEALED.body
PREFIX = Prefix.parse(BODY)
WRAPS = PREFIX.header.size
WRAP = 32 + 48


def flipped(at):
    return BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :]


@pytest.mark.parametrize("keys", [KEYS, HYBRID_KEYS, KEYS[:1], HYBRID_KEYS[:1]])
def test_every_candidate_opens_the_same_request(keys):
    sealed = seal(keys)
    for key in keys:
        assert open_request(sealed.body, key) == MESSAGE


@pytest.mark.parametrize("size", [0, 1, 1022, 1023, 16382, 16383, 100_000])
def test_messages_of_every_size_go_through(size):
    assert open_request(seal(message=bytes(size)).body) == bytes(size)


def test_sizes_follow_from_suite_candidates_and_bucket_only():
    one = {len(seal(message=b"x" * size).body) for size in (0, 10, 1022)}
    two = {len(seal(message=b"x" * size).body) for size in (1023, 1534)}
    assert one == {PREFIX.size + 1 + 1024 + 16}
    assert two == {PREFIX.size + 1 + 1536 + 16}


def test_every_request_has_its_own_id_and_digest():
    again = seal()
    assert again.header.request_id != SEALED.header.request_id
    assert again.request_digest != SEALED.request_digest
    assert PREFIX.request_digest == SEALED.request_digest
    assert unwrap(BODY).request_id == SEALED.header.request_id


@pytest.mark.parametrize(
    ("at", "replacement"),
    [
        (8, (TERMS["expires"] + 60).to_bytes(8, "big")),
        (16, (2048).to_bytes(4, "big")),
        (20, b"r" * 32),
        (52, b"m" * 32),
        (84, b"t" * 32),
        (116 + 32, b"k" * 32),
    ],
    ids=["expiry", "budget", "request id", "model", "token", "candidate"],
)
def test_no_field_of_the_header_can_be_changed(at, replacement):
    with pytest.raises(UnsealableError):
        open_request(BODY[:at] + replacement + BODY[at + len(replacement) :])


@pytest.mark.parametrize(
    "at",
    [WRAPS, WRAPS + 32, WRAPS + WRAP - 1, WRAPS + WRAP, WRAPS + 2 * WRAP + 40, len(BODY) - 1],
    ids=["own enc", "own wrap", "own tag", "other enc", "other wrap", "content"],
)
def test_no_wrap_and_no_content_can_be_changed(at):
    with pytest.raises(UnsealableError):
        open_request(flipped(at))


def test_wraps_cannot_be_swapped():
    first, second = (BODY[WRAPS + at : WRAPS + at + WRAP] for at in (WRAP, 2 * WRAP))
    swapped = BODY[: WRAPS + WRAP] + second + first + BODY[WRAPS + 3 * WRAP :]
    with pytest.raises(UnsealableError):
        open_request(swapped)


def test_a_wrap_cannot_be_stripped():
    """A gateway that drops a candidate would aim the request; the header is bound."""
    stripped = (
        BODY[:7] + b"\x02" + BODY[8 : 116 + 64] + BODY[WRAPS : WRAPS + 2 * WRAP]
        + BODY[WRAPS + 3 * WRAP :]
    )  # fmt: skip
    with pytest.raises(UnsealableError):
        open_request(stripped)


def test_content_of_another_request_does_not_open():
    other = seal()
    with pytest.raises(UnsealableError):
        open_request(BODY[: PREFIX.size] + other.body[PREFIX.size :])


def test_refuses_a_request_that_is_addressed_to_no_live_key():
    stranger = sealing.NodePrivateKey.generate(kem_id=KEM_XWING)
    with pytest.raises(UnknownKeyError):
        PREFIX.select({stranger.id: stranger})
    with pytest.raises(UnknownKeyError):
        PREFIX.unwrap(stranger)


def test_an_erased_key_opens_nothing():
    key = sealing.NodePrivateKey.generate()
    sealed = seal([key])
    key.erase()
    with pytest.raises(UnknownKeyError):
        open_request(sealed.body, key)


def test_refuses_a_request_id_that_does_not_commit_to_the_secret():
    record = encode_record(b"m", 1024)
    assert open_request(seal_dishonestly(KEYS[0], [record])) == b"m"
    with pytest.raises(UnsealableError):
        open_request(seal_dishonestly(KEYS[0], [record], request_id=b"r" * 32))


@pytest.mark.parametrize(
    "record", [b"", b"\0", b"\0\1", b"\0\1a\1"], ids=["empty", "one byte", "overrun", "padding"]
)
def test_refuses_a_record_that_is_none(record):
    good = encode_record(b"m", 512)
    with pytest.raises(MalformedError):
        open_request(seal_dishonestly(KEYS[0], [good, record]))
    if record:
        with pytest.raises(MalformedError):
            open_request(seal_dishonestly(KEYS[0], [record, good]))


def test_refuses_a_record_over_the_limit():
    with pytest.raises(MalformedError):
        open_request(seal_dishonestly(KEYS[0], [bytes(MAX_RECORD + 1)]))


def test_dummies_carry_nothing_anywhere():
    records = [encode_record(data, 512) for data in (b"", b"a", b"", b"b", b"")]
    assert open_request(seal_dishonestly(KEYS[0], records)) == b"ab"


def test_a_request_without_its_final_chunk_is_truncated():
    record = encode_record(b"m", 512)
    for body in (
        seal_dishonestly(KEYS[0], [record, record], last_final=False),
        BODY[: PREFIX.size],
        BODY[: PREFIX.size + 1],
        BODY[: PREFIX.size + 10],
    ):
        with pytest.raises(TruncatedError):
            open_request(body)


def test_a_cut_or_longer_request_does_not_open():
    for body in (BODY[:-1], BODY + b"\0"):
        with pytest.raises(UnsealableError):
            open_request(body)


def test_seals_nothing_over_64_mib():
    with pytest.raises(TooLargeError):
        seal(message=bytes(48 << 20))


def test_refuses_what_is_too_large_without_computing_on_it():
    body = BODY + bytes(sealing.MAX_REQUEST)
    tracemalloc.start()
    with pytest.raises(TooLargeError):
        Prefix.parse(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_seals_to_candidates_of_one_suite_only():
    with pytest.raises(UnsupportedError):
        seal([KEYS[0], HYBRID_KEYS[0]])


@pytest.mark.parametrize("keys", [[], [KEYS[0], KEYS[0]]])
def test_seals_to_one_candidate_at_least_and_to_none_twice(keys):
    with pytest.raises(MalformedError):
        seal(keys)


@pytest.mark.parametrize(
    "term", [{"expires": 1_800_000_121}, {"max_output": 1000}, {"token_digest": b"short"}]
)
def test_seals_no_terms_that_a_node_refuses(term):
    with pytest.raises(MalformedError):
        seal(**term)


def test_secrets_and_messages_do_not_show_in_texts():
    texts = repr(SEALED) + repr(PREFIX) + repr(KEYS[0]) + repr(unwrap(BODY))
    assert MESSAGE.hex() not in texts
    assert repr(MESSAGE)[2:-1] not in texts


@settings(deadline=None, max_examples=150)
@given(st.integers(0, len(BODY)), st.binary(max_size=40))
def test_any_bytes_are_refused_with_this_packages_error(cut, tail):
    data = BODY[:cut] + tail
    if data == BODY:
        return
    with pytest.raises(ProtocolError):
        open_request(data)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_no_byte_can_be_changed(at, change):
    data = BODY[:at] + bytes([BODY[at] ^ change]) + BODY[at + 1 :]
    with pytest.raises(ProtocolError):
        open_request(data)

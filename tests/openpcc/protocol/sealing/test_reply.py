"""A sealed reply: from the serving node to this client only, and never complete by accident."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openpcc.protocol import chunks
from openpcc.protocol.errors import (
    MalformedError,
    MisuseError,
    ProtocolError,
    TruncatedError,
    UnsealableError,
)
from openpcc.protocol.sealing.records import decode_record
from tests.openpcc.protocol.sealing.made import HYBRID_KEYS, KEYS, seal, unwrap

SEALED = seal()
HEAD = 33


def reply_of(key, pieces, sealed=SEALED):
    """Answer as one node: the head and one flush for each piece."""
    sealer = unwrap(sealed.body, key).seal_reply()
    last = len(pieces) - 1
    records = [sealer.record(piece, final=n == last) for n, piece in enumerate(pieces)]
    return [sealer.head(), *records]


def drain(opener, body, step=None):
    step = step or max(len(body), 1)
    pieces = []
    for at in range(0, len(body), step):
        pieces += opener.feed(body[at : at + step])
    return [*pieces, *opener.finish()]


WIRES = reply_of(KEYS[1], [b"one", b"two", b"three"])
BODY = b"".join(WIRES)


@pytest.mark.parametrize("keys", [KEYS, HYBRID_KEYS])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_any_candidate_may_answer(keys, index):
    sealed = seal(keys)
    opener = sealed.open_reply()
    body = b"".join(reply_of(keys[index], [b"one", b"", b"two"], sealed))
    assert drain(opener, body) == [b"one", b"two"]
    assert opener.complete
    assert opener.index == index


def test_both_ends_have_the_same_receipt_salt():
    sealer = unwrap(SEALED.body).seal_reply()
    opener = SEALED.open_reply()
    assert opener.receipt_salt is None
    assert opener.index is None
    opener.feed(sealer.head())
    assert opener.receipt_salt == sealer.receipt_salt
    assert len(sealer.receipt_salt) == 32


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 200))
def test_pieces_of_any_size_give_what_the_whole_gives(step):
    assert drain(SEALED.open_reply(), BODY, step) == [b"one", b"two", b"three"]


@pytest.mark.parametrize("size", [0, 1, 300, 510, 511, 16382, 16383, 40000])
def test_latency_records_are_multiples_of_512(size):
    sealer = unwrap(SEALED.body).seal_reply()
    body = sealer.head() + sealer.record(b"x" * size) + sealer.record(b"", final=True)
    opener = SEALED.open_reply()
    assert b"".join(drain(opener, body)) == b"x" * size
    sizes = []
    at = HEAD
    while body[at]:
        width = 1 << (body[at] >> 6)
        length = int.from_bytes(body[at : at + width], "big") & ((1 << (8 * width - 2)) - 1)
        sizes.append(length - 16)
        at += width + length
    assert all(size % 512 == 0 for size in sizes)
    assert len(body) - at == 1 + 512 + 16


def test_paced_records_have_one_size_whatever_they_carry():
    sealer = unwrap(SEALED.body).seal_reply()
    wires = [sealer.paced_record(b"x" * size) for size in (0, 1, 2046)]
    assert {len(wire) for wire in wires} == {2 + 2048 + 16}
    final = sealer.paced_record(b"", final=True)
    assert len(final) == 1 + 2048 + 16
    opener = SEALED.open_reply()
    opened = drain(opener, sealer.head() + b"".join(wires) + final)
    assert opened == [b"x", b"x" * 2046]
    assert opener.complete


def test_dummies_without_end_are_an_error_at_the_last_record_a_key_may_seal(monkeypatch):
    """The bound is 2^24: at 20 a second, after ten days. Here it is 8."""
    sealer = unwrap(SEALED.body).seal_reply()
    body = sealer.head() + b"".join(sealer.paced_record(b"") for _ in range(9))
    monkeypatch.setattr(chunks, "MAX_CHUNKS", 8)
    opener = SEALED.open_reply()
    with pytest.raises(MalformedError, match="more of them than a message may have"):
        opener.feed(body)
    assert not opener.complete


def test_a_key_seals_no_record_over_the_bound(monkeypatch):
    sealer = unwrap(SEALED.body).seal_reply()
    monkeypatch.setattr(chunks, "MAX_CHUNKS", 8)
    for _ in range(8):
        sealer.paced_record(b"")
    with pytest.raises(MisuseError, match="last chunk"):
        sealer.paced_record(b"")


def test_a_paced_record_holds_no_more_than_2046_bytes():
    with pytest.raises(MalformedError):
        unwrap(SEALED.body).seal_reply().paced_record(bytes(2047))


def test_another_candidate_cannot_be_named_as_the_server():
    with pytest.raises(UnsealableError):
        drain(SEALED.open_reply(), b"\x00" + BODY[1:])


@pytest.mark.parametrize("index", [3, 255])
def test_refuses_an_index_from_its_first_byte(index):
    with pytest.raises(MalformedError):
        SEALED.open_reply().feed(bytes([index]))


def test_a_reply_to_another_request_does_not_open():
    other = seal()
    with pytest.raises(UnsealableError):
        drain(SEALED.open_reply(), b"".join(reply_of(KEYS[1], [b"x"], other)))


@pytest.mark.parametrize("at", [1, 32, 40, len(BODY) - 1])
def test_no_byte_of_nonce_or_records_can_be_changed(at):
    opener = SEALED.open_reply()
    with pytest.raises(UnsealableError):
        drain(opener, BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :])
    assert not opener.complete


@pytest.mark.parametrize("end", [0, 1, 32, 33, 34, 100, len(WIRES[0] + WIRES[1])])
def test_a_cut_reply_is_truncated_and_partial(end):
    opener = SEALED.open_reply()
    with pytest.raises(TruncatedError):
        drain(opener, BODY[:end])
    assert not opener.complete


def test_a_record_cannot_be_dropped_or_appended_to():
    for body in (WIRES[0] + WIRES[2] + WIRES[3], BODY + b"\0", BODY[:-1]):
        with pytest.raises(UnsealableError):
            drain(SEALED.open_reply(), body)


def test_refuses_a_record_that_is_none():
    """A dishonest node: the chunk opens, its record has a padding byte that is not zero."""
    sealer = unwrap(SEALED.body).seal_reply()
    opener = SEALED.open_reply()
    opener.feed(sealer.head())
    with pytest.raises(MalformedError):
        opener.feed(sealer._chunks.seal(b"\0\0\1"))
    with pytest.raises(MalformedError):
        opener.feed(sealer.record(b"x"))
    assert not opener.complete


def test_refuses_an_empty_final_record():
    sealer = unwrap(SEALED.body).seal_reply()
    opener = SEALED.open_reply()
    opener.feed(sealer.head() + sealer._chunks.seal(b"", final=True))
    with pytest.raises(MalformedError):
        opener.finish()
    assert not opener.complete


def test_one_request_has_one_reply_and_a_reply_one_end():
    unwrapped = unwrap(SEALED.body)
    sealer = unwrapped.seal_reply()
    with pytest.raises(MisuseError):
        unwrapped.seal_reply()
    sealer.record(b"", final=True)
    with pytest.raises(MisuseError):
        sealer.record(b"more")


def test_two_replies_of_one_node_have_different_keys():
    """A fresh nonce keeps them apart even if a node were to answer twice."""
    one, two = (reply_of(KEYS[1], [b"same"]) for _ in range(2))
    assert one[0] != two[0]
    assert one[1] != two[1]
    with pytest.raises(UnsealableError):
        drain(SEALED.open_reply(), one[0] + two[1])


def test_a_wiped_request_opens_no_reply():
    sealed = seal()
    opener = sealed.open_reply()
    body = b"".join(reply_of(KEYS[0], [b"x"], sealed))
    opener.wipe()
    sealed.wipe()
    for wiped in (opener, sealed.open_reply()):
        with pytest.raises(ProtocolError):
            wiped.feed(body)
        assert not wiped.complete


def test_a_wiped_sealer_seals_nothing():
    sealer = unwrap(SEALED.body).seal_reply()
    sealer.wipe()
    with pytest.raises(MisuseError):
        sealer.record(b"x")


@settings(deadline=None, max_examples=150)
@given(st.integers(0, len(BODY)), st.binary(max_size=40), st.integers(1, 60))
def test_any_bytes_are_refused_with_this_packages_error(cut, tail, step):
    data = BODY[:cut] + tail
    if data == BODY:
        return
    opener = SEALED.open_reply()
    with pytest.raises(ProtocolError):
        drain(opener, data, step)
    assert not opener.complete


def test_a_flush_is_cut_into_full_records():
    sealer = unwrap(SEALED.body).seal_reply()
    opener = SEALED.open_reply()
    opener.feed(sealer.head())
    pieces = opener.feed(sealer.record(bytes(40000)))
    assert [len(piece) for piece in pieces] == [16382, 16382, 7236]
    assert decode_record(b"\0\0") == b""

"""The chunk codec: framing, order, finality, limits."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openpcc.protocol import varint
from openpcc.protocol.chunks import MAX_CHUNK, MAX_SEALED, ChunkOpener, ChunkSealer, split
from openpcc.protocol.errors import (
    MalformedError,
    MisuseError,
    ProtocolError,
    TruncatedError,
    UnsealableError,
)
from openpcc.protocol.hpke import aead
from openpcc.protocol.hpke.aead import Opener, Sealer

CIPHER = aead.by_id(aead.AES_256_GCM)
KEY, NONCE = b"k" * 32, b"n" * 12


def sealer():
    return ChunkSealer(Sealer(CIPHER, KEY, NONCE))


def opener():
    return ChunkOpener(Opener(CIPHER, KEY, NONCE))


def seal(chunks):
    codec = sealer()
    *first, last = chunks
    return [*(codec.seal(chunk) for chunk in first), codec.seal(last, final=True)]


def drain(codec, body, step=None):
    step = step or max(len(body), 1)
    pieces = []
    for at in range(0, len(body), step):
        pieces += codec.feed(body[at : at + step])
    return [*pieces, *codec.finish()]


WIRES = seal([b"one", b"two", b"three"])


def test_opens_what_it_sealed():
    codec = opener()
    assert drain(codec, b"".join(WIRES)) == [b"one", b"two", b"three"]
    assert codec.complete


def test_an_empty_final_chunk_gives_no_piece():
    assert drain(opener(), b"".join(seal([b"one", b""]))) == [b"one"]
    assert drain(opener(), b"".join(seal([b""]))) == []


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=6), st.integers(1, 50))
def test_pieces_of_any_size_give_what_the_whole_gives(chunks, step):
    body = b"".join(seal(chunks))
    assert drain(opener(), body) == drain(opener(), body, step) == chunks


def test_every_cut_is_truncation_or_does_not_open():
    body = b"".join(WIRES)
    for end in range(len(body)):
        codec = opener()
        with pytest.raises((TruncatedError, UnsealableError)):
            drain(codec, body[:end])
        assert not codec.complete


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_message_without_its_final_chunk_is_truncated(count):
    codec = opener()
    with pytest.raises(TruncatedError):
        drain(codec, b"".join(WIRES[:count]))
    assert not codec.complete


def test_a_final_chunk_shorter_than_its_tag_is_truncated():
    with pytest.raises(TruncatedError):
        drain(opener(), b"".join(WIRES[:2]) + b"\x00" + bytes(15))


@pytest.mark.parametrize(
    "wires",
    [
        [WIRES[1], WIRES[0], WIRES[2]],
        [WIRES[1], WIRES[2]],
        [WIRES[0], WIRES[0], WIRES[1], WIRES[2]],
        [WIRES[0], b"\x00" + WIRES[1][1:]],
        [WIRES[0], WIRES[1], varint.encode(len(WIRES[2]) - 1) + WIRES[2][1:]],
        [WIRES[0], WIRES[1], WIRES[2], b"\x00"],
    ],
    ids=["swapped", "dropped", "repeated", "as final", "as other", "byte appended"],
)
def test_chunks_open_at_their_own_place_only(wires):
    with pytest.raises(UnsealableError):
        drain(opener(), b"".join(wires))


def test_an_empty_chunk_that_is_not_final_does_not_open():
    empty = Sealer(CIPHER, KEY, NONCE).seal(b"", b"")
    with pytest.raises(UnsealableError):
        opener().feed(varint.encode(len(empty)) + empty)


@pytest.mark.parametrize("length", [1, 15, MAX_SEALED + 1, varint.MAX_VALUE])
def test_refuses_a_length_from_the_prefix_alone(length):
    with pytest.raises(MalformedError):
        opener().feed(varint.encode(length))


@pytest.mark.parametrize("prefix", ["4013", "80000013", "c000000000000013"])
def test_accepts_any_spelling_of_a_length(prefix):
    body = bytes.fromhex(prefix) + WIRES[0][1:]
    assert opener().feed(body) == [b"one"]


@pytest.mark.parametrize("marker", ["00", "4000", "80000000", "c000000000000000"])
def test_accepts_any_spelling_of_the_final_marker(marker):
    body = b"".join(WIRES[:2]) + bytes.fromhex(marker) + WIRES[2][1:]
    assert drain(opener(), body) == [b"one", b"two", b"three"]


def test_takes_the_largest_chunk_and_a_thousand_chunks():
    assert drain(opener(), b"".join(seal([bytes(MAX_CHUNK)] * 2))) == [bytes(MAX_CHUNK)] * 2
    assert len(drain(opener(), b"".join(seal([b"x"] * 1000)))) == 1000


def test_refuses_a_final_chunk_over_the_limit_before_the_end():
    codec = opener()
    with pytest.raises(MalformedError):
        codec.feed(b"\x00" + bytes(MAX_SEALED + 1))


def test_an_error_stays():
    codec = opener()
    with pytest.raises(UnsealableError):
        codec.feed(WIRES[1])
    for again in (lambda: codec.feed(WIRES[0]), codec.finish):
        with pytest.raises(UnsealableError):
            again()
    assert not codec.complete


def test_nothing_follows_the_end():
    codec = opener()
    drain(codec, b"".join(WIRES))
    with pytest.raises(MalformedError):
        codec.feed(b"x")


@pytest.mark.parametrize("chunk", [b"", bytes(MAX_CHUNK + 1)])
def test_seals_no_chunk_that_a_receiver_refuses(chunk):
    with pytest.raises(MisuseError):
        sealer().seal(chunk)


def test_seals_nothing_behind_the_final_chunk():
    codec = sealer()
    codec.seal(b"", final=True)
    with pytest.raises(MisuseError):
        codec.seal(b"more")


def test_a_wiped_codec_seals_nothing():
    codec = sealer()
    codec.wipe()
    with pytest.raises(MisuseError):
        codec.seal(b"x")


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_any_bytes_are_refused_with_this_packages_error(pieces):
    codec = opener()
    with pytest.raises(ProtocolError):  # noqa: PT012 - any of the calls may be the one
        for piece in pieces:
            codec.feed(piece)
        codec.finish()


@given(st.integers(0, 3 * MAX_CHUNK))
def test_splits_into_chunks_that_join_again(size):
    message = bytes(size)
    chunks = split(message)
    assert b"".join(chunks) == message
    assert all(chunks[:-1])
    assert max(map(len, chunks)) <= MAX_CHUNK

"""Pending tokens: what is needed to ask again and to finish survives storage, exactly."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.protocol.errors import (
    MalformedError,
    ProtocolError,
    SignatureError,
    UnsupportedError,
)
from openpcc.protocol.privacypass import IssuerKey, PendingToken, verify_token
from tests.fakes import issuer_keys

PENDING = issuer_keys.begin(b"n" * 32)
ENCODED = PENDING.encode()
KEY = issuer_keys.public()
KEYS = {KEY.id: KEY}


def test_survives_a_crash_between_request_and_answer():
    before = issuer_keys.begin(b"n" * 32)
    stored = before.encode()
    answer = issuer_keys.signer().blind_sign(before.request.blinded)
    after = PendingToken.parse(stored)
    assert after.request == before.request
    token = after.finalize(answer)
    verified = verify_token(token, keys=KEYS, challenge_digest=issuer_keys.CHALLENGE.digest)
    assert verified.nonce == b"n" * 32


def test_an_answer_taken_twice_gives_the_same_token():
    answer = issuer_keys.signer().blind_sign(PENDING.blinded)
    assert PENDING.finalize(answer) == PENDING.finalize(answer)


def test_a_wrong_answer_leaves_it_as_good_as_it_was():
    pending = issuer_keys.begin()
    for wrong in (bytes(256), issuer_keys.signer().blind_sign(PENDING.blinded)):
        with pytest.raises(SignatureError):
            pending.finalize(wrong)
    with pytest.raises(MalformedError):
        pending.finalize(bytes(255))
    assert pending.finalize(issuer_keys.signer().blind_sign(pending.blinded))


def test_another_key_signs_for_nothing():
    with pytest.raises(SignatureError):
        PENDING.finalize(bytes(1) + issuer_keys.signer(1).blind_sign(bytes(1) + bytes(255))[1:])


def test_two_tokens_of_one_nonce_cannot_be_told_by_their_requests():
    first, second = (issuer_keys.begin(b"n" * 32) for _ in range(2))
    assert first.blinded != second.blinded


def test_shows_nothing_that_links():
    assert str(PENDING.inverse) not in repr(PENDING)


def test_is_self_contained():
    assert len(ENCODED) == 921
    read = PendingToken.parse(ENCODED)
    assert read == PENDING
    assert read.key.id == KEY.id


def test_another_version_is_not_guessed_at():
    for data in (b"", b"\2" + ENCODED[1:], b"\0" + ENCODED[1:]):
        with pytest.raises(UnsupportedError):
            PendingToken.parse(data)


@pytest.mark.parametrize(
    "broken",
    [b"\1", ENCODED[:2], ENCODED[:-1], ENCODED + b"\0", ENCODED[:-256] + b"\0" * 256,
     ENCODED[:-256] + b"\xff" * 256, b"\1\xff\xff" + ENCODED[3:]],
)  # fmt: skip
def test_refuses_damage(broken):
    with pytest.raises(MalformedError):
        PendingToken.parse(broken)


@pytest.mark.parametrize(
    "change",
    [{"nonce": b"n"}, {"challenge_digest": b""}, {"blinded": b"b" * 255}, {"inverse": 0},
     {"inverse": KEY.n}],
)  # fmt: skip
def test_cannot_be_made_of_what_does_not_fit(change):
    with pytest.raises(MalformedError):
        dataclasses.replace(PENDING, **change)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_needs_a_nonce_of_32_bytes(size):
    with pytest.raises(MalformedError):
        issuer_keys.begin(bytes(size))


@given(st.integers(0, len(ENCODED) - 1), st.binary(max_size=3))
def test_what_is_read_is_written_alike(at, new):
    data = ENCODED[:at] + new + ENCODED[at + 1 :]
    try:
        read = PendingToken.parse(data)
    except ProtocolError:
        return
    assert read.encode() == data
    assert isinstance(read.key, IssuerKey)
